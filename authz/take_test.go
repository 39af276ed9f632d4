package authz

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeShared is a store of answers that another replica filled.
type fakeShared struct {
	mu    sync.Mutex
	has   map[Key]Answer
	hold  chan struct{} // while not nil, Take waits until it is closed
	marks int
	took  int
	left  map[Key]Mark
}

func (s *fakeShared) Mark() Mark {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marks++
	return Mark{Incarnation: "i", Number: uint64(s.marks)}
}

func (s *fakeShared) Take(ctx context.Context, key Key) *Answer {
	s.mu.Lock()
	s.took++
	a, ok := s.has[key]
	hold := s.hold
	s.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil
		}
	}
	if !ok {
		return nil
	}
	return &a
}

func (s *fakeShared) Leave(_ context.Context, key Key, _ *Answer, asked Mark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left[key] = asked
}

// put is an answer that another replica got an age ago, at a position.
func (s *fakeShared) put(q Question, a Answer, asked Instant, seq Seq) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.Asked, a.Seq = asked, seq
	s.has[q.Token.Key()] = a
}

// wantTaken fails the test if Take was not called n times since the last look.
func (s *fakeShared) wantTaken(t *testing.T, n int, when string) {
	t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.took != n {
		t.Errorf("%s: looked for a shared answer %d times, want %d", when, s.took, n)
	}
	s.took = 0
}

// among runs test in a world with other replicas.
func among(t *testing.T, test func(w *world, s *fakeShared)) {
	t.Helper()
	in(t, func(w *world) {
		s := &fakeShared{has: make(map[Key]Answer), left: make(map[Key]Mark)}
		w.auth.opts.Shared = s
		test(w, s)
	})
}

func TestWhatAnotherReplicaLeftServesWithoutAQuestion(t *testing.T) {
	among(t, func(w *world, s *fakeShared) {
		var found []Lookup
		w.auth.opts.Observe = func(l Lookup) { found = append(found, l) }
		w.auth.opts.Budget = NewBudget(w.clock, 0)
		s.put(bobs, guest(shared), w.clock(), 0)
		w.hub.fail(errHub)
		for i := range 2 * unknownBurst { // costs no budget: strangers' is used up by then
			q := bobs
			q.Token = NewToken(fmt.Sprint("token ", i))
			s.put(q, guest(shared), w.clock(), 0)
			w.want(w.decide(q), yes, "a token that another replica asked about")
		}
		w.want(w.decide(bobs), yes, "bob's first request here")
		w.want(w.decide(bobs), yes, "his second")
		w.wantAsked(0, "in all")
		n := len(found)
		if got, want := fmt.Sprint(found[n-2:]), "[shared hit]"; got != want {
			w.t.Errorf("found %s, want %s", got, want)
		}
		if len(s.left) != 0 {
			w.t.Error("an answer of another replica was left once more")
		}
	})
}

func TestASharedAnswerIsAsOldAsItsQuestion(t *testing.T) {
	for _, tt := range []struct {
		name string
		age  time.Duration
		ask  int
	}{
		{"young", 3 * time.Second, 0},
		{"at 0.8 T", 4 * time.Second, 0},
		{"so old that it would be asked for again at once", 4*time.Second + 1, 1},
		{"too old", 5*time.Second + 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			among(t, func(w *world, s *fakeShared) {
				s.put(bobs, guest(shared), w.clock().Add(-tt.age), 0)
				r := w.decide(bobs)
				w.want(r, yes, "the decision")
				w.wantAsked(tt.ask, tt.name)
				if age := w.clock().Sub(r.d.Answer.Asked); tt.ask == 0 && age != tt.age {
					w.t.Errorf("the answer counts as %s old, want %s", age, tt.age)
				}
			})
		})
	}
}

// TestASharedAnswerRenewsOneThatGrowsOld: an active guest of three replicas costs
// the Hub the questions of one.
func TestASharedAnswerRenewsOneThatGrowsOld(t *testing.T) {
	among(t, func(w *world, s *fakeShared) {
		w.decide(bobs)
		pass(4*time.Second + 1)
		s.put(bobs, guest(shared), w.clock().Add(-time.Second), 0)
		w.hub.questions()
		w.want(w.decide(bobs), yes, "ripe")
		w.wantAsked(0, "ripe")
		pass(2 * time.Second)
		w.want(w.decide(bobs), yes, "by the shared answer")
		w.wantAsked(0, "by the shared answer")
	})
}

