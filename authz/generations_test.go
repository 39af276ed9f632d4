package authz

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// subjectsOf lists what a decision depends on, as the naive model of the tests.
func subjectsOf(d *Decision) (all []Subject) {
	d.Subjects(func(s Subject) bool {
		all = append(all, s)
		return true
	})
	return all
}

func TestWhatADecisionDependsOn(t *testing.T) {
	server := Subject{Kind: AboutServer, Name: "alice", Server: "lab"}
	of := Subject{Kind: AboutOwner, Name: "alice"}
	guests := Subject{Kind: AboutGuests, Name: "alice", Server: "lab"}
	denied, every := Subject{Kind: AboutDenied}, Subject{Kind: AboutEveryGuest}
	lab := Server{Owner: "alice", Name: "lab"}
	bob := &Answer{Kind: KindUser, Name: "bob", Session: "s2", Groups: []string{"g", "h"}, Access: []string{"access:servers!server=alice/lab"}}
	alice := &Answer{Kind: KindUser, Name: "alice", Session: "s1", Access: []string{"access:servers"}}
	for _, tt := range []struct {
		name   string
		answer *Answer
		server Server
		want   []Subject
	}{
		{"nobody's request", nil, lab, []Subject{server, of, guests, every, denied}},
		{"an unknown token", &Answer{}, lab, []Subject{server, of, guests, every, denied}},
		{"a guest with groups", bob, lab, []Subject{
			server, of, guests, every,
			{Kind: AboutUser, Name: "bob"}, {Kind: AboutSession, Name: "s2"}, {Kind: AboutGroup, Name: "g"}, {Kind: AboutGroup, Name: "h"},
		}},
		{"the owner's session", alice, lab, []Subject{server, of, {Kind: AboutUser, Name: "alice"}, {Kind: AboutSession, Name: "s1"}}},
		{"the owner's API token", &Answer{Kind: KindUser, Name: "alice", Access: alice.Access}, lab, []Subject{
			server, of, guests, every, {Kind: AboutUser, Name: "alice"},
		}},
		{"a service", &Answer{Kind: KindService, Name: "culler"}, lab, []Subject{
			server, of, guests, every, denied, {Kind: AboutService, Name: "culler"},
		}},
		{"no server", bob, Server{}, []Subject{
			denied, {Kind: AboutUser, Name: "bob"}, {Kind: AboutSession, Name: "s2"}, {Kind: AboutGroup, Name: "g"}, {Kind: AboutGroup, Name: "h"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := Decide(tt.answer, tt.server)
			got := subjectsOf(&d)
			if !slices.Equal(got, tt.want) {
				t.Errorf("subjects %v, want %v", got, tt.want)
			}
			for n := range got { // stopping anywhere is heeded
				calls := 0
				d.Subjects(func(Subject) bool { calls++; return calls <= n })
				if calls != n+1 {
					t.Errorf("stopped at call %d, called %d times", n+1, calls)
				}
			}
		})
	}
}

// anyDecision is one of few, so that entries often concern it.
func anyDecision(r *rand.Rand, last Seq) Decision {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	a := &Answer{
		Kind: Kind(r.IntN(3)), Name: User(pick("alice", "bob")), Session: pick("", "s1", "s2"),
		Seq: Seq(r.Uint64N(uint64(last) + 1)),
	}
	if r.IntN(2) == 0 {
		a.Groups = []string{pick("g", "h")}
	}
	if r.IntN(2) == 0 {
		a.Access = []string{"access:servers"}
	}
	return Decide(a, Server{User(pick("alice", "bob")), ServerName(pick("", "lab"))})
}

func TestCurrentIsWhatANaiveModelSays(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	type entry struct {
		seq     Seq
		subject Subject
	}
	for range 200 {
		var g Generations
		var log []entry
		var last Seq
		for range 30 {
			last += Seq(r.Uint64N(2))
			switch d := anyDecision(r, last); r.IntN(12) {
			case 0:
				g.Touch(last, Subject{Kind: AboutEveryGuest})
				log = append(log, entry{last, Subject{Kind: AboutEveryGuest}})
			case 1, 2, 3, 4:
				for _, s := range subjectsOf(&d) {
					if r.IntN(4) == 0 {
						g.Touch(last, s)
						log = append(log, entry{last, s})
					}
				}
			default:
				want := true
				for _, e := range log {
					want = want && (e.seq <= d.Answer.Seq || !slices.Contains(subjectsOf(&d), e.subject))
				}
				if got := g.Current(&d); got != want {
					t.Fatalf("seed %d: current %t, want %t: %+v asked at %d, entries %v", seed, got, want, d, d.Answer.Seq, log)
				}
			}
		}
	}
}

func TestEntriesOutOfOrderCountFromTheLatest(t *testing.T) {
	var g Generations
	bob := Subject{Kind: AboutUser, Name: "bob"}
	g.Touch(5, bob)
	g.Touch(3, bob)
	d := Decide(&Answer{Kind: KindUser, Name: "bob", Seq: 4}, alices)
	if g.Current(&d) {
		t.Error("an earlier entry hid a later one")
	}
}

func TestTooManySubjectsDoubtEverythingBefore(t *testing.T) {
	var g Generations
	for i := range 2*maxSubjects + 1 {
		g.Touch(Seq(i+1), Subject{Kind: AboutUser, Name: fmt.Sprint(i)})
	}
	if n := len(g.recent) + len(g.earlier); n > 2*maxSubjects {
		t.Errorf("%d subjects are remembered, want at most %d", n, 2*maxSubjects)
	}
	d := Decide(&Answer{Kind: KindUser, Name: "carol", Seq: maxSubjects - 1}, alices)
	if g.Current(&d) {
		t.Error("an answer from before what was forgotten is current")
	}
	d.Answer.Seq++
	if !g.Current(&d) {
		t.Error("an answer from after it is not current")
	}
}

// TestStrangersEntriesDisturbNobody: anybody may call the Hub's logout with a
// session that he made up.
func TestStrangersEntriesDisturbNobody(t *testing.T) {
	var now Instant
	g := Generations{Horizon: time.Minute, Clock: func() Instant { return now }}
	bob := Decide(&Answer{Kind: KindUser, Name: "bob", Session: "s1"}, alices)
	for seq := range Seq(10_000) {
		g.Touch(seq+1, Subject{Kind: AboutSession, Name: fmt.Sprint("made up ", seq)})
		now = now.Add(5 * time.Millisecond) // 50 s in all: bob's answer is young
	}
	if !g.Current(&bob) {
		t.Error("the sessions of strangers doubt bob's answer")
	}
	g.Touch(10_001, Subject{Kind: AboutSession, Name: "s1"})
	now = now.Add(50 * time.Second)
	g.Touch(10_002, Subject{Kind: AboutSession, Name: "another"})
	if g.Current(&bob) {
		t.Error("an entry about bob was forgotten within the horizon")
	}
	now = now.Add(3 * time.Minute)
	g.Touch(10_003, Subject{Kind: AboutSession, Name: "a third"})
	now = now.Add(2 * time.Minute)
	g.Touch(10_004, Subject{Kind: AboutSession, Name: "a fourth"})
	if n := len(g.recent) + len(g.earlier); n > 2 {
		t.Errorf("%d subjects are remembered minutes later, want what is young", n)
	}
}

func TestADecisionWithoutAnAnswerIsCurrent(t *testing.T) {
	var g Generations
	g.Touch(7, Subject{Kind: AboutEveryGuest})
	if d := Decide(nil, alices); !g.Current(&d) {
		t.Error("not current")
	}
}
