package ledger_test

import (
	"context"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// told resolves a call at r and returns what the others tell of it.
func (r *replica) told() (sockets int, took time.Duration) {
	r.t.Helper()
	v := r.revoke(bob)
	v.wantState(r.t, "a revocation", ledger.Done, 0)
	ctx, cancel := context.WithTimeout(r.t.Context(), bound)
	defer cancel()
	began := r.clock()
	sockets = r.Told(ctx, v.Receipt)
	return sockets, r.clock().Sub(began)
}

// tells has r tell so much of every entry: first while it is applied, then, if
// that was not all, after a while.
func (r *replica) tells(first int, more ...int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onApply = func(e ledger.Entry) {
		r.Tell(e.Seq, first, len(more) == 0)
		for i, n := range more {
			time.AfterFunc(time.Duration(i+1)*10*time.Millisecond, func() { r.Tell(e.Seq, n, i == len(more)-1) })
		}
	}
}

func TestWhatMembersTellOfAnEntryIsAddedUp(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b, d := c.three()
		a.tells(100) // its own it knows
		b.tells(3, 0, -1)
		d.tells(0)
		for range 3 {
			if n, took := a.told(); n != 2 || took > every {
				t.Errorf("the others tell of %d sockets after %v, want 2 as soon as they know", n, took)
			}
		}
	})
}

func TestWhoDoesNotTellIsNotWaitedForLongerThanTheCallerWants(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b, d := c.three()
		b.tells(3)
		d.tells(4, 0)
		d.onApply = func(e ledger.Entry) { d.Tell(e.Seq, 4, false) }
		if n, took := a.told(); n != 7 || took != bound {
			t.Errorf("%d sockets after %v, want the 7 that were told of by the end of the wait", n, took)
		}
	})
}

func TestAnEntryThatNobodyElseHasConfirmedIsToldOfByNobody(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a := c.start("a")
		if n, took := a.told(); n != 0 || took != 0 {
			t.Errorf("%d sockets after %v, want none at once", n, took)
		}
	})
}
