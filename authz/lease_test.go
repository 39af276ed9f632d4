package authz

import (
	"fmt"
	"testing"
	"time"
)

// What a lease is worth, in virtual time: with one that goes on an answer lives
// for T, without it for Δ.

// stop freezes the lease: the ledger is away from now on.
func (l *fakeLease) stop() (goOn func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped, l.frozen = true, l.clock().Add(-l.lag)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.stopped = false
	}
}

func TestADecisionLivesAsLongAsTheLeaseAndTLetIt(t *testing.T) {
	const never = time.Hour
	for _, tt := range []struct {
		name  string
		q     Question
		stops time.Duration // when the lease stops
		want  time.Duration // until when the decision may be used
	}{
		{"a guest's with a lease", bobs, never, 5 * time.Second},
		{"a guest's whose lease stops at once", bobs, 0, time.Second},
		{"a guest's whose lease stops half-way", bobs, 2 * time.Second, 3 * time.Second},
		{"a guest's whose lease stops too late to matter", bobs, 4500 * time.Millisecond, 5 * time.Second},
		{"an owner's with a lease", own, never, time.Minute},
		{"an owner's without", own, 0, time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(w *world) {
				r := w.decide(tt.q)
				stops := min(tt.stops, tt.want)
				pass(stops)
				if tt.stops < never {
					w.lease.stop()
				}
				pass(tt.want - stops)
				if !w.auth.Young(&r.d) {
					w.t.Errorf("not young after %s", tt.want)
				}
				pass(time.Nanosecond)
				if w.auth.Young(&r.d) {
					w.t.Errorf("young for longer than %s", tt.want)
				}
			})
		})
	}
}

func TestLeasedIsAsOldAsTheBound(t *testing.T) {
	in(t, func(w *world) {
		goOn := w.lease.stop()
		pass(time.Second)
		if !w.auth.Leased() {
			w.t.Error("no lease at Δ")
		}
		pass(time.Nanosecond)
		if w.auth.Leased() {
			w.t.Error("a lease that is older than Δ counts")
		}
		goOn()
		if !w.auth.Leased() {
			w.t.Error("no lease after the ledger came back")
		}
	})
}

// TestAnActiveGuestWaitsForNobodyWithoutTheLedger: from the moment at which the
// ledger stops he is asked about every 0.8 Δ, behind his back.
func TestAnActiveGuestWaitsForNobodyWithoutTheLedger(t *testing.T) {
	in(t, func(w *world) {
		w.hub.set(func(h *fakeHub) { h.delay = 20 * time.Millisecond })
		w.decide(own)
		w.decide(bobs)
		pass(1500 * time.Millisecond)
		goOn := w.lease.stop()
		w.hub.questions()
		for range 200 {
			if r := w.decide(bobs); r.String() != yes || r.took != 0 {
				w.t.Fatalf("the guest: %s after %s, want yes at once", r, r.took)
			}
			if r := w.decide(own); r.String() != yes || r.took != 0 {
				w.t.Fatalf("the owner: %s after %s, want yes at once", r, r.took)
			}
			pass(50 * time.Millisecond)
		}
		if n := w.hub.questions(); n < 10 || n > 13 {
			w.t.Errorf("asked %d times in 10 s, want about once in 0.8 Δ", n)
		}
		goOn()
		w.decide(bobs)
		pass(3 * time.Second)
		w.hub.questions()
		w.want(w.decide(bobs), yes, "with the ledger again")
		w.wantAsked(0, "with the ledger again")
	})
}

// TestAnIdleGuestIsAskedAboutAfterTheBound when the ledger is away: a change
// that no message told of is found out.
func TestAnIdleGuestIsAskedAboutAfterTheBound(t *testing.T) {
	in(t, func(w *world) {
		w.lease.stop()
		w.decide(bobs)
		w.hub.say(bobs.Token, guest())
		pass(700 * time.Millisecond)
		w.want(w.decide(bobs), yes, "before 0.8 Δ")
		pass(300*time.Millisecond + 1)
		w.want(w.decide(bobs), no, "after Δ")
		w.wantAsked(2, "in all")
	})
}

// TestWithoutLedgerAndHubGuestsEndAfterTheBoundAndOwnersGoOn.
func TestWithoutLedgerAndHubGuestsEndAfterTheBoundAndOwnersGoOn(t *testing.T) {
	in(t, func(w *world) {
		w.decide(own)
		w.decide(bobs)
		pass(100 * time.Millisecond)
		w.lease.stop()
		w.hub.fail(errHub)
		pass(time.Second)
		w.want(w.decide(bobs), yes, "the guest at Δ")
		pass(time.Nanosecond)
		w.want(w.decide(bobs), unknown, "the guest after Δ")
		pass(10 * time.Minute)
		w.want(w.decide(own), yes, "the owner in the grace")
	})
}

// TestAnotherHistoryAsksAboutEveryGuest: whatever they use, and whoever they
// are; owners keep what they have.
func TestAnotherHistoryAsksAboutEveryGuest(t *testing.T) {
	in(t, func(w *world) {
		copied := Question{Token: NewToken("alice's, copied"), Server: alices}
		w.hub.say(copied.Token, Answer{Kind: KindUser, Name: "alice", Access: []string{"access:servers"}})
		stranger := Question{Token: NewToken("?"), Server: alices}
		all := []Question{bobs, copied, stranger, own}
		for _, q := range all {
			w.decide(q)
		}
		w.hub.questions()
		w.entry(Subject{Kind: AboutEveryGuest})
		for i, q := range all {
			w.decide(q)
			w.wantAsked(map[bool]int{true: 1}[i < 3], fmt.Sprint("question ", i))
		}
		w.entry(Subject{Kind: AboutEveryone})
		for i, q := range all {
			w.decide(q)
			w.wantAsked(1, fmt.Sprint("where entries are missing, question ", i))
		}
	})
}
