package authz

import (
	"encoding/binary"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// fill puts n answers into the authorizer's memory.
func fill(a *Authorizer, n int, answer *Answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range n {
		var key Key
		binary.LittleEndian.PutUint64(key[:], uint64(i)+1)
		a.known[key] = &known{answer: answer}
	}
}

func TestTheAnswersAreBounded(t *testing.T) {
	in(t, func(w *world) {
		fill(w.auth, maxAnswers, &Answer{Kind: KindUser, Name: "x"})
		for i := range 100 {
			w.want(w.decide(Question{Token: NewToken(fmt.Sprint(i)), Server: alices}), no, "a new credential")
		}
		if n := len(w.auth.known); n != maxAnswers {
			w.t.Errorf("%d answers are kept, want %d", n, maxAnswers)
		}
	})
}

func TestStrangersAreForgottenBeforeUsers(t *testing.T) {
	for range 100 { // a map's order is any
		a := NewAuthorizer(t.Context(), Options{})
		fill(a, dropSample-1, &Answer{Kind: KindUser, Name: "x"})
		stranger := NewToken("?").Key()
		a.known[stranger] = &known{answer: &Answer{}}
		a.drop()
		if _, ok := a.known[stranger]; ok || len(a.known) != dropSample-1 {
			t.Fatalf("%d are left, the stranger %t; want the users only", len(a.known), ok)
		}
	}
}

func TestQuestionsWithoutAnAnswerLeaveNothing(t *testing.T) {
	in(t, func(w *world) {
		w.hub.fail(errHub)
		w.want(w.decide(bobs), unknown, "hub away")
		if n := len(w.auth.known); n != 0 {
			w.t.Errorf("%d credentials are kept of which nothing is known", n)
		}
	})
}

func TestAnEntryUnderQuestionIsNotDropped(t *testing.T) {
	in(t, func(w *world) {
		release := w.hub.holdBack()
		waiting := w.begin(bobs)
		w.auth.mu.Lock()
		w.auth.drop()
		n := len(w.auth.known)
		w.auth.mu.Unlock()
		if n != 1 {
			w.t.Error("it was dropped")
		}
		release()
		w.want(<-waiting, yes, "who waited")
	})
}

func TestASessionThatTheHubNamedVouches(t *testing.T) {
	in(t, func(w *world) {
		w.decide(bobs) // names s-bob
		for i := range unknownBurst + unknownLine {
			w.begin(Question{Token: NewToken(fmt.Sprint("guess", i)), Server: alices, Client: bobs.Client})
		}
		fresh := bobs
		fresh.Token, fresh.Session = NewToken("bob's for another server"), "s-bob"
		w.hub.say(fresh.Token, guest(shared))
		start := time.Now()
		w.want(w.decide(fresh), yes, "with the session")
		if took := time.Since(start); took != 0 {
			w.t.Errorf("waited %s behind who guesses", took)
		}
		fresh.Token, fresh.Session = NewToken("another"), "s-nobody"
		w.want(w.decide(fresh), unknown, "with a session that nobody named")
	})
}

func TestTheSessionsAreBounded(t *testing.T) {
	a := NewAuthorizer(t.Context(), Options{})
	for i := range maxSessions + 10 {
		a.vouch(fmt.Sprint(i))
	}
	if n := len(a.sessions); n > maxSessions || n == 0 {
		t.Errorf("%d sessions, want at most %d", n, maxSessions)
	}
	a.vouch("")
	if _, ok := a.sessions[""]; ok {
		t.Error("no session vouches")
	}
}

func TestALateTurnDoesNotMakeTheHubLookSlow(t *testing.T) {
	in(t, func(w *world) {
		w.auth.opts.Budget = NewBudget(w.clock, 0) // no re-check has a turn
		w.decide(bobs)
		pass(6 * time.Second)
		r := w.decide(bobs)
		w.want(r, unknown, "no turn")
		if r.took != askLimit || w.auth.HubAway() {
			w.t.Errorf("took %s, hub away %t; want %s and false", r.took, w.auth.HubAway(), askLimit)
		}
	})
}

func TestAnAnswerMayComeAfterALateTurn(t *testing.T) {
	in(t, func(w *world) {
		w.decide(bobs)
		pass(6 * time.Second)
		w.auth.opts.Budget = NewBudget(w.clock, 1)
		for range 9 { // one at once, the others in line before bob
			go func() { _ = w.auth.opts.Budget.Wait(w.t.Context(), Payer{Cause: CauseRecheck, User: "bob"}) }()
		}
		synctest.Wait()
		w.hub.set(func(h *fakeHub) { h.delay = 3 * time.Second })
		r := w.decide(bobs)
		w.want(r, yes, "a turn after 9 s and an answer after 3 s")
		if r.took < askLimit {
			w.t.Errorf("took %s, want more than %s for the test to mean something", r.took, askLimit)
		}
	})
}

func TestTheBackgroundTakesNothingFromRevocations(t *testing.T) {
	in(t, func(w *world) {
		w.decide(bobs)
		w.hub.questions()
		w.auth.opts.Budget = NewBudget(w.clock, 0) // no re-check has a turn
		pass(4500 * time.Millisecond)
		q := bobs
		q.Cause = CauseRevocation
		w.want(w.decide(q), yes, "from memory")
		w.wantAsked(0, "in the background")
	})
}
