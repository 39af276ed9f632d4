package ledgertest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// Recorder keeps the entries that were applied.
type Recorder struct {
	mu      sync.Mutex
	entries []ledger.Entry
	grown   chan struct{} // closed when there are more; made by who waits
}

// Apply implements [ledger.Apply].
func (r *Recorder) Apply(e ledger.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries = append(r.entries, e)
	if r.grown != nil {
		close(r.grown)
		r.grown = nil
	}
}

// Entries returns what was applied so far, in order.
func (r *Recorder) Entries() []ledger.Entry {
	entries, _ := r.look()
	return entries
}

func (r *Recorder) look() ([]ledger.Entry, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.grown == nil {
		r.grown = make(chan struct{})
	}
	return slices.Clone(r.entries), r.grown
}

// Await waits until an entry was applied that fits, and returns all.
func (r *Recorder) Await(t *testing.T, fits func(ledger.Entry) bool) []ledger.Entry {
	t.Helper()
	tooLong := time.NewTimer(patience)
	defer tooLong.Stop()
	for {
		entries, grown := r.look()
		if slices.ContainsFunc(entries, fits) {
			return entries
		}
		select {
		case <-grown:
		case <-tooLong.C:
			t.Fatalf("no such entry within %v: %+v", patience, entries)
		}
	}
}
