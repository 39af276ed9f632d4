package authz

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheHubIsAskedOnceAndItsAnswerServesAllServers(t *testing.T) {
	in(t, func(w *world) {
		w.want(w.decide(bobs), yes, "first")
		w.want(w.decide(bobs), yes, "again")
		other := bobs
		other.Server.Name = "lab"
		w.want(w.decide(other), no, "another server with the same token")
		w.wantAsked(1, "one credential")
		stranger := Question{Token: NewToken("?"), Server: alices}
		w.want(w.decide(stranger), no, "a token that the hub does not know")
		w.want(w.decide(own), yes, "the owner")
		w.wantAsked(2, "two more credentials")
	})
}

func TestAHubWithoutAnAnswerIsNoDecision(t *testing.T) {
	in(t, func(w *world) {
		w.hub.fail(errHub)
		r := w.decide(bobs)
		w.want(r, unknown, "hub away")
		if !errors.Is(r.err, errHub) {
			w.t.Errorf("error %v does not say why", r.err)
		}
		if !w.auth.HubAway() {
			w.t.Error("HubAway is false after a failure")
		}
		w.hub.fail(nil)
		w.want(w.decide(bobs), yes, "hub back")
		if w.auth.HubAway() {
			w.t.Error("HubAway is true after an answer")
		}
	})
}

func TestAHubThatHangsIsNoDecisionAfterTenSeconds(t *testing.T) {
	in(t, func(w *world) {
		defer w.hub.holdBack()()
		r := w.decide(bobs)
		w.want(r, unknown, "hub hangs")
		if r.took != 10*time.Second {
			w.t.Errorf("took %s, want 10s", r.took)
		}
	})
}

func TestAThousandRequestsOnAnOldAnswerAreOneQuestion(t *testing.T) {
	in(t, func(w *world) {
		w.want(w.decide(bobs), yes, "before")
		pass(6 * time.Second)
		w.hub.questions()
		release := w.hub.holdBack()
		results := make(chan result, 1000)
		for i := range 1000 {
			q := bobs
			if i%2 == 1 {
				q.Server.Name = ServerName(fmt.Sprint(i))
			}
			go func() { results <- w.decide(q) }()
		}
		synctest.Wait()
		release()
		for range 1000 {
			r := <-results
			want := no
			if r.d.Server.Name == "" {
				want = yes
			}
			w.want(r, want, "each")
		}
		w.wantAsked(1, "a stampede")
	})
}

func TestAnAnswerIsAsOldAsItsQuestion(t *testing.T) {
	in(t, func(w *world) {
		w.hub.set(func(h *fakeHub) { h.delay = 3 * time.Second })
		asked := w.clock()
		r := w.decide(bobs)
		w.want(r, yes, "after 3 s")
		if got := r.d.Answer.Asked; got != asked {
			w.t.Errorf("asked %s too late", got.Sub(asked))
		}
		pass(2 * time.Second)
		if !w.auth.Young(&r.d) {
			w.t.Error("not young 5 s after the question")
		}
		pass(time.Nanosecond)
		if w.auth.Young(&r.d) {
			w.t.Error("young later than 5 s after the question")
		}
	})
}

func TestAGuestWhoKeepsAskingIsOutInTime(t *testing.T) {
	in(t, func(w *world) {
		w.want(w.decide(bobs), yes, "first")
		w.hub.say(bobs.Token, guest())
		for age := time.Duration(0); ; age += 100 * time.Millisecond {
			if r := w.decide(bobs); r.String() == no {
				break
			}
			if age > 5*time.Second {
				w.t.Fatal("allowed later than T after the change")
			}
			pass(100 * time.Millisecond)
		}
		w.wantAsked(2, "50 requests")
	})
}

func TestADenialAgesAsAnAllowance(t *testing.T) {
	in(t, func(w *world) {
		w.hub.say(bobs.Token, guest())
		stranger := Question{Token: NewToken("?"), Server: alices}
		w.want(w.decide(bobs), no, "before the grant")
		w.want(w.decide(stranger), no, "before the login")
		w.hub.say(bobs.Token, guest(shared))
		w.hub.say(stranger.Token, guest(shared))
		pass(3900 * time.Millisecond)
		w.want(w.decide(bobs), no, "answered from memory")
		w.want(w.decide(stranger), no, "answered from memory")
		w.wantAsked(2, "before 0.8 T")
		pass(1101 * time.Millisecond)
		w.want(w.decide(bobs), yes, "after T")
		w.want(w.decide(stranger), yes, "after T")
	})
}

