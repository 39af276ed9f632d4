package ledgertest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

func appendAtHead(t *testing.T, s *storeSuite) {
	s.create()
	v := s.turn(ledger.Turn{Append: []ledger.Append{{ID: "e1", Sealed: raw}}})
	if !v.Appended || len(v.Entries) != 0 {
		t.Errorf("appended %v with entries %v, want true and none of its own", v.Appended, v.Entries)
	}
	first := ledger.Position{Number: 1, ID: "e1"}
	same(t, "head", v.Head, first)
	other := s.turn(ledger.Turn{Member: "m2"})
	same(t, "entries", other.Entries, []ledger.SealedEntry{{Position: first, Sealed: raw}})
	same(t, "head", other.Head, first)
}

func appendAtOldHead(t *testing.T, s *storeSuite) {
	s.create()
	s.append(ledger.Append{ID: "e1"})
	v := s.turn(ledger.Turn{Member: "m2", Append: []ledger.Append{{
		ID: "late", Sealed: raw, Records: map[string][]byte{"r": raw}, Touched: []string{"bob"},
	}}})
	if v.Appended || v.Head.ID != "e1" || len(v.Entries) != 1 {
		t.Errorf("at an older head: %+v, want nothing appended and e1 returned", v)
	}
	got, err := s.Records(s.ctx(), inc)
	s.ok(err)
	same(t, "records", got, map[string][]byte{})
}

func appendAtOtherHead(t *testing.T, s *storeSuite) {
	s.create()
	s.append(ledger.Append{ID: "e1"})
	v := s.turn(ledger.Turn{
		At:     ledger.Position{Number: 1, ID: "lost"},
		Append: []ledger.Append{{ID: "e2", Sealed: raw}},
	})
	if v.Appended || v.Head.ID != "e1" {
		t.Errorf("at a head that is another here: %+v, want nothing appended", v)
	}
}

func appendToOther(t *testing.T, s *storeSuite) {
	s.create()
	v := s.turn(ledger.Turn{Incarnation: "inc-0", Append: []ledger.Append{{ID: "e1", Sealed: raw}}})
	if v.Appended || v.Incarnation != inc || v.Head.Number != 0 {
		t.Errorf("to another incarnation: %+v, want nothing appended and the real one named", v)
	}
	s.append(ledger.Append{ID: "e1"})
	if v := s.turn(ledger.Turn{Incarnation: "inc-0"}); len(v.Entries) != 0 {
		t.Errorf("entries for a member of another incarnation: %+v, want none", v.Entries)
	}
}

func appendMany(t *testing.T, s *storeSuite) {
	s.create()
	v := s.turn(ledger.Turn{Append: []ledger.Append{
		{ID: "e1", Sealed: []byte("1"), Records: map[string][]byte{"r": []byte("first")}},
		{ID: "e2", Sealed: []byte("2"), Records: map[string][]byte{"r": []byte("second")}},
		{ID: "e3", Sealed: []byte("3")},
	}})
	same(t, "head", v.Head, ledger.Position{Number: 3, ID: "e3"})
	var got []string
	for _, e := range s.turn(ledger.Turn{Member: "m2"}).Entries {
		got = append(got, fmt.Sprintf("%d %s %s", e.Number, e.ID, e.Sealed))
	}
	same(t, "entries", got, []string{"1 e1 1", "2 e2 2", "3 e3 3"})
	kept, err := s.Records(s.ctx(), inc)
	s.ok(err)
	same(t, "records", kept, map[string][]byte{"r": []byte("second")})
}

func limited(t *testing.T, s *storeSuite) {
	s.create()
	var second ledger.Position
	for i := range 12 {
		at := s.append(ledger.Append{ID: fmt.Sprint("e", i+1)})
		if i == 1 {
			second = at
		}
	}
	v := s.turn(ledger.Turn{Member: "m2", At: second, Limit: 9})
	var got []uint64
	for _, e := range v.Entries {
		got = append(got, e.Number)
	}
	same(t, "entries behind 2", got, []uint64{3, 4, 5, 6, 7, 8, 9, 10, 11})
	same(t, "head", v.Head.Number, uint64(12))
}

func oneLine(t *testing.T, s *storeSuite) {
	s.create()
	const writers, each = 8, 10
	var all sync.WaitGroup
	for w := range writers {
		handle := &storeSuite{Store: s.handle(), t: t}
		ctx := s.ctx()
		all.Go(func() {
			var at ledger.Position
			for i := 0; i < each; {
				v, err := handle.Turn(ctx, ledger.Turn{
					Incarnation: inc, Member: fmt.Sprint("w", w), Name: fmt.Sprint("w", w), At: at, Limit: 100,
					Append: []ledger.Append{{ID: fmt.Sprintf("%d-%d", w, i), Sealed: raw}},
				})
				if err != nil {
					t.Errorf("Turn: %v", err)
					return
				}
				at = v.Head
				if v.Appended {
					i++
				}
			}
		})
	}
	all.Wait()
	seen := make(map[string]int)
	for i, e := range s.turn(ledger.Turn{}).Entries {
		if e.Number != uint64(i+1) {
			t.Fatalf("entry %d has number %d", i+1, e.Number)
		}
		seen[e.ID]++
	}
	same(t, "entries", len(seen), writers*each)
}

