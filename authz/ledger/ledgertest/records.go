package ledgertest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// Shelf keeps the records that a log gives to [ledger.Keep].
type Shelf struct {
	mu     sync.Mutex
	kept   []ledger.Record
	values map[string]string
}

// Keep implements [ledger.Keep].
func (s *Shelf) Keep(r ledger.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, r)
	if s.values == nil {
		s.values = make(map[string]string)
	}
	if key := r.Kind + " " + r.Name; r.Value == nil {
		delete(s.values, key)
	} else {
		s.values[key] = string(r.Value)
	}
}

// Value returns what a record says now, and whether there is one.
func (s *Shelf) Value(kind, name string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok := s.values[kind+" "+name]
	return value, ok
}

// Kept returns all records that were given, in order.
func (s *Shelf) Kept() []ledger.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.kept)
}

// recordTests are the part of the suite that is about records. They need no
// time to pass.
func recordTests() map[string]func(*testing.T, New) {
	return map[string]func(*testing.T, New){
		"a record is kept before write returns":              recordIsKept,
		"a removed record is gone before write returns":      recordIsRemoved,
		"a record of nothing is a record":                    recordOfNothing,
		"records of one name and different kinds are two":    recordsByKind,
		"records are kept in the order of the writes":        recordsInOrder,
		"records of many callers are kept one after another": recordsOfManyCallers,
		"a log that is in sync says so":                      syncAlone,
	}
}

// startKept makes a ledger on the current clock that keeps its records on a
// shelf.
func startKept(t *testing.T, newLedger New) (ledger.Ledger, *Shelf) {
	t.Helper()
	shelf := new(Shelf)
	l := newLedger(t, keeping(shelf))
	runLedger(t, l)
	return l, shelf
}

// keeping are the options of a ledger that keeps its records on a shelf.
func keeping(shelf *Shelf) ledger.Options {
	opts := options(func(ledger.Entry) {})
	opts.Keep = shelf.Keep
	return opts
}

// runLedger runs a ledger until the test ends and waits until it is loaded.
func runLedger(t *testing.T, l ledger.Ledger) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { l.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	if err := l.Loaded(t.Context()); err != nil {
		t.Fatalf("Loaded: %v", err)
	}
}

// write writes a record; the value nil removes it.
func write(t *testing.T, l ledger.Ledger, kind, name string, value []byte) {
	t.Helper()
	if err := l.Write(t.Context(), ledger.Record{Kind: kind, Name: name, Value: value}); err != nil {
		t.Errorf("Write(%s %s): %v", kind, name, err)
	}
}

// wantRecord checks what a record says.
func wantRecord(t *testing.T, shelf *Shelf, kind, name, want string) {
	t.Helper()
	if got, ok := shelf.Value(kind, name); !ok || got != want {
		t.Errorf("record %s %s is %q (there: %v), want %q", kind, name, got, ok, want)
	}
}

func recordIsKept(t *testing.T, newLedger New) {
	l, shelf := startKept(t, newLedger)
	write(t, l, "route", "/a", []byte("one"))
	wantRecord(t, shelf, "route", "/a", "one")
	write(t, l, "route", "/a", []byte("two"))
	wantRecord(t, shelf, "route", "/a", "two")
	err := l.Write(t.Context(), ledger.Record{Kind: "route", Name: "/b", Value: []byte("one"), Unshared: true})
	if err != nil {
		t.Errorf("Write: %v", err)
	}
	for _, r := range shelf.Kept() {
		if r.Unshared { // that is for the log to say
			t.Errorf("record %+v is unshared though the log is there", r)
		}
	}
}

func recordIsRemoved(t *testing.T, newLedger New) {
	l, shelf := startKept(t, newLedger)
	write(t, l, "route", "/a", []byte("one"))
	write(t, l, "route", "/b", []byte("other"))
	write(t, l, "route", "/a", nil)
	if got, ok := shelf.Value("route", "/a"); ok {
		t.Errorf("the removed record is %q", got)
	}
	wantRecord(t, shelf, "route", "/b", "other")
	write(t, l, "route", "/a", nil) // of what is not there: no error
	write(t, l, "route", "/a", []byte("again"))
	wantRecord(t, shelf, "route", "/a", "again")
}

func recordOfNothing(t *testing.T, newLedger New) {
	l, shelf := startKept(t, newLedger)
	write(t, l, "route", "/a", []byte{})
	wantRecord(t, shelf, "route", "/a", "")
}

func recordsByKind(t *testing.T, newLedger New) {
	l, shelf := startKept(t, newLedger)
	write(t, l, "route", "x", []byte("one"))
	write(t, l, "grant", "x", []byte("two"))
	write(t, l, "route", "x", nil)
	wantRecord(t, shelf, "grant", "x", "two")
}

func recordsInOrder(t *testing.T, newLedger New) {
	l, shelf := startKept(t, newLedger)
	var want []string
	for i := range 20 {
		value := fmt.Sprint(i)
		write(t, l, "route", fmt.Sprint("/", i%3), []byte(value))
		want = append(want, value)
	}
	var got []string
	for _, r := range shelf.Kept() {
		got = append(got, string(r.Value))
	}
	if !slices.Equal(got, want) {
		t.Errorf("kept %v, want %v", got, want)
	}
}

// recordsOfManyCallers would fail, also by the race detector, if Keep were
// called for two records at once, or for one twice.
func recordsOfManyCallers(t *testing.T, newLedger New) {
	const callers, each = 8, 10
	l, shelf := startKept(t, newLedger)
	var writing sync.WaitGroup
	for c := range callers {
		writing.Go(func() {
			for i := range each {
				write(t, l, "route", "/a", fmt.Appendf(nil, "%d of %d", i, c))
			}
		})
	}
	writing.Wait()
	next := make(map[string]int)
	for _, r := range shelf.Kept() {
		var i int
		var c string
		if _, err := fmt.Sscanf(string(r.Value), "%d of %s", &i, &c); err != nil || i != next[c] {
			t.Errorf("kept %q, want number %d of this caller", r.Value, next[c])
		}
		next[c] = i + 1
	}
	for c, n := range next {
		if n != each {
			t.Errorf("%d records of caller %s were kept, want %d", n, c, each)
		}
	}
}

func syncAlone(t *testing.T, newLedger New) {
	l, _ := startKept(t, newLedger)
	if err := l.Sync(t.Context()); err != nil {
		t.Errorf("Sync: %v", err)
	}
	if _, err := l.MergeActivity(t.Context(), map[string]int64{"/a": 1}); err != nil {
		t.Errorf("MergeActivity: %v", err)
	}
}
