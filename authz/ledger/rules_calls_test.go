package ledger_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// TestRule4OneOrder: entries of all are applied in the same order by all, and
// say whom they are about.
func TestRule4OneOrder(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b, d := c.three()
		all := []*replica{a, b, d}
		for i, r := range all {
			r.client.Delay(time.Duration(i+1)*time.Millisecond, 2*time.Millisecond)
		}
		var revoking sync.WaitGroup
		for i := range 60 {
			who := authz.Subject{Kind: authz.AboutUser, Name: fmt.Sprint("user-", i)}
			revoking.Go(func() {
				v := all[i%3].revoke(who)
				v.wantState(t, who.Name, ledger.Done, 0)
				for _, r := range all {
					if n := len(r.entries(who)); n != 1 {
						t.Errorf("%s: %d entries about %s when it is done, want 1", r.name, n, who.Name)
					}
				}
			})
		}
		revoking.Wait()
		want := order(a)
		for _, r := range all {
			if got := order(r); got != want {
				t.Errorf("%s applied %s, a %s", r.name, got, want)
			}
		}
	})
}

// order tells the users in the order of their entries.
func order(r *replica) (users string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var last authz.Seq
	for _, e := range r.applied {
		if e.Seq <= last {
			r.t.Errorf("%s: entry %d after %d", r.name, e.Seq, last)
		}
		last = e.Seq
		for _, s := range e.Subjects {
			if s.Kind == authz.AboutUser {
				users += s.Name + " "
			}
		}
	}
	return users
}

// TestRule4EverybodyIsCarried: what an entry says arrives.
func TestRule4EverybodyIsCarried(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		about := authz.Subject{Kind: authz.AboutGuests, Name: "alice", Server: "x/y"}
		call, err := a.Begin(t.Context(), ledger.Intent{Subjects: []authz.Subject{about, bob}, Everybody: true, Limit: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		began := b.clock()
		c.pass(10 * time.Second)
		if _, err := a.Resolve(t.Context(), call, ledger.Unclear); err != nil {
			t.Fatal(err)
		}
		got := b.entries(about)
		if len(got) != 1 || !got[0].Everybody || !got[0].Unclear || len(got[0].Subjects) != 2 {
			t.Fatalf("applied %+v", got)
		}
		if end := got[0].Until.Sub(began); end < time.Minute || end > time.Minute+bound {
			t.Errorf("unclear until %v after the call began, on this clock; want a minute", end)
		}
	})
}

// TestRule5AnnouncementsDisturbNobody: anybody can send a call that is
// announced.
func TestRule5AnnouncementsDisturbNobody(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		seq := b.Applied()
		for range 100 {
			call := a.begin(bob)
			receipt, err := a.Resolve(t.Context(), call, ledger.Unchanged)
			if err != nil || receipt.Seq != 0 {
				t.Fatalf("receipt %+v, %v; want no entry", receipt, err)
			}
		}
		a.begin(carol)
		c.pass(30 * time.Second)
		if b.Applied() != seq || len(b.entries(bob))+len(a.entries(bob))+len(b.entries(carol)) != 0 {
			t.Error("an announcement was applied")
		}
		if n := len(c.store.Copy().Intents); n != 1 {
			t.Errorf("%d intents are left, want the one that is pending", n)
		}
		c.pass(time.Minute)
		if n := len(b.entries(bob)); n != 0 {
			t.Errorf("%d entries of calls that were refused", n)
		}
	})
}

// TestRule5AppliedEverywhereBeforeTheCallerHears: and nothing waits for the
// next regular turn.
func TestRule5AppliedEverywhereBeforeTheCallerHears(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b, d := c.three()
		for _, r := range []*replica{a, b, d} {
			r.client.Delay(time.Millisecond, time.Millisecond)
		}
		c.pass(bound)
		for range 20 {
			n := len(d.entries(bob))
			v := a.revoke(bob)
			v.wantState(t, "revoked", ledger.Done, 0)
			for _, r := range []*replica{a, b, d} {
				if len(r.entries(bob)) != n+1 {
					t.Errorf("%s has no entry when it is done", r.name)
				}
			}
			if v.took > 20*time.Millisecond {
				t.Errorf("took %v with turns of 2 ms", v.took)
			}
			c.pass(17 * time.Millisecond)
		}
	})
}

