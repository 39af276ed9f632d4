package ledger_test

import (
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// TestRule1IsolatedPrimary: the primary that a uses was cut off and replaced,
// and goes on answering.
func TestRule1IsolatedPrimary(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		c.store.Split(a.client)
		a.client.Unconfirmed(true)
		fresh := a.Fresh()
		cut := a.clock()
		got := b.later(bob)
		c.pass(2 * bound)
		if a.Fresh() > fresh.Add(every+wait) {
			t.Errorf("an unconfirmed turn made the lease fresh %v after the split", a.Fresh().Sub(cut))
		}
		v := <-got
		v.wantState(t, "revoked at the new primary", ledger.Bounded, 1)
		if n := len(a.entries(bob)); n != 0 || a.age() <= bound {
			t.Errorf("at the old primary: %d entries, lease %v old; want none, and a lease that ran out", n, a.age())
		}
		a.revoke(carol).wantState(t, "revoked at the old primary", ledger.Within, 0)
	})
}

// TestRule1FreshIsTheBeginOfTheTurn: an entry is appended while the answer of a
// turn travels.
func TestRule1FreshIsTheBeginOfTheTurn(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		answered := a.client.PauseAfter("Turn")
		<-answered.Reached()
		began := a.clock()
		got := b.later(bob)
		c.pass(150 * time.Millisecond)
		next := a.client.PauseBefore("Turn")
		answered.Release()
		<-next.Reached()
		if n := len(a.entries(bob)); n != 0 {
			t.Fatalf("%d entries applied, want none yet", n)
		}
		if a.Fresh() > began.Add(-wait) {
			t.Errorf("fresh is %v after the turn began, want %v before: an entry of that time is missing", a.Fresh().Sub(began), wait)
		}
		next.Release()
		v := <-got
		v.wantState(t, "after the next turn", ledger.Done, 0)
	})
}

// TestRule1FreshCountsFromTheHubsAnswer: appending takes time, and what the
// others have asked since the Hub's answer is not older than the change.
func TestRule1FreshCountsFromTheHubsAnswer(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		call := b.begin(bob)
		c.betweenTurns(b)
		b.client.Delay(wait-10*time.Millisecond, 0)
		answered := a.clock()
		done := make(chan revocation, 1)
		go func() { done <- b.resolve(call) }()
		for len(a.entries(bob)) == 0 {
			if a.Fresh() > answered {
				t.Fatalf("fresh is %v later than the Hub's answer, and its entry is missing", a.Fresh().Sub(answered))
			}
			c.pass(time.Millisecond)
		}
		b.client.Delay(0, 0)
		v := <-done
		v.wantState(t, "slow to append", ledger.Done, 0)
	})
}

// TestRule1FreshAfterApply: entries are applied before the lease that covers
// them is renewed.
func TestRule1FreshAfterApply(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		c.pass(bound)
		before := a.clock()
		b.revoke(bob).wantState(t, "revoked", ledger.Done, 0)
		got := a.entries(bob)
		if len(got) != 1 || got[0].fresh >= before {
			t.Errorf("applied %+v, want one entry while the lease was from before %d", got, before)
		}
		if a.Applied() < got[0].Seq {
			t.Errorf("applied %d after entry %d", a.Applied(), got[0].Seq)
		}
	})
}

// TestRule1LeaseIsRenewed: while nothing is wrong, the lease is never older than
// a turn and its time-out, so that nobody is asked about again.
func TestRule1LeaseIsRenewed(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, _ := c.two()
		a.client.Delay(20*time.Millisecond, 20*time.Millisecond)
		for range 1000 {
			c.pass(10 * time.Millisecond)
			if a.age() > every+wait+2*40*time.Millisecond {
				t.Fatalf("lease %v old", a.age())
			}
		}
	})
}

// TestRule1SlowPrimary: no turn arrives within its deadline. Nothing waits, and
// nothing is fresh.
func TestRule1SlowPrimary(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		a.client.Delay(0, wait+time.Millisecond)
		c.pass(2 * bound)
		if a.age() <= bound {
			t.Errorf("lease %v old with turns that all came late", a.age())
		}
		a.client.Delay(0, 0)
		c.pass(every)
		if a.age() > every+wait {
			t.Errorf("lease %v old after the primary was quick again", a.age())
		}
		b.revoke(bob).wantState(t, "after all", ledger.Done, 0)
	})
}