func TestADoubtIsAnsweredByTheHub(t *testing.T) {
	about := Subject{Kind: AboutServer, Name: "alice"}
	for _, tt := range []struct {
		name  string
		doubt func(w *world, q *Question)
	}{
		{"an entry about the server", func(w *world, _ *Question) { w.entry(about) }},
		{"another history", func(w *world, _ *Question) { w.entry(Subject{Kind: AboutEveryGuest}) }},
		{"a gate that is held", func(w *world, q *Question) { q.After = w.entry(Subject{Kind: AboutGroup, Name: "others"}) }},
		{"a gate that is held, and nothing known", func(w *world, q *Question) {
			q.Token = NewToken("another of bob's")
			w.hub.say(q.Token, guest())
			q.After = w.entry(about)
		}},
		{"a revocation's question", func(w *world, q *Question) {
			q.Cause = CauseRevocation
			pass(6 * time.Second)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			among(t, func(w *world, s *fakeShared) {
				q := bobs
				w.want(w.decide(q), yes, "before")
				w.hub.say(bobs.Token, guest())
				tt.doubt(w, &q)
				// What somebody who can write the store would like to be believed.
				s.put(q, guest(shared), w.clock(), w.lease.Applied())
				s.took = 0
				w.hub.questions()
				w.want(w.decide(q), no, "after")
				s.wantTaken(w.t, 0, "a doubt")
				w.wantAsked(1, "a doubt")
			})
		})
	}
}

// TestAnAnswerTakenOverAnEntryIsNone: the entry is applied while the store is
// asked; what it says may be from before or after.
func TestAnAnswerTakenOverAnEntryIsNone(t *testing.T) {
	for name, known := range map[string]bool{"with an old answer at hand": true, "with none": false} {
		t.Run(name, func(t *testing.T) {
			among(t, func(w *world, s *fakeShared) {
				if known {
					w.decide(bobs)
					pass(6 * time.Second)
				}
				s.put(bobs, guest(shared), w.clock(), 1)
				s.hold = make(chan struct{})
				waiting := w.begin(bobs)
				w.hub.say(bobs.Token, guest())
				w.entry(Subject{Kind: AboutGuests, Name: "alice"})
				later := w.begin(bobs)
				w.hub.questions()
				close(s.hold)
				w.want(<-waiting, no, "who waited")
				w.want(<-later, no, "who came after the entry")
				w.wantAsked(1, "both")
			})
		})
	}
}

// TestASharedAnswerSettlesNoDoubtAboutAnotherServer: the credential is asked
// about for a server that no entry was about; the doubt about the other one
// stays.
func TestASharedAnswerSettlesNoDoubtAboutAnotherServer(t *testing.T) {
	among(t, func(w *world, s *fakeShared) {
		w.decide(bobs)
		pass(6 * time.Second)
		w.entry(Subject{Kind: AboutGuests, Name: "alice"})
		w.hub.say(bobs.Token, guest())
		s.put(bobs, guest(shared), w.clock(), w.lease.Applied())
		other := bobs
		other.Server = Server{Owner: "carol"}
		w.hub.questions()
		w.want(w.decide(other), no, "carol's server")
		w.wantAsked(0, "carol's server")
		w.want(w.decide(bobs), no, "alice's server")
		w.wantAsked(1, "alice's server")
	})
}

// TestWithoutALeaseTheStoreIsLeftAlone: one that hangs delays nobody.
func TestWithoutALeaseTheStoreIsLeftAlone(t *testing.T) {
	among(t, func(w *world, s *fakeShared) {
		w.lease.stop()
		pass(time.Second + 1)
		s.hold = make(chan struct{})
		s.put(bobs, guest(shared), w.clock(), 0)
		if r := w.decide(bobs); r.String() != yes || r.took != 0 {
			w.t.Errorf("%s after %s, want yes at once", r, r.took)
		}
		s.wantTaken(w.t, 0, "without a lease")
		if s.marks != 0 || len(s.left) != 0 {
			w.t.Errorf("%d marks, %d answers left, want none", s.marks, len(s.left))
		}
	})
}

func TestWhatTheHubSaidIsLeftForOthers(t *testing.T) {
	among(t, func(w *world, s *fakeShared) {
		service := Question{Token: NewToken("a service's"), Server: alices}
		w.hub.say(service.Token, Answer{Kind: KindService, Name: "culler"})
		denied := Question{Token: NewToken("dave's"), Server: alices}
		w.hub.say(denied.Token, Answer{Kind: KindUser, Name: "dave"})
		stranger := Question{Token: NewToken("?"), Server: alices}
		for _, tt := range []struct {
			name string
			q    Question
			want bool
		}{
			{"a guest's", bobs, true}, {"an owner's", own, true}, {"a service's", service, true},
			{"one who is denied", denied, true}, {"a stranger's", stranger, false},
		} {
			release := w.hub.holdBack()
			waiting := w.begin(tt.q)
			s.mu.Lock()
			before := s.marks
			s.mu.Unlock()
			release()
			<-waiting
			synctest.Wait()
			if mark, left := s.left[tt.q.Token.Key()]; left != tt.want || left && mark.Number != uint64(before) {
				w.t.Errorf("%s: left %t with mark %+v, want %t with that from before the question, %d", tt.name, left, mark, tt.want, before)
			}
		}
		w.hub.fail(errHub)
		other := Question{Token: NewToken("another's"), Server: alices}
		w.decide(other)
		if _, left := s.left[other.Token.Key()]; left {
			w.t.Error("a question without an answer left one")
		}
	})
}

