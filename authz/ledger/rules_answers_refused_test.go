package ledger_test

import (
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/ledgertest"
)

// TestRule6Refused has an answer that may be missing something, or be older
// than it looks.
func TestRule6Refused(t *testing.T) {
	for name, spoil := range map[string]func(c *cluster, a, b *replica){
		"an entry about its user came between": func(_ *cluster, a, b *replica) {
			mark := a.Mark()
			b.revoke(bob)
			a.Leave(a.t.Context(), key, &answer, mark)
		},
		"an entry about its session came between": func(_ *cluster, a, b *replica) {
			mark := a.Mark()
			b.revoke(session)
			a.Leave(a.t.Context(), key, &answer, mark)
		},
		"an entry about its group came between": func(_ *cluster, a, b *replica) {
			mark := a.Mark()
			b.revoke(group)
			a.Leave(a.t.Context(), key, &answer, mark)
		},
		"the replica was paused before storing": func(c *cluster, a, b *replica) {
			paused := a.client.PauseBefore("StoreAnswer")
			go a.ask()
			<-paused.Reached()
			b.revoke(bob)
			paused.Release()
			c.pass(0)
		},
		"it was asked for without a lease": func(c *cluster, a, _ *replica) {
			a.client.BlackHole(true)
			c.pass(2 * bound)
			a.client.BlackHole(false)
			a.Leave(a.t.Context(), key, &answer, authz.Mark{})
		},
		"the log was emptied since": func(c *cluster, a, _ *replica) {
			mark := a.Mark()
			c.store.Wipe()
			c.pass(2 * bound)
			a.Leave(a.t.Context(), key, &answer, mark)
		},
		"a failover lost it and the log": func(c *cluster, a, b *replica) {
			a.revoke(carol)
			a.ask()
			kept := c.store.Copy().Answers
			c.store.Wipe()
			c.pass(2 * bound)
			c.store.Edit(func(d *ledgertest.Data) { d.Answers = kept })
		},
		"it was asked for on a fork of the log": func(c *cluster, a, b *replica) {
			c.store.Split(a.client)
			go a.revoke(carol)
			c.pass(every)
			mark := a.Mark()
			c.store.Join(a.client)
			turn := a.client.PauseBefore("Turn") // it has not noticed yet
			<-turn.Reached()
			c.t.Cleanup(turn.Release)
			go b.revoke(carol)
			go b.revoke(carol)
			c.pass(every)
			a.Leave(a.t.Context(), key, &answer, mark)
		},
		"a fork of the log was thrown away with it": func(c *cluster, a, b *replica) {
			before := c.store.Copy()
			a.revoke(carol)
			a.revoke(carol)
			mark := a.Mark()
			c.store.Restore(before)
			b.revoke(carol)
			b.revoke(carol)
			b.revoke(carol)
			a.Leave(a.t.Context(), key, &answer, mark)
		},
		"it was changed": func(c *cluster, a, _ *replica) {
			a.ask()
			c.store.Edit(func(d *ledgertest.Data) {
				for place, sealed := range d.Answers {
					sealed.Sealed = ledgertest.Flip(sealed.Sealed)
					d.Answers[place] = sealed
				}
			})
		},
		"it is another credential's": func(c *cluster, a, _ *replica) {
			a.ask()
			other := c.store.Copy().Answers
			a.Leave(a.t.Context(), authz.NewToken("of carol").Key(), &answer, a.Mark())
			c.store.Edit(func(d *ledgertest.Data) {
				for place := range other {
					for carols, sealed := range d.Answers {
						if _, is := other[carols]; !is {
							d.Answers[place] = sealed
						}
					}
				}
			})
		},
		"what came into force here alone may be missing in it": func(c *cluster, a, b *replica) {
			c.pass(every)
			a.ask()
			b.client.Refuse(true)
			call, _ := b.Begin(b.t.Context(), ledger.Intent{Subjects: []authz.Subject{bob}, Limit: time.Minute})
			go b.resolve(call)
			c.pass(wait + time.Millisecond)
			b.client.Refuse(false)
			c.pass(0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			rule(t, func(t *testing.T, c *cluster) {
				a, b := c.two()
				a.revoke(carol)
				c.pass(bound)
				spoil(c, a, b)
				got := b.take()
				if got != nil && got.Seq >= b.lastSeq() {
					t.Errorf("taken: %+v", got)
				}
			})
		})
	}
}

// lastSeq is the position of the last entry that was applied here, about
// anybody but carol.
func (r *replica) lastSeq() (last authz.Seq) {
	for _, s := range []authz.Subject{bob, session, group, guest} {
		for _, e := range r.entries(s) {
			last = max(last, e.Seq)
		}
	}
	return last
}