// TestRule5Orphan: the replica that announced a call has died. When its time is
// up, it becomes an entry, on all, once.
func TestRule5Orphan(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b, d := c.three()
		a.begin(bob)
		began := b.clock()
		a.kill()
		for _, r := range []*replica{b, d} { // both try before they hear of the other
			r.client.Delay(5*time.Millisecond, 5*time.Millisecond)
		}
		for len(b.entries(bob)) == 0 && b.clock().Sub(began) < 2*time.Minute {
			c.pass(every)
		}
		c.pass(30 * time.Second)
		for _, r := range []*replica{b, d} {
			got := r.entries(bob)
			if len(got) != 1 || !got[0].Unclear {
				t.Fatalf("%s: %+v, want one unclear entry", r.name, got)
			}
		}
		if at := b.entries(bob)[0].at.Sub(began); at < time.Minute || at > time.Minute+10*time.Second {
			t.Errorf("applied %v after the announcement, want a minute and little more", at)
		}
		if n := len(c.store.Copy().Intents); n != 0 {
			t.Errorf("%d intents are left", n)
		}
	})
}

// TestRule5FrozenOrphan: the replica was only stopped and resolves its call when
// others have done so.
func TestRule5FrozenOrphan(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		call := a.begin(bob)
		a.client.Freeze()
		c.pass(time.Minute + 10*time.Second)
		if got := b.entries(bob); len(got) != 1 || !got[0].Unclear {
			t.Fatalf("%+v, want one unclear entry", got)
		}
		a.client.Thaw()
		c.pass(bound)
		a.resolve(call)
		c.pass(bound)
		if n := len(b.entries(bob)); n > 2 {
			t.Errorf("%d entries of one call", n)
		}
	})
}

// TestRule5BeginFailed: the call goes on, and its end is an entry all the same.
func TestRule5BeginFailed(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		a.client.Refuse(true)
		call, err := a.Begin(t.Context(), ledger.Intent{Subjects: []authz.Subject{bob}, Limit: time.Minute})
		if err == nil {
			t.Error("no error from a store that refuses")
		}
		a.client.Refuse(false)
		c.pass(every)
		a.resolve(call).wantState(t, "resolved when the store is back", ledger.Done, 0)
		if n := len(b.entries(bob)); n != 1 {
			t.Errorf("%d entries, want 1", n)
		}
	})
}

// TestRule5ResolvedAlone: the entry cannot be written. It is in force here at
// once; by the time that Resolve returns, who was cut off with this replica has
// no lease; and the others learn it as soon as they can.
func TestRule5ResolvedAlone(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		call := a.begin(bob)
		a.client.BlackHole(true)
		b.client.BlackHole(true)
		began := a.clock()
		done := make(chan revocation, 1)
		go func() { done <- a.resolve(call) }()
		v := <-done
		v.wantState(t, "resolved alone", ledger.Within, 0)
		if got := a.entries(bob); len(got) != 1 || got[0].at.Sub(began) > wait {
			t.Errorf("applied here: %+v, want one entry within %v of %d", got, wait, began)
		}
		if b.age() <= bound || v.took > bound+2*wait {
			t.Errorf("took %v, and the lease of b is %v old", v.took, b.age())
		}
		a.client.BlackHole(false)
		b.client.BlackHole(false)
		c.pass(2 * every)
		if n := len(b.entries(bob)); n != 1 {
			t.Errorf("%d entries at b when the store is back, want 1", n)
		}
	})
}

// TestRule5LostReplies: what was done without a reply is not done twice, nor
// taken for undone.
func TestRule5LostReplies(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		call := a.begin(bob)
		a.client.LoseReplies(true)
		done := make(chan revocation, 1)
		go func() { done <- a.resolve(call) }()
		c.pass(wait / 2)
		a.client.LoseReplies(false)
		v := <-done
		if v.State == ledger.Done && len(b.entries(bob)) == 0 {
			t.Error("done, and b has no entry")
		}
		c.pass(bound)
		if n := len(b.entries(bob)); n != 1 {
			t.Errorf("%d entries of one call, want 1", n)
		}
		a.resolve(call)
		if n := len(b.entries(bob)); n != 1 {
			t.Errorf("%d entries of one call that was resolved twice, want 1", n)
		}
	})
}
