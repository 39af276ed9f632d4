package ledger_test

import (
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// TestRule9WithoutMessages: losing them costs time, not safety.
func TestRule9WithoutMessages(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b, d := c.three()
		for _, r := range []*replica{a, b, d} {
			r.client.LoseMessages(true)
			r.client.Delay(time.Millisecond, time.Millisecond)
		}
		for range 20 {
			n, began := len(b.entries(bob)), b.clock()
			v := a.revoke(bob)
			v.wantState(t, "without messages", ledger.Done, 0)
			got := b.entries(bob)
			if len(got) != n+1 || got[n].at.Sub(began) > every+10*time.Millisecond {
				t.Errorf("applied %+v, want one more within a turn of %d", got[n:], began)
			}
			if v.took > 2*every+20*time.Millisecond {
				t.Errorf("took %v, want two turns at most", v.took)
			}
			c.pass(37 * time.Millisecond)
		}
	})
}

// TestRule9OneDeafMember: who hears nothing is asked for no longer than that.
func TestRule9OneDeafMember(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b, d := c.three()
		b.client.LoseMessages(true)
		v := a.revoke(bob)
		v.wantState(t, "with a deaf member", ledger.Done, 0)
		if v.took > every+10*time.Millisecond {
			t.Errorf("took %v, want no longer than a turn", v.took)
		}
		if len(d.entries(bob)) != 1 {
			t.Error("the other has no entry")
		}
	})
}

// TestRule9FewTurns: nothing wakes a replica for nothing: an idle one takes a
// turn every quarter of the bound.
func TestRule9FewTurns(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b, _ := c.three()
		c.pass(bound)
		before := a.client.Calls("Turn")
		c.pass(100 * bound)
		if n := a.client.Calls("Turn") - before; n < 399 || n > 402 {
			t.Errorf("%d turns in 100 times the bound, want 400", n)
		}
		c.betweenTurns(a)
		before, others := a.client.Calls("Turn"), b.client.Calls("Turn")
		a.revoke(bob)
		c.pass(0)
		if n := a.client.Calls("Turn") - before; n > 5 {
			t.Errorf("%d turns for one revocation: want one to append it, one for the message of that, and one for each of three confirmations, its own too", n)
		}
		if n := b.client.Calls("Turn") - others; n > 2 {
			t.Errorf("%d turns for a revocation elsewhere: want one to learn it, and one to confirm", n)
		}
	})
}
