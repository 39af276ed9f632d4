package ledger_test

import (
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// TestRule2StartsDuringARevocation: a member that was granted its lease just
// before the entry is waited for.
func TestRule2StartsDuringARevocation(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a := c.start("a")
		b := c.launch("b")
		joined := b.client.PauseAfter("Turn")
		<-joined.Reached()
		got := a.later(bob)
		c.pass(every)
		select {
		case v := <-got:
			t.Fatalf("%+v while a member that joined before the entry knows nothing of it", v)
		default:
		}
		joined.Release()
		v := <-got
		v.wantState(t, "revoked while b started", ledger.Done, 0)
		// What b knows of credentials it has asked for since it had joined: the
		// entry is applied, or b begins behind it.
		if len(b.entries(bob)) == 0 && b.Status().Position < 1 {
			t.Error("done, and b has neither the entry nor a position behind it")
		}
	})
}

// TestRule2LeavesDuringARevocation: a member that leaves is not waited for.
func TestRule2LeavesDuringARevocation(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		turn := b.client.PauseAfter("Turn")
		<-turn.Reached()
		got := a.later(bob)
		c.pass(50 * time.Millisecond)
		go b.stop()
		turn.Release()
		v := <-got
		v.wantState(t, "revoked while b left", ledger.Done, 0)
		if v.took > every+wait {
			t.Errorf("took %v, want no longer than until b had left", v.took)
		}
		c.pass(2 * every)
		if s := a.Status(); s.Members != 1 || s.Lost != 0 {
			t.Errorf("status %+v, want one member and nobody lost", s)
		}
	})
}

// TestRule2SilentMember: who does not confirm has no lease when that is said.
func TestRule2SilentMember(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b, d := c.three()
		b.client.BlackHole(true)
		v := a.revoke(bob)
		v.wantState(t, "with a silent member", ledger.Bounded, 1)
		if v.took < bound-every || v.took > bound+wait {
			t.Errorf("took %v, want about %v", v.took, bound)
		}
		if b.age() <= bound {
			t.Errorf("the lease of the silent member is %v old when it is said to have run out", b.age())
		}
		if len(d.entries(bob)) != 1 {
			t.Error("the other member has no entry")
		}
	})
}

// TestRule2DroppedAfterTheBound: standing still for less is no reason to go on
// without a member; slow is not silent.
func TestRule2DroppedAfterTheBound(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		b.client.Delay(90*time.Millisecond, 90*time.Millisecond)
		c.pass(20 * bound)
		if s := a.Status(); s.Lost != 0 || s.Members != 2 {
			t.Fatalf("status %+v with a slow member, want two members", s)
		}
		b.client.Delay(0, 0)
		c.pass(every)
		c.betweenTurns(b)
		b.client.BlackHole(true)
		last := a.clock()
		for lost := false; !lost; {
			if c.pass(10 * time.Millisecond); b.age() > bound+3*every+wait {
				t.Fatal("a silent member is not dropped")
			}
			for _, m := range c.store.Copy().Members {
				lost = lost || m.Lost
			}
		}
		if stood := a.clock().Sub(last); stood <= bound {
			t.Errorf("dropped when its counter had stood still for %v and its lease was %v old", stood, b.age())
		}
	})
}

// TestRule2LostMember: one that was dropped may use answers of the Hub that are
// younger than Δ. Nobody says "done" while it is remembered.
func TestRule2LostMember(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		b.client.BlackHole(true)
		c.pass(2 * bound)
		if s := a.Status(); s.Lost != 1 || s.Members != 1 {
			t.Fatalf("status %+v, want one lost", s)
		}
		a.revoke(bob).wantState(t, "with a lost member", ledger.Bounded, 1)
		c.pass(5 * time.Minute)
		a.revoke(bob).wantState(t, "after five minutes", ledger.Bounded, 1)
		c.pass(6 * time.Minute)
		a.revoke(bob).wantState(t, "after eleven minutes", ledger.Done, 0)
	})
}

// TestRule2Replaced: a process at the same place has taken over from the lost
// one.
func TestRule2Replaced(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		b.kill()
		c.pass(2 * bound)
		a.revoke(bob).wantState(t, "with a lost member", ledger.Bounded, 1)
		c.start("c")
		a.revoke(bob).wantState(t, "with one more, elsewhere", ledger.Bounded, 1)
		c.start("b")
		a.revoke(bob).wantState(t, "with one in its place", ledger.Done, 0)
	})
}

