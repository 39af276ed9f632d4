package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/ledgertest"
)

// TestRule3AnotherHistory: a was away while entries were lost. Whatever hides
// that, a doubts every guest before its lease is renewed, and then goes on.
func TestRule3AnotherHistory(t *testing.T) {
	entry := func(c *cluster, r *replica) {
		c.t.Helper()
		if v := r.revoke(bob); v.err != nil {
			c.t.Fatalf("revoke: %v", v.err)
		}
	}
	for name, lose := range map[string]func(c *cluster, b *replica, before *ledgertest.Data){
		"the store was emptied": func(c *cluster, _ *replica, _ *ledgertest.Data) { c.store.Wipe() },
		"the head is older": func(c *cluster, _ *replica, before *ledgertest.Data) {
			c.store.Restore(before)
		},
		"a lost entry is hidden by a new one at its number": func(c *cluster, b *replica, before *ledgertest.Data) {
			c.store.Restore(before)
			entry(c, b)
		},
		"a lost entry is hidden by many new ones": func(c *cluster, b *replica, before *ledgertest.Data) {
			c.store.Restore(before)
			for range 10 {
				entry(c, b)
			}
		},
		"the log was cut behind its position": func(c *cluster, b *replica, _ *ledgertest.Data) {
			c.store.MaxLog = 5
			for range 10 {
				entry(c, b)
			}
		},
		"the log was cut and emptied": func(c *cluster, _ *replica, _ *ledgertest.Data) {
			c.store.Edit(func(d *ledgertest.Data) {
				d.Log = nil
				d.Head.Number++
			})
		},
		"somebody else began a log": func(c *cluster, _ *replica, _ *ledgertest.Data) {
			c.store.Wipe()
			c.store.Edit(func(d *ledgertest.Data) { d.Incarnation = "made up" })
		},
		"the tick went back": func(c *cluster, _ *replica, _ *ledgertest.Data) {
			c.store.Edit(func(d *ledgertest.Data) { d.Tick = 0 })
		},
		"it was dropped": func(c *cluster, _ *replica, _ *ledgertest.Data) { c.pass(2 * bound) },
	} {
		t.Run(name, func(t *testing.T) {
			rule(t, func(t *testing.T, c *cluster) {
				a, b := c.two()
				entry(c, b)
				before := c.store.Copy()
				entry(c, b)
				c.pass(every)
				doubts := len(a.entries(guest))
				a.client.BlackHole(true)
				cut := a.clock()
				lose(c, b, before)
				a.client.BlackHole(false)
				c.pass(2 * bound)

				got := a.entries(guest)[doubts:]
				if len(got) == 0 {
					t.Fatalf("nothing is doubted, lease %v old", a.age())
				}
				for _, e := range got {
					if e.fresh > cut {
						t.Errorf("doubted when the lease was renewed already: %+v", e)
					}
				}
				if len(got) > 2 {
					t.Errorf("doubted %d times", len(got))
				}
				if a.age() > every+wait || b.age() > every+wait {
					t.Errorf("leases %v and %v old, want them renewed", a.age(), b.age())
				}
				n := len(a.entries(carol))
				b.revoke(carol).wantState(t, "in the new history", ledger.Done, 0)
				if len(a.entries(carol)) != n+1 {
					t.Error("the entry is not applied")
				}
			})
		})
	}
}

// TestRule3LostBeforeEverybodyHasIt: b knows an entry that the failover lost. It
// must not count as confirmation of the one that has its number now.
func TestRule3LostBeforeEverybodyHasIt(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		before := c.store.Copy()
		a.revoke(carol).wantState(t, "before the failover", ledger.Done, 0)
		c.pass(every)
		c.store.Restore(before)
		// b takes a turn with the position of the lost entry, and its answer is
		// on its way when a, who knows of the failover, appends at that number.
		answered := b.client.PauseAfter("Turn")
		<-answered.Reached()
		c.pass(every)
		got := a.later(bob)
		c.pass(time.Millisecond)
		select {
		case v := <-got:
			t.Errorf("%+v, and b does not know of the failover nor of the entry", v)
			answered.Release()
		default:
			answered.Release()
			v := <-got
			v.wantState(t, "when b has caught up", ledger.Done, 0)
		}
	})
}

// TestRule3LongAbsence: more entries than one turn returns are no gap.
func TestRule3LongAbsence(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		doubts := len(b.entries(guest))
		turn := b.client.PauseBefore("Turn")
		<-turn.Reached()
		for i := range 40 {
			for range 20 {
				go a.write(fmt.Sprint("/", i), fmt.Sprint(i))
			}
		}
		c.pass(bound / 2)
		turn.Release()
		c.pass(every)
		if b.Status().Position != a.Status().Position || a.Status().Position < 512 {
			t.Errorf("positions %d and %d, want the same far one", a.Status().Position, b.Status().Position)
		}
		if n := len(b.entries(guest)) - doubts; n != 0 {
			t.Errorf("%d doubts, want none", n)
		}
		if b.age() > every+wait {
			t.Errorf("lease %v old", b.age())
		}
	})
}

// TestRule3TwoBeginAtOnce: one log comes of it, and both are in it.
func TestRule3TwoBeginAtOnce(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b, d := c.launch("a"), c.launch("b"), c.launch("c")
		for _, r := range []*replica{a, b, d} {
			if err := r.Loaded(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		c.pass(every)
		a.revoke(bob).wantState(t, "revoked", ledger.Done, 0)
		for _, r := range []*replica{a, b, d} {
			if len(r.entries(bob)) != 1 || r.Status().Members != 3 {
				t.Errorf("%s: %d entries, status %+v", r.name, len(r.entries(bob)), r.Status())
			}
		}
	})
}

// TestRule3OwnersToo: b has applied an entry that a failover loses. Meanwhile a
// ends an owner's session, under the number of the lost entry. Owners keep their
// answers when a history changes, so that b has to apply that very entry before
// it confirms.
func TestRule3OwnersToo(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		a.revoke(carol)
		before := c.store.Copy()
		a.revoke(bob)
		b.client.BlackHole(true)
		c.store.Restore(before)
		c.pass(every + wait) // a has joined what is left
		session := authz.Subject{Kind: authz.AboutSession, Name: "alice's"}
		done := a.later(session)
		c.pass(wait)
		b.client.BlackHole(false)
		v := <-done
		if n := len(b.entries(session)); v.State == ledger.Done && n == 0 {
			t.Errorf("%+v, and b has not applied the entry", v.Receipt)
		}
		c.pass(bound)
		if n := len(b.entries(session)); n != 1 {
			t.Errorf("%d entries about the session at b, want 1", n)
		}
	})
}
