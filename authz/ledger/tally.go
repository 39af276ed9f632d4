package ledger

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// tally is what members tell each other about what entries did: how many
// sockets were closed. It is for people to read. No bound depends on it, and
// what is lost on the way is not said again.
type tally struct {
	mu      sync.Mutex // not the replica's: Tell is called while entries are applied
	others  map[authz.Seq]uint64
	telling map[uint64]Told
	asks    map[uint64]*ask
}

// ask waits for what others tell of an entry.
type ask struct {
	tellers int // that are waited for
	told    Told
	done    chan struct{}
}

// maxTold bounds the entries about which this member may still tell.
const maxTold = 1024

func newTally() tally {
	return tally{others: make(map[authz.Seq]uint64), telling: make(map[uint64]Told), asks: make(map[uint64]*ask)}
}

// about remembers which entry of another member a position here stands for.
func (t *tally) about(seq authz.Seq, n uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.others) >= maxTold {
		delete(t.others, slices.Min(slices.Collect(maps.Keys(t.others))))
	}
	t.others[seq] = n
}

// Tell implements [Ledger].
func (r *Replica) Tell(seq authz.Seq, sockets int, final bool) {
	t := &r.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	n, is := t.others[seq]
	if !is {
		return
	}
	told := t.telling[n]
	told.Sockets += sockets
	if final {
		told.Tellers++
		delete(t.others, seq)
	}
	t.telling[n] = told
	r.nudge()
}

// Told implements [Ledger].
func (r *Replica) Told(ctx context.Context, receipt Receipt) int {
	if receipt.confirmed == 0 {
		return 0
	}
	a := &ask{tellers: receipt.confirmed, done: make(chan struct{})}
	t := &r.tally
	t.mu.Lock()
	t.asks[receipt.number] = a
	t.mu.Unlock()
	r.awaiting.Add(1)
	defer r.awaiting.Add(-1)
	r.nudge()
	select {
	case <-a.done:
	case <-ctx.Done():
	case <-r.closed:
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.asks, receipt.number)
	return a.told.Sockets
}

// take takes what the next turn tells and asks.
func (t *tally) take() (telling map[uint64]Told, asked []uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.telling) > 0 { // else it is still written to
		telling, t.telling = t.telling, make(map[uint64]Told)
	}
	for n := range t.asks {
		asked = append(asked, n)
	}
	return telling, asked
}

// answer takes in what a turn was told.
func (t *tally) answer(told map[uint64]Told) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for n, a := range t.asks {
		said, is := told[n]
		if !is || a.told.Tellers >= a.tellers {
			continue
		}
		a.told = said
		if said.Tellers >= a.tellers {
			close(a.done)
		}
	}
}