// TestRule2ReplacedAtOnce: it was there before anybody noticed.
func TestRule2ReplacedAtOnce(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		b.kill()
		c.start("b")
		c.pass(3 * bound)
		if s := a.Status(); s.Members != 2 || s.Lost != 0 {
			t.Errorf("status %+v, want two members and nobody lost", s)
		}
		a.revoke(bob).wantState(t, "after a quick restart", ledger.Done, 0)
	})
}

// TestRule2DroppedMemberHasMissedSomething: others went on without it.
func TestRule2DroppedMemberHasMissedSomething(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		before := len(b.entries(guest))
		b.client.BlackHole(true)
		cut := b.clock()
		c.pass(3 * bound)
		b.client.BlackHole(false)
		c.pass(every + wait)
		doubts := b.entries(guest)[before:]
		if len(doubts) != 1 || doubts[0].fresh >= cut {
			t.Errorf("doubts %+v, want one, before the lease is renewed", doubts)
		}
		if b.age() > every+wait {
			t.Errorf("lease %v old when it is back", b.age())
		}
		a.revoke(bob).wantState(t, "when it is back", ledger.Done, 0)
		if n := len(b.entries(bob)); n != 1 {
			t.Errorf("%d entries at the one that is back, want 1", n)
		}
	})
}

// TestRule2NobodyIsForgottenWithTheLog: the store was emptied with its members.
// Who goes on there has not heard of the others yet.
func TestRule2NobodyIsForgottenWithTheLog(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		c.pass(bound)
		b.client.BlackHole(true)
		c.store.Wipe()
		c.pass(every) // a has begun a new log
		v := a.revoke(bob)
		if v.State == ledger.Done {
			t.Errorf("done after %v, and b has a lease that is %v old and no entry", v.took, b.age())
		}
		if b.age() <= bound {
			t.Errorf("%+v, when the lease of b is %v old", v, b.age())
		}
		if s := a.Status(); s.Lost != 1 || s.Members != 1 {
			t.Errorf("status %+v, want one lost", s)
		}
		c.pass(11 * time.Minute)
		a.revoke(bob).wantState(t, "after eleven minutes", ledger.Done, 0)
	})
}

// TestRule2HeirIsWaitedFor: b was restarted while a was away, and the store was
// emptied. When a sees the new b, that one has a lease of the lost history and
// does not know yet that it is lost.
func TestRule2HeirIsWaitedFor(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		a.client.Refuse(true)
		b.kill()
		heir := c.start("b")
		c.pass(every)
		c.betweenTurns(heir)
		c.store.Wipe()
		heir.client.LoseReplies(true)
		a.client.Refuse(false)
		c.pass(every / 2)
		v := a.revoke(bob)
		if v.State == ledger.Done || heir.age() <= bound {
			t.Errorf("%+v, and the one at the place of b has a lease %v old and no entry", v, heir.age())
		}
	})
}

// TestRule2SameMomentForStartAndAppend: whatever the order, each of many that
// start during a stream of revocations has every entry or began behind it.
func TestRule2SameMomentForStartAndAppend(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a := c.start("a")
		a.client.Delay(time.Millisecond, 2*time.Millisecond)
		stop := make(chan struct{})
		done := make(chan int)
		go func() {
			n := 0
			for {
				select {
				case <-stop:
					done <- n
					return
				default:
				}
				if v := a.revoke(bob); v.State != ledger.Done {
					t.Errorf("revocation %d: %+v", n, v)
				}
				n++
			}
		}()
		var others []*replica
		for _, name := range []string{"b", "c", "d", "e"} {
			r := c.launch(name)
			r.client.Delay(3*time.Millisecond, time.Millisecond)
			others = append(others, r)
			c.pass(7 * time.Millisecond)
		}
		c.pass(bound)
		close(stop)
		n := <-done
		for _, r := range others {
			if r.Status().Position != uint64(n) {
				t.Errorf("%s is at %d, want %d", r.name, r.Status().Position, n)
			}
		}
	})
}
