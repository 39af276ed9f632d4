package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// NewHandle makes a handle of one place, as a replica has one.
type NewHandle func() ledger.Store

// RunStore runs the suite that every [ledger.Store] passes. newStore makes an
// empty place and returns what makes handles of it.
func RunStore(t *testing.T, newStore func(t *testing.T) NewHandle) {
	for name, test := range map[string]func(t *testing.T, s *storeSuite){
		"where there is no log a turn says so and does nothing":           noLog,
		"only the first begins an incarnation":                            createOnce,
		"an incarnation begins at its head with its records":              createAt,
		"entries are appended at the head":                                appendAtHead,
		"entries are not appended behind an older head":                   appendAtOldHead,
		"entries are not appended at a head of another history":           appendAtOtherHead,
		"entries are not appended to another incarnation":                 appendToOther,
		"entries of one turn are appended together":                       appendMany,
		"what came after a position is returned in order and limited":     limited,
		"entries of many come in one order without gaps":                  oneLine,
		"an entry takes its intent with it":                               intentGoes,
		"an entry that needs its intent is refused without it":            onlyPending,
		"intents are kept until they are withdrawn":                       intents,
		"intents are bounded":                                             intentsBounded,
		"a turn raises the tick, which is its member's counter":           ticks,
		"a member has applied what its turn said":                         applied,
		"a member of another history has applied nothing":                 appliedElsewhere,
		"a member whose counter stood still is dropped":                   drop,
		"a member whose counter rose is not dropped":                      dropLate,
		"a dropped member is told so and is one again":                    dropped,
		"a forgotten member that goes on is told that it was dropped":     forgotten,
		"a member that joins replaces the lost one of its name":           replaces,
		"records change with entries":                                     records,
		"records of another incarnation are not there":                    recordsElsewhere,
		"ids are those of the last entries":                               ids,
		"an answer is kept for its time":                                  answerKept,
		"an answer is refused if its subject was touched since":           answerTouched,
		"an answer is refused if it is older than what is known":          answerBeforeBegin,
		"an answer of another incarnation is neither kept nor found":      answerElsewhere,
		"the later time of activity counts":                               activity,
		"an entry, an acknowledgement and an announcement wake listeners": messages,
		"a step whose context has ended is an error":                      ended,
	} {
		t.Run(name, func(t *testing.T) {
			s := &storeSuite{t: t, handle: newStore(t)}
			s.Store = s.handle()
			test(t, s)
		})
	}
}

// storeSuite is what a test of the suite works with: a handle, and more.
type storeSuite struct {
	ledger.Store
	t      *testing.T
	handle NewHandle
}

// The suite's incarnation, and bytes that no protocol may stumble over.
const inc = "inc-1"

var raw = []byte("\x00\r\n$-1\xff\xfe'\"{}*")

// ctx is bounded, so that a store that hangs fails the test.
func (s *storeSuite) ctx() context.Context {
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
	s.t.Cleanup(cancel)
	return ctx
}

// ok fails the test on an error.
func (s *storeSuite) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("store: %v", err)
	}
}

// create begins the suite's incarnation before its first entry.
func (s *storeSuite) create() {
	s.t.Helper()
	s.ok(s.Create(s.ctx(), ledger.Creation{Incarnation: inc}))
}

// turn takes a turn; what it does not name is filled in.
func (s *storeSuite) turn(t ledger.Turn) ledger.View {
	s.t.Helper()
	if t.Incarnation == "" {
		t.Incarnation = inc
	}
	if t.Member == "" {
		t.Member = "m1"
	}
	if t.Name == "" {
		t.Name = "host-of-" + t.Member
	}
	if t.Limit == 0 {
		t.Limit = 100
	}
	v, err := s.Turn(s.ctx(), t)
	s.ok(err)
	return v
}

// append appends one entry at the head and returns its position.
func (s *storeSuite) append(a ledger.Append) ledger.Position {
	s.t.Helper()
	if a.Sealed == nil {
		a.Sealed = raw
	}
	v := s.turn(ledger.Turn{At: s.head(), Append: []ledger.Append{a}})
	if !v.Appended {
		s.t.Fatalf("entry %q was not appended at the head: %+v", a.ID, v)
	}
	return v.Head
}

func (s *storeSuite) head() ledger.Position {
	s.t.Helper()
	return s.turn(ledger.Turn{}).Head
}

// member returns a member as another sees it.
func (s *storeSuite) member(id string) (ledger.Member, bool) {
	s.t.Helper()
	members := s.turn(ledger.Turn{Member: "observer"}).Members
	i := slices.IndexFunc(members, func(m ledger.Member) bool { return m.ID == id })
	if i < 0 {
		return ledger.Member{}, false
	}
	return members[i], true
}

// same compares what should be equal; nil and empty are.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("%s: %+q, want %+q", what, got, want)
	}
}

func noLog(t *testing.T, s *storeSuite) {
	v := s.turn(ledger.Turn{Append: []ledger.Append{{ID: "e1", Sealed: raw}}})
	if v.Incarnation != "" || v.Appended || len(v.Entries) != 0 {
		t.Errorf("a turn without a log: %+v, want none", v)
	}
	s.create()
	if v := s.turn(ledger.Turn{}); v.Head.Number != 0 || len(v.Entries) != 0 {
		t.Errorf("after the log began: %+v, want an empty one", v)
	}
}

func createOnce(t *testing.T, s *storeSuite) {
	var begun sync.Map
	var all sync.WaitGroup
	for i := range 4 {
		handle := s.handle()
		all.Go(func() {
			name := fmt.Sprint("inc-", i)
			err := handle.Create(s.ctx(), ledger.Creation{
				Incarnation: name, Records: map[string][]byte{"r": []byte(name)},
			})
			if err == nil {
				begun.Store(name, true)
			} else if !errors.Is(err, ledger.ErrExists) {
				t.Errorf("Create: %v, want nil or ErrExists", err)
			}
		})
	}
	all.Wait()
	v := s.turn(ledger.Turn{})
	n := 0
	begun.Range(func(name, _ any) bool {
		n++
		same(t, "incarnation", v.Incarnation, name.(string))
		return true
	})
	same(t, "incarnations begun", n, 1)
	got, err := s.Records(s.ctx(), v.Incarnation)
	s.ok(err)
	same(t, "records", got, map[string][]byte{"r": []byte(v.Incarnation)})
}

func createAt(t *testing.T, s *storeSuite) {
	at := ledger.Position{Number: 41, ID: "before"}
	want := map[string][]byte{"a": raw, "b": []byte("x")}
	s.ok(s.Create(s.ctx(), ledger.Creation{
		Incarnation: inc, At: at, OriginIncarnation: "inc-0", OriginNumber: 40, Records: maps.Clone(want),
	}))
	v := s.turn(ledger.Turn{At: at})
	same(t, "head", v.Head, at)
	same(t, "origin", fmt.Sprint(v.OriginIncarnation, " ", v.OriginNumber), "inc-0 40")
	got, err := s.Records(s.ctx(), inc)
	s.ok(err)
	same(t, "records", got, want)
	same(t, "first entry", s.append(ledger.Append{ID: "e42"}), ledger.Position{Number: 42, ID: "e42"})
}

func ended(t *testing.T, s *storeSuite) {
	s.create()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Turn(over, ledger.Turn{Incarnation: inc, Member: "m1"}); err == nil {
		t.Error("a turn whose context has ended is no error")
	}
	if err := s.Announce(over, inc, "i1", raw); err == nil {
		t.Error("an announcement whose context has ended is no error")
	}
}
