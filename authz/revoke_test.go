package authz

import (
	"fmt"
	"testing"
	"time"
)

// What share-proxy is for: an answer that was asked for before a change is not
// used after it, by anybody.

func TestAnEntryEndsTheAnswersThatItConcerns(t *testing.T) {
	in(t, func(w *world) {
		w.decide(bobs)
		w.decide(own)
		w.hub.say(bobs.Token, guest())
		w.hub.questions()
		w.entry(Subject{Kind: AboutGuests, Name: "alice"})
		w.want(w.decide(own), yes, "the owner, from memory")
		w.wantAsked(0, "the owner")
		w.want(w.decide(bobs), no, "the guest")
		w.wantAsked(1, "the guest")
	})
}

func TestAQuestionFromBeforeTheRevocationServesNobody(t *testing.T) {
	in(t, func(w *world) {
		release := w.hub.holdBack()
		var waiters []<-chan result
		for range 5 {
			waiters = append(waiters, w.begin(bobs))
		}
		w.wantAsked(1, "before")
		w.hub.say(bobs.Token, guest()) // the question under way will still say yes
		w.entry(Subject{Kind: AboutServer, Name: "alice"})
		for range 5 {
			waiters = append(waiters, w.begin(bobs))
		}
		release()
		for _, c := range waiters {
			w.want(<-c, no, "whoever waited")
		}
		w.wantAsked(1, "after")
		w.want(w.decide(bobs), no, "from memory")
		w.wantAsked(0, "from memory")
	})
}

func TestAfterDoesNotWaitForAnOlderQuestion(t *testing.T) {
	for _, cause := range []Cause{CauseFirst, CauseRecheck, CauseRevocation} {
		t.Run(fmt.Sprint("cause ", cause), func(t *testing.T) { afterDoesNotWait(t, cause) })
	}
}

func afterDoesNotWait(t *testing.T, cause Cause) {
	in(t, func(w *world) {
		w.hub.set(func(h *fakeHub) { h.twice = true })
		release := w.hub.holdBack()
		old := w.begin(bobs)
		w.hub.set(func(h *fakeHub) { h.hold = nil }) // the first one stays held
		w.hub.say(bobs.Token, guest())
		q := bobs
		q.Cause, q.After = cause, w.entry(Subject{Kind: AboutServer, Name: "alice"})
		r := w.decide(q)
		w.want(r, no, "the question after the entry")
		if r.took != 0 {
			w.t.Errorf("waited %s", r.took)
		}
		release()
		w.want(<-old, no, "who waited for the older question")
		w.want(w.decide(bobs), no, "the older answer replaced the newer")
		w.wantAsked(2, "in all")
	})
}

func TestAfterRefusesAnOlderAnswer(t *testing.T) {
	in(t, func(w *world) {
		w.want(w.decide(bobs), yes, "before")
		w.hub.say(bobs.Token, guest())
		// An entry that concerns bob only by what a gate knows of him.
		q := bobs
		q.After = w.entry(Subject{Kind: AboutGroup, Name: "others"})
		w.want(w.decide(q), no, "after the entry")
		w.wantAsked(2, "in all")
	})
}

func TestAnAfterThatIsNotAppliedEndsAsNoDecision(t *testing.T) {
	in(t, func(w *world) {
		q := bobs
		q.After = 7
		w.want(w.decide(q), unknown, "an entry that never comes")
		if n := w.hub.questions(); n > maxRounds+1 {
			w.t.Errorf("the hub was asked %d times", n)
		}
	})
}

func TestAnOwnerGoesOnWhileTheHubIsAway(t *testing.T) {
	in(t, func(w *world) {
		w.want(w.decide(own), yes, "the owner's last yes")
		w.want(w.decide(bobs), yes, "the guest's last yes")
		w.hub.fail(errHub)
		pass(5*time.Second + 1)
		w.want(w.decide(bobs), unknown, "a guest after T")
		pass(10 * time.Minute)
		w.want(w.decide(own), yes, "the owner in the grace")
		pass(defaults.Grace - 10*time.Minute - 5*time.Second - 1)
		w.want(w.decide(own), yes, "the owner at the end of the grace")
		pass(time.Nanosecond)
		w.want(w.decide(own), unknown, "the owner after the grace")
		w.hub.fail(nil)
		w.want(w.decide(own), yes, "the owner when the hub is back")
	})
}

func TestGraceBeginsOnlyWhenTheHubHasFailed(t *testing.T) {
	in(t, func(w *world) {
		w.want(w.decide(own), yes, "first")
		pass(2 * time.Minute)
		w.hub.fail(errHub)
		r := w.decide(own)
		w.want(r, yes, "the first question that fails")
		w.wantAsked(2, "it was put")
		// Another question is answered: the Hub is there, so no grace.
		w.hub.fail(nil)
		w.want(w.decide(bobs), yes, "a guest")
		if w.auth.Young(&r.d) {
			w.t.Error("the owner's old answer is used while the hub answers others")
		}
	})
}

func TestGraceEndsByAnEntryAboutTheOwner(t *testing.T) {
	for name, s := range map[string]Subject{
		"his logout":    {Kind: AboutSession, Name: "s-alice"},
		"his user":      {Kind: AboutUser, Name: "alice"},
		"the server":    {Kind: AboutServer, Name: "alice"},
		"all he has":    {Kind: AboutOwner, Name: "alice"},
		"his role":      {Kind: AboutGroup, Name: "staff"},
		"not a guest's": {Kind: AboutGuests, Name: "alice"},
	} {
		in(t, func(w *world) {
			a := owner()
			a.Groups = []string{"staff"}
			w.hub.say(own.Token, a)
			w.decide(own)
			w.hub.fail(errHub)
			pass(2 * time.Minute)
			w.want(w.decide(own), yes, name+": before")
			w.entry(s)
			want := unknown
			if s.Kind == AboutGuests {
				want = yes
			}
			w.want(w.decide(own), want, name)
		})
	}
}

func TestADeniedOwnerHasNoGrace(t *testing.T) {
	in(t, func(w *world) {
		w.hub.say(own.Token, Answer{Kind: KindUser, Name: "alice", Session: "s-alice"})
		w.want(w.decide(own), no, "without the role")
		w.hub.fail(errHub)
		pass(2 * time.Minute)
		w.want(w.decide(own), unknown, "hub away")
	})
}
