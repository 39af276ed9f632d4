package ledger

import (
	"context"
	"slices"
	"time"
)

// activity is what a replica remembers of the times that all share.
type activity struct {
	read int64    // when the times were last read, Unix milliseconds
	gone []string // names that the store can forget
}

// maxGone bounds the names. Beyond it the store keeps times of what is gone.
const maxGone = 10_000

// overlap is how far behind the last look times are read again, in
// milliseconds: others' clocks may be behind, and they write in batches.
const overlap = 60_000

// forget remembers that a name is gone.
func (a *activity) forget(name string) {
	if len(a.gone) < maxGone {
		a.gone = append(a.gone, name)
	}
}

// MergeActivity implements [Ledger].
func (r *Replica) MergeActivity(ctx context.Context, seen map[string]int64) (map[string]int64, error) {
	if !r.leased() {
		return nil, errAway
	}
	r.mu.Lock()
	since, gone := r.activity.read-overlap, slices.Clone(r.activity.gone)
	r.mu.Unlock()
	now := time.Now().UnixMilli()
	ctx, cancel := context.WithTimeout(ctx, r.patience)
	defer cancel()
	times, err := r.store.MergeActivity(ctx, seen, gone, since)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.activity.gone = r.activity.gone[min(len(gone), len(r.activity.gone)):]
	r.activity.read = now
	return times, nil
}
