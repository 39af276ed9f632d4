package ledger_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// TestRule5WithdrawnLate: what could not be withdrawn is withdrawn later. Else a
// stranger whose calls are refused while the log stumbles has made entries about
// whomever he named.
func TestRule5WithdrawnLate(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		calls := make([]ledger.Call, 100)
		for i := range calls {
			calls[i] = a.begin(bob)
		}
		a.client.Refuse(true)
		for _, call := range calls {
			if receipt, err := a.Resolve(t.Context(), call, ledger.Unchanged); err != nil || receipt.Seq != 0 {
				t.Fatalf("receipt %+v, %v; want no entry", receipt, err)
			}
		}
		c.pass(5 * bound)
		a.client.Refuse(false)
		c.pass(bound)
		if n := len(c.store.Copy().Intents); n != 0 {
			t.Errorf("%d intents are left, want none", n)
		}
		c.pass(2 * time.Minute)
		if n := len(a.entries(bob)) + len(b.entries(bob)); n != 0 {
			t.Errorf("%d entries of calls that were refused", n)
		}
	})
}

// TestRule5WithdrawnAtTheEnd: who leaves takes back what he still has to.
func TestRule5WithdrawnAtTheEnd(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, _ := c.two()
		c.betweenTurns(a)
		call := a.begin(bob)
		_, _ = a.Resolve(t.Context(), call, ledger.Unchanged)
		a.stop()
		if n := len(c.store.Copy().Intents); n != 0 {
			t.Errorf("%d intents are left, want none", n)
		}
	})
}

// TestRule5AnnouncementsLeaveRoom: however many calls are sent by strangers, the
// store is free for the turns.
func TestRule5AnnouncementsLeaveRoom(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, _ := c.two()
		a.client.BlackHole(true)
		var calling sync.WaitGroup
		for range 1000 {
			calling.Go(func() {
				_, _ = a.Begin(t.Context(), ledger.Intent{Subjects: []authz.Subject{bob}, Limit: time.Minute})
			})
		}
		c.pass(wait / 2)
		if n := a.client.Calls("Announce"); n == 0 || n > 32 {
			t.Errorf("%d announcements are under way, want a few", n)
		}
		calling.Wait()
	})
}

// TestRule5LongNames: a name that nobody has is kept from the store; the call is
// resolved as any other.
func TestRule5LongNames(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		for _, about := range []authz.Subject{
			{Kind: authz.AboutUser, Name: strings.Repeat("x", 60_000)},
			{Kind: authz.AboutServer, Name: "x", Server: authz.ServerName(strings.Repeat("x", 60_000))},
		} {
			call, err := a.Begin(t.Context(), ledger.Intent{Subjects: []authz.Subject{about}, Limit: time.Minute})
			if err == nil || len(c.store.Copy().Intents) != 0 {
				t.Errorf("a name of 60 KB: announced (%v)", err)
			}
			a.resolve(call).wantState(t, "its end", ledger.Done, 0)
			if n := len(b.entries(about)); n != 1 {
				t.Errorf("%d entries, want 1", n)
			}
		}
	})
}