func TestAnActiveCredentialIsAskedAgainWithoutAWait(t *testing.T) {
	in(t, func(w *world) {
		w.want(w.decide(bobs), yes, "first")
		pass(4 * time.Second)
		w.want(w.decide(bobs), yes, "at 0.8 T")
		w.wantAsked(1, "up to 0.8 T")
		pass(100 * time.Millisecond)
		release := w.hub.holdBack()
		r := w.decide(bobs)
		w.want(r, yes, "after 0.8 T")
		w.want(w.decide(bobs), yes, "after 0.8 T, again")
		if r.took != 0 {
			w.t.Errorf("waited %s for a question in the background", r.took)
		}
		w.wantAsked(1, "after 0.8 T")
		release()
		pass(4 * time.Second)
		w.want(w.decide(bobs), yes, "by the answer of the background")
		w.wantAsked(0, "8 s after the first answer")
	})
}

func TestABackgroundQuestionThatFailsIsNotRepeatedAtOnce(t *testing.T) {
	in(t, func(w *world) {
		w.want(w.decide(own), yes, "first")
		w.hub.fail(errHub)
		pass(2 * time.Minute)
		w.want(w.decide(own), yes, "in the grace")
		w.hub.questions()
		for range 100 {
			pass(100 * time.Millisecond)
			w.want(w.decide(own), yes, "in the grace")
		}
		synctest.Wait()
		if n := w.hub.questions(); n < 5 || n > 10 {
			w.t.Errorf("asked %d times in 10 s, want about one a second", n)
		}
	})
}

func TestAWaiterWhoLeavesDoesNotEndTheQuestion(t *testing.T) {
	in(t, func(w *world) {
		release := w.hub.holdBack()
		gone := errors.New("client gone")
		ctx, cancel := context.WithCancelCause(w.t.Context())
		left := make(chan error)
		go func() {
			_, err := w.auth.Decide(ctx, bobs)
			left <- err
		}()
		other := w.begin(bobs)
		cancel(gone)
		if err := <-left; !errors.Is(err, gone) || errors.Is(err, ErrNoDecision) {
			w.t.Errorf("error %v, want the context's own", err)
		}
		release()
		w.want(<-other, yes, "who stayed")
		w.wantAsked(1, "both")
	})
}

func TestCloseEndsAndWaitsForTheQuestions(t *testing.T) {
	in(t, func(w *world) {
		defer w.hub.holdBack()()
		waiting := w.begin(bobs)
		w.auth.Close()
		if n := w.hub.under[bobs.Token.Reveal()]; n != 0 {
			w.t.Error("a question outlived Close")
		}
		w.want(<-waiting, unknown, "who waited")
		if w.auth.HubAway() {
			w.t.Error("a question that Close ended counts as the hub's failure")
		}
		w.hub.questions()
		w.want(w.decide(own), unknown, "after Close")
		w.wantAsked(0, "after Close")
	})
}

func TestAHubSlowerThanTIsNoDecisionAndNoEndlessLoop(t *testing.T) {
	in(t, func(w *world) {
		w.hub.set(func(h *fakeHub) { h.delay = 6 * time.Second })
		r := w.decide(bobs)
		w.want(r, unknown, "answers are too old when they come")
		if r.took > patience {
			w.t.Errorf("took %s, want at most %s", r.took, patience)
		}
	})
}

func TestObserveIsToldOncePerDecision(t *testing.T) {
	in(t, func(w *world) {
		var found []Lookup
		w.auth.opts.Observe = func(l Lookup) { found = append(found, l) }
		w.decide(bobs)
		w.decide(bobs)
		pass(6 * time.Second)
		w.decide(bobs)
		if got, want := fmt.Sprint(found), "[miss hit miss]"; got != want {
			w.t.Errorf("found %s, want %s", got, want)
		}
	})
}
