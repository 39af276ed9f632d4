// Package ledgertest is the suite that every implementation of
// [ledger.Ledger] passes, the one that every [ledger.Store] passes, and a
// [Store] with faults to test replicas on.
package ledgertest

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// limit is what the suite's calls may take at the Hub, and patience what a log
// may take for what it does by itself. Neither is waited for where the time is
// virtual.
const (
	limit    = time.Second
	patience = 20 * time.Second
)

// New makes an empty log.
type New func(t *testing.T, opts ledger.Options) ledger.Ledger

// Subjects of the suite's entries.
var (
	Bob   = authz.Subject{Kind: authz.AboutUser, Name: "bob"}
	carol = authz.Subject{Kind: authz.AboutUser, Name: "carol"}
)

// about returns what finds the entry about a subject.
func about(s authz.Subject) func(ledger.Entry) bool {
	return func(e ledger.Entry) bool { return slices.Contains(e.Subjects, s) }
}

// Run runs the suite in virtual time: the log does no I/O.
func Run(t *testing.T, newLedger New) {
	for name, test := range tests() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, newLedger) })
		})
	}
}

// RunReal runs the suite in real time.
func RunReal(t *testing.T, newLedger New) {
	for name, test := range tests() {
		t.Run(name, func(t *testing.T) { test(t, newLedger) })
	}
}

func tests() map[string]func(*testing.T, New) {
	all := map[string]func(*testing.T, New){
		"an intent disturbs nobody":                               intentIsSilent,
		"a change is applied before resolve returns":              changeIsApplied,
		"a refused call leaves no entry":                          unchangedIsSilent,
		"an unclear call says until when it may still happen":     unclearSaysUntil,
		"an intent that is never resolved becomes an entry":       forgottenIntent,
		"resolving twice does nothing":                            resolveTwice,
		"entries of many callers are applied in one order":        oneOrder,
		"a position is readable while its entry is being applied": appliedFirst,
	}
	maps.Copy(all, recordTests())
	return all
}

// options are those of a ledger on the current clock.
func options(apply ledger.Apply) ledger.Options {
	origin := time.Now()
	return ledger.Options{
		Clock: func() authz.Instant { return authz.Instant(time.Since(origin)) },
		Apply: apply,
	}
}

// start makes a ledger and runs it until the test ends. What a log says before
// it is loaded, such as that guests are doubted, is not about the suite's calls.
func start(t *testing.T, newLedger New, apply ledger.Apply) ledger.Ledger {
	t.Helper()
	l, _ := startWithClock(t, newLedger, apply)
	return l
}

func startWithClock(t *testing.T, newLedger New, apply ledger.Apply) (ledger.Ledger, authz.Clock) {
	t.Helper()
	var loaded atomic.Bool
	opts := options(func(e ledger.Entry) {
		if loaded.Load() {
			apply(e)
		}
	})
	l := newLedger(t, opts)
	runLedger(t, l)
	loaded.Store(true)
	return l, opts.Clock
}

// begin announces a call about bob.
func begin(t *testing.T, l ledger.Ledger) ledger.Call {
	t.Helper()
	return beginAbout(t, l, Bob)
}

// beginAbout announces a call.
func beginAbout(t *testing.T, l ledger.Ledger, s authz.Subject) ledger.Call {
	t.Helper()
	call, err := l.Begin(t.Context(), ledger.Intent{Subjects: []authz.Subject{s}, Limit: limit})
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

// unchangedIsSilent waits for what becomes of a later call that nobody resolves:
// by then something would have become of this one.
func unchangedIsSilent(t *testing.T, newLedger New) {
	var rec Recorder
	l := start(t, newLedger, rec.Apply)
	r := resolve(t, l, begin(t, l), ledger.Unchanged)
	beginAbout(t, l, carol)
	rec.Await(t, about(carol))
	resolve(t, l, beginAbout(t, l, carol), ledger.Changed)
	if got := rec.Entries(); slices.ContainsFunc(got, about(Bob)) || r.Seq != 0 {
		t.Errorf("after a refused call: entries %+v, receipt %+v, want none", got, r)
	}
}

// unclearSaysUntil asks for an end that is not too early; how much later depends
// on how late the entry arrives.
func unclearSaysUntil(t *testing.T, newLedger New) {
	var rec Recorder
	l, clock := startWithClock(t, newLedger, rec.Apply)
	before := clock()
	resolve(t, l, begin(t, l), ledger.Unclear)
	after := clock()
	got := rec.Entries()
	if len(got) != 1 || !got[0].Unclear || got[0].Until < before.Add(limit) || got[0].Until > after.Add(limit) {
		t.Errorf("entries %+v, want one unclear one that ends %v after the call began at %d", got, limit, before)
	}
}

func forgottenIntent(t *testing.T, newLedger New) {
	var rec Recorder
	l, clock := startWithClock(t, newLedger, rec.Apply)
	before := clock()
	begin(t, l)
	got := rec.Await(t, about(Bob))
	if len(got) != 1 || !got[0].Unclear || clock() < before.Add(limit) {
		t.Errorf("entries %+v at %d, want one unclear one %v after the intent at %d", got, clock(), limit, before)
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
