package ledger_test

import (
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/ledgertest"
)

// TestRule6AskedInAFormerHistory: a store comes back with an old state, and with
// it the tick, while a question is on its way. The answer counts as asked then, or
// not at all, whether who asked has joined again when it comes or not.
func TestRule6AskedInAFormerHistory(t *testing.T) {
	for name, joinsFirst := range map[string]bool{"after joining again": true, "before": false} {
		t.Run(name, func(t *testing.T) {
			rule(t, func(t *testing.T, c *cluster) {
				a, b := c.two()
				before := c.store.Copy()
				c.pass(10 * time.Second)
				mark, late, asked := a.Mark(), answer, b.clock()
				late.Asked, late.Seq = a.clock(), a.Applied()
				c.pass(5 * time.Second)
				turn := a.client.PauseBefore("Turn")
				if joinsFirst {
					turn.Release()
				} else {
					<-turn.Reached()
				}
				c.store.Restore(before)
				c.pass(2 * every)
				a.Leave(t.Context(), key, &late, mark)
				if !joinsFirst {
					turn.Release()
				}
				for range 300 {
					c.pass(100 * time.Millisecond)
					if got := b.take(); got != nil && got.Asked > asked {
						t.Fatalf("taken as asked %v after it was", got.Asked.Sub(asked))
					}
				}
			})
		})
	}
}

// TestRule6ForgedTick: somebody who can write the store puts the tick back, and an
// answer that he has kept. That does not make it young for ever.
func TestRule6ForgedTick(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, _ := c.two()
		c.pass(time.Minute)
		a.ask()
		kept, tick := c.store.Copy().Answers, c.store.Copy().Tick
		c.pass(5 * time.Minute)
		c.store.Edit(func(d *ledgertest.Data) { d.Tick = tick / 2 })
		d := c.start("d")
		for range 20 {
			c.pass(bound)
			c.store.Edit(func(d *ledgertest.Data) {
				for place, sealed := range kept {
					sealed.End = time.Now().Add(time.Hour)
					d.Answers[place] = sealed
				}
			})
			if got := d.take(); got != nil {
				t.Fatalf("taken as asked %v ago, really 5 min", d.clock().Sub(got.Asked))
			}
		}
	})
}