func TestAnAnswerIsNotLeftWhenTheLeaseRanOutMeanwhile(t *testing.T) {
	among(t, func(w *world, s *fakeShared) {
		release := w.hub.holdBack()
		waiting := w.begin(bobs)
		w.lease.stop()
		pass(time.Second + 1)
		release()
		<-waiting
		synctest.Wait()
		if len(s.left) != 0 {
			w.t.Error("an answer was left without a lease")
		}
	})
}

// TestStrangersTakeFewOfTheStoresConnections: the ledger needs them.
func TestStrangersTakeFewOfTheStoresConnections(t *testing.T) {
	among(t, func(w *world, s *fakeShared) {
		s.hold = make(chan struct{})
		var all []<-chan result
		for i := range maxTaking + 10 {
			all = append(all, w.begin(Question{Token: NewToken(fmt.Sprint(i)), Server: alices, Client: "192.0.2.9"}))
		}
		s.wantTaken(w.t, maxTaking, "while the store hangs")
		w.wantAsked(10, "beyond the bound")
		close(s.hold)
		for _, c := range all {
			w.want(<-c, no, "a stranger")
		}
	})
}

func TestCloseEndsWhoLooksForASharedAnswer(t *testing.T) {
	among(t, func(w *world, s *fakeShared) {
		defer w.hub.holdBack()()
		s.hold = make(chan struct{})
		waiting := w.begin(bobs)
		w.auth.Close()
		if r := <-waiting; !errors.Is(r.err, ErrNoDecision) {
			w.t.Errorf("%s, want no decision", r)
		}
	})
}

// TestAQuestionInLineServesTheEntriesThatComeMeanwhile: it is put after them.
// However many there are, a credential stands in line once.
func TestAQuestionInLineServesTheEntriesThatComeMeanwhile(t *testing.T) {
	in(t, func(w *world) {
		w.decide(bobs)
		b := w.auth.opts.Budget
		granted(b, reserved, time.Nanosecond, Payer{Cause: CauseRevocation})
		granted(b, 50, time.Nanosecond, Payer{Cause: CauseRecheck})
		w.hub.questions()
		w.hub.say(bobs.Token, guest())
		var all []<-chan result
		for range 100 {
			q := bobs
			q.Cause, q.After = CauseRevocation, w.entry(Subject{Kind: AboutGuests, Name: "alice"})
			all = append(all, w.begin(q))
		}
		for _, c := range all {
			w.want(<-c, no, "each")
		}
		w.wantAsked(1, "a hundred entries")
	})
}

// TestAQuestionThatFoundNoSharedAnswerStandsInLineLikeAnyOther.
func TestAQuestionThatFoundNoSharedAnswerStandsInLineLikeAnyOther(t *testing.T) {
	among(t, func(w *world, s *fakeShared) {
		w.decide(bobs)
		pass(6 * time.Second)
		granted(w.auth.opts.Budget, 50, time.Nanosecond, Payer{Cause: CauseRecheck})
		w.hub.questions()
		all := []<-chan result{w.begin(bobs)}
		s.wantTaken(w.t, 2, "the first ever, and one for an answer that is too old")
		for range 3 {
			q := bobs
			q.After = w.entry(Subject{Kind: AboutGuests, Name: "alice"})
			all = append(all, w.begin(q))
		}
		for _, c := range all {
			w.want(<-c, yes, "each")
		}
		w.wantAsked(1, "three entries")
	})
}

// TestASharedAnswerFromAnEarlierPlaceIsNotTaken: what is known here is newer in
// the order of the ledger, though older in time.
func TestASharedAnswerFromAnEarlierPlaceIsNotTaken(t *testing.T) {
	among(t, func(w *world, s *fakeShared) {
		w.entry(Subject{Kind: AboutUser, Name: "carol"})
		w.decide(bobs)
		pass(6 * time.Second)
		s.put(bobs, guest(), w.clock().Add(-time.Second), 0)
		w.hub.questions()
		w.want(w.decide(bobs), yes, "by the hub")
		w.wantAsked(1, "once")
	})
}

// TestARevocationDoesNotStandInLineBehindARecheck of the same credential.
func TestARevocationDoesNotStandInLineBehindARecheck(t *testing.T) {
	in(t, func(w *world) {
		w.hub.set(func(h *fakeHub) { h.twice = true })
		w.decide(bobs)
		granted(w.auth.opts.Budget, 50, time.Nanosecond, Payer{Cause: CauseRecheck})
		pass(6 * time.Second)
		granted(w.auth.opts.Budget, 50, time.Nanosecond, Payer{Cause: CauseRecheck})
		recheck := w.begin(bobs)
		q := bobs
		q.Cause, q.After = CauseRevocation, w.entry(Subject{Kind: AboutGuests, Name: "alice"})
		if r := w.decide(q); r.String() != yes || r.took != 0 {
			w.t.Errorf("%s after %s, want an answer at once", r, r.took)
		}
		<-recheck
	})
}