func ids(t *testing.T, s *storeSuite) {
	s.create()
	for i := range 12 {
		s.append(ledger.Append{ID: fmt.Sprint("e", i+1)})
	}
	got, err := s.IDs(s.ctx(), inc, 3)
	s.ok(err)
	same(t, "the last three", got, map[uint64]string{10: "e10", 11: "e11", 12: "e12"})
	got, err = s.IDs(s.ctx(), inc, 20)
	s.ok(err)
	same(t, "all, and the beginning", len(got), 13)
	got, err = s.IDs(s.ctx(), "inc-0", 3)
	s.ok(err)
	same(t, "of another incarnation", got, map[uint64]string{})
}

func records(t *testing.T, s *storeSuite) {
	s.ok(s.Create(s.ctx(), ledger.Creation{Incarnation: inc, Records: map[string][]byte{"a": []byte("0"), "b": []byte("0")}}))
	s.append(ledger.Append{ID: "e1", Records: map[string][]byte{"a": nil, "c": raw, "missing": nil}})
	s.append(ledger.Append{ID: "e2", Records: map[string][]byte{"b": []byte("2")}})
	got, err := s.Records(s.ctx(), inc)
	s.ok(err)
	same(t, "records", got, map[string][]byte{"b": []byte("2"), "c": raw})
}

func recordsElsewhere(t *testing.T, s *storeSuite) {
	s.ok(s.Create(s.ctx(), ledger.Creation{Incarnation: inc, Records: map[string][]byte{"a": raw}}))
	if got, err := s.Records(s.ctx(), "inc-0"); err == nil && len(got) != 0 {
		t.Errorf("records of another incarnation: %q, want none", got)
	}
}

func intents(t *testing.T, s *storeSuite) {
	s.create()
	s.ok(s.Announce(s.ctx(), inc, "i1", raw))
	s.ok(s.Announce(s.ctx(), inc, "i2", []byte("2")))
	same(t, "intents", s.intents(), map[string][]byte{"i1": raw, "i2": []byte("2")})
	s.ok(s.Withdraw(s.ctx(), inc, "i1"))
	s.ok(s.Withdraw(s.ctx(), inc, "never"))
	same(t, "intents", s.intents(), map[string][]byte{"i2": []byte("2")})
	_ = s.Announce(s.ctx(), "inc-0", "elsewhere", raw)
	same(t, "intents", s.intents(), map[string][]byte{"i2": []byte("2")})
	if v := s.turn(ledger.Turn{}); v.Head.Number != 0 {
		t.Errorf("head %v after intents, want none: they are no entries", v.Head)
	}
}

func (s *storeSuite) intents() map[string][]byte {
	s.t.Helper()
	all, err := s.Intents(s.ctx(), inc)
	s.ok(err)
	return all
}

func intentGoes(t *testing.T, s *storeSuite) {
	s.create()
	s.ok(s.Announce(s.ctx(), inc, "i1", raw))
	s.append(ledger.Append{ID: "e1", Intent: "i1"})
	same(t, "intents", s.intents(), map[string][]byte{})
	s.append(ledger.Append{ID: "e2", Intent: "i1"}) // needs it not
}

func onlyPending(t *testing.T, s *storeSuite) {
	s.create()
	s.ok(s.Announce(s.ctx(), inc, "i1", raw))
	s.append(ledger.Append{ID: "e1", Intent: "i1", OnlyPending: true})
	at := s.head()
	v := s.turn(ledger.Turn{At: at, Append: []ledger.Append{{ID: "e2", Sealed: raw, Intent: "i1", OnlyPending: true}}})
	if v.Appended || v.Head != at || len(v.Entries) != 0 {
		t.Errorf("with an intent that is not pending: %+v, want nothing appended", v)
	}
}

// intentsBound is more than any store keeps.
const intentsBound = 20_000

func intentsBounded(t *testing.T, s *storeSuite) {
	s.create()
	var full []error
	var mu sync.Mutex
	var all sync.WaitGroup
	for w := range 8 {
		handle, ctx := s.handle(), s.ctx()
		all.Go(func() {
			for i := range intentsBound / 8 {
				if err := handle.Announce(ctx, inc, fmt.Sprint(w, "-", i), raw); err != nil {
					mu.Lock()
					defer mu.Unlock()
					full = append(full, err)
					return
				}
			}
		})
	}
	all.Wait()
	if len(full) == 0 || slices.ContainsFunc(full, func(err error) bool { return err != ledger.ErrFull }) {
		t.Errorf("errors after %d intents: %v, want only ErrFull", intentsBound, full)
	}
}
