// Package ledgertest is the suite that every implementation of
// [ledger.Ledger] passes.
package ledgertest

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// New makes an empty log.
type New func(t *testing.T, opts ledger.Options) ledger.Ledger

// Recorder keeps the entries that were applied.
type Recorder struct {
	mu      sync.Mutex
	entries []ledger.Entry
}

// Apply implements [ledger.Apply].
func (r *Recorder) Apply(e ledger.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries = append(r.entries, e)
}

// Entries returns what was applied so far, in order.
func (r *Recorder) Entries() []ledger.Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.entries)
}

// Bob is the subject of the suite's entries.
var Bob = authz.Subject{Kind: authz.AboutUser, Name: "bob"}

// Run runs the suite.
func Run(t *testing.T, newLedger New) {
	tests := map[string]func(*testing.T, New){
		"an intent disturbs nobody":                               intentIsSilent,
		"a change is applied before resolve returns":              changeIsApplied,
		"a refused call leaves no entry":                          unchangedIsSilent,
		"an unclear call says until when it may still happen":     unclearSaysUntil,
		"an intent that is never resolved becomes an entry":       forgottenIntent,
		"resolving twice does nothing":                            resolveTwice,
		"entries of many callers are applied in one order":        oneOrder,
		"a position is readable while its entry is being applied": appliedFirst,
	}
	maps.Copy(tests, recordTests())
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, newLedger) })
		})
	}
}

// start makes a ledger on the bubble's clock.
func start(t *testing.T, newLedger New, apply ledger.Apply) ledger.Ledger {
	t.Helper()
	origin := time.Now()
	l := newLedger(t, ledger.Options{
		Clock: func() authz.Instant { return authz.Instant(time.Since(origin)) },
		Apply: apply,
	})
	runLedger(t, l)
	return l
}

// begin announces a call about bob.
func begin(t *testing.T, l ledger.Ledger) ledger.Call {
	t.Helper()
	call, err := l.Begin(t.Context(), ledger.Intent{Subjects: []authz.Subject{Bob}, Limit: time.Minute})
	if err != nil {
		t.Fatalf("Begin: %v", err)
	}
	return call
}

// resolve ends it.
func resolve(t *testing.T, l ledger.Ledger, call ledger.Call, o ledger.Outcome) ledger.Receipt {
	t.Helper()
	r, err := l.Resolve(t.Context(), call, o)
	if err != nil {
		t.Fatalf("Resolve: %v", err)
	}
	return r
}

func intentIsSilent(t *testing.T, newLedger New) {
	var rec Recorder
	l := start(t, newLedger, rec.Apply)
	before := l.Applied()
	begin(t, l)
	if got := rec.Entries(); len(got) != 0 || l.Applied() != before {
		t.Errorf("after an intent: entries %v, applied %d, want none and %d", got, l.Applied(), before)
	}
}

func changeIsApplied(t *testing.T, newLedger New) {
	var rec Recorder
	l := start(t, newLedger, rec.Apply)
	r := resolve(t, l, begin(t, l), ledger.Changed)
	got := rec.Entries()
	if len(got) != 1 || got[0].Seq != r.Seq || got[0].Unclear || !slices.Equal(got[0].Subjects, []authz.Subject{Bob}) {
		t.Fatalf("entries %+v, want one clear one about bob at %d", got, r.Seq)
	}
	if r.State != ledger.Done || l.Applied() < r.Seq {
		t.Errorf("receipt %+v, applied %d, want done and applied", r, l.Applied())
	}
}

func unchangedIsSilent(t *testing.T, newLedger New) {
	var rec Recorder
	l := start(t, newLedger, rec.Apply)
	r := resolve(t, l, begin(t, l), ledger.Unchanged)
	time.Sleep(2 * time.Minute)
	synctest.Wait()
	if got := rec.Entries(); len(got) != 0 || r.Seq != 0 {
		t.Errorf("after a refused call: entries %v, receipt %+v, want none", got, r)
	}
}

func unclearSaysUntil(t *testing.T, newLedger New) {
	var rec Recorder
	l := start(t, newLedger, rec.Apply)
	begun := l.Fresh()
	resolve(t, l, begin(t, l), ledger.Unclear)
	got := rec.Entries()
	if len(got) != 1 || !got[0].Unclear || got[0].Until.Sub(begun) != time.Minute {
		t.Errorf("entries %+v, want one unclear one that ends a minute after %d", got, begun)
	}
}

func forgottenIntent(t *testing.T, newLedger New) {
	var rec Recorder
	l := start(t, newLedger, rec.Apply)
	begin(t, l)
	time.Sleep(time.Minute + time.Second)
	synctest.Wait()
	if got := rec.Entries(); len(got) != 1 || !got[0].Unclear {
		t.Errorf("entries %+v a minute after an intent, want one unclear one", got)
	}
}

func resolveTwice(t *testing.T, newLedger New) {
	var rec Recorder
	l := start(t, newLedger, rec.Apply)
	call := begin(t, l)
	resolve(t, l, call, ledger.Changed)
	resolve(t, l, call, ledger.Changed)
	if got := rec.Entries(); len(got) != 1 {
		t.Errorf("%d entries, want 1", len(got))
	}
}

func oneOrder(t *testing.T, newLedger New) {
	var rec Recorder
	l := start(t, newLedger, rec.Apply)
	var callers sync.WaitGroup
	for range 50 {
		callers.Go(func() { resolve(t, l, begin(t, l), ledger.Changed) })
	}
	callers.Wait()
	got := rec.Entries()
	if len(got) != 50 || !slices.IsSortedFunc(got, func(a, b ledger.Entry) int { return int(a.Seq) - int(b.Seq) }) {
		t.Errorf("%d entries, want 50 in ascending order: %+v", len(got), got)
	}
}

func appliedFirst(t *testing.T, newLedger New) {
	var l ledger.Ledger
	var during authz.Seq
	l = start(t, newLedger, func(ledger.Entry) { during = l.Applied() })
	r := resolve(t, l, begin(t, l), ledger.Changed)
	if during < r.Seq {
		t.Errorf("while entry %d was applied, Applied was %d: a question that begins then would count as too early", r.Seq, during)
	}
}
