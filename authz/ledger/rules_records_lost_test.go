package ledger_test

import (
	"fmt"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/ledgertest"
)

// TestRule8LostWithAFailover: what the log had, and has no longer, is written
// again by those who know it.
func TestRule8LostWithAFailover(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b, d := c.three()
		a.write("/x", "x")
		a.write("/y", "y")
		a.write("/z", "z")
		c.pass(every)
		before := c.store.Copy()
		a.write("/x", "changed")
		a.write("/y", "")
		a.write("/new", "new")
		c.pass(every)
		c.store.Restore(before)
		c.pass(bound)
		want := table{"/x": "changed", "/new": "new", "/z": "z"}
		for _, r := range []*replica{a, b, d} {
			r.wantTable("after the failover", want)
		}
		c.start("d").wantTable("to a newcomer", want)
	})
}

// TestRule8LostAndOvertaken: what was lost was written otherwise before those
// who know it came back.
func TestRule8LostAndOvertaken(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		a.write("/x", "x")
		a.write("/y", "y")
		c.pass(every)
		before := c.store.Copy()
		b.client.BlackHole(true)
		go a.write("/x", "lost")
		go a.write("/y", "lost, too")
		c.pass(2 * bound)
		a.client.BlackHole(true)
		c.store.Restore(before)
		b.client.BlackHole(false)
		c.pass(bound)
		b.write("/x", "overtaken")
		a.client.BlackHole(false)
		c.pass(2 * bound)
		a.wantTable("when all are back", table{"/y": "lost, too"})
		b.wantTable("when all are back", table{"/y": "lost, too"})
	})
}

// TestRule8Emptied: the log was emptied; the replicas fill it again.
func TestRule8Emptied(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b, d := c.three()
		want := table{}
		for i := range 50 {
			want[fmt.Sprint("/", i)] = fmt.Sprint(i)
			a.write(fmt.Sprint("/", i), fmt.Sprint(i))
		}
		a.write("/gone", "gone")
		a.write("/gone", "")
		c.store.Wipe()
		c.pass(bound)
		for _, r := range []*replica{a, b, d} {
			r.wantTable("after it was emptied", want)
		}
		c.start("d").wantTable("to a newcomer", want)
	})
}

// TestRule8NothingInCommon: the log was emptied and filled by a newcomer, twice,
// while a was cut off. What a knows is brought in; what it knows to be removed
// may have been made again since.
func TestRule8NothingInCommon(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a := c.start("a")
		for i := range 5 {
			a.write(fmt.Sprint("/a", i), "a")
		}
		a.write("/again", "before")
		a.write("/again", "")
		a.client.BlackHole(true)
		c.store.Wipe()
		b := c.start("b")
		for i := range 20 {
			b.write(fmt.Sprint("/b", i%5), fmt.Sprint("b", i))
		}
		b.write("/again", "after")
		c.store.Wipe()
		c.pass(bound)
		a.client.BlackHole(false)
		c.pass(2 * bound)
		want := table{"/again": "after"}
		for i := range 5 {
			want[fmt.Sprint("/a", i)] = "a"
			want[fmt.Sprint("/b", i)] = fmt.Sprint("b", 15+i)
		}
		a.wantTable("when all are back", want)
		b.wantTable("when all are back", want)
	})
}

// TestRule8EarlyBeforeAFailover: the number at which a write was accepted means
// nothing in a history that lost that number.
func TestRule8EarlyBeforeAFailover(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		a.write("/x", "x")
		c.pass(every)
		before := c.store.Copy()
		for i := range 20 {
			a.write(fmt.Sprint("/", i), "a")
		}
		c.pass(every)
		b.client.BlackHole(true)
		c.pass(2 * bound)
		b.write("/x", "here")
		c.store.Restore(before)
		a.write("/x", "there")
		b.client.BlackHole(false)
		c.pass(2 * bound)
		if got := a.table()["/x"]; got != "" {
			t.Errorf("/x is %q, and nobody knows which write was later", got)
		}
		if len(a.table()) != 20 {
			t.Errorf("%d records, want the 20 others", len(a.table()))
		}
		b.wantTable("when it is back", a.table())
	})
}

// TestRule8EmptiedWhileOneWasCutOff: the one that was cut off comes first, or
// last; what the others did meanwhile counts.
func TestRule8EmptiedWhileOneWasCutOff(t *testing.T) {
	for name, staleFirst := range map[string]bool{"and came back first": true, "and came back last": false} {
		t.Run(name, func(t *testing.T) {
			rule(t, func(t *testing.T, c *cluster) {
				a, b := c.two()
				a.write("/x", "x")
				a.write("/y", "y")
				a.write("/z", "z")
				b.client.BlackHole(true)
				c.pass(2 * bound)
				b.write("/early", "early")
				a.write("/x", "changed")
				a.write("/y", "")
				a.write("/new", "new")
				first, last := a, b
				if staleFirst {
					first, last = b, a
				}
				a.client.BlackHole(true)
				c.store.Wipe()
				first.client.BlackHole(false)
				c.pass(bound)
				last.client.BlackHole(false)
				c.pass(2 * bound)
				want := table{"/x": "changed", "/z": "z", "/new": "new", "/early": "early"}
				a.wantTable("when all are back", want)
				b.wantTable("when all are back", want)
			})
		})
	}
}

// TestRule8Restored is a store that comes back with an old state again and
// again: nothing is lost and nothing comes back from the dead.
func TestRule8Restored(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		var states []*ledgertest.Data
		for i := range 10 {
			states = append(states, c.store.Copy())
			a.write("/x", fmt.Sprint(i))
			b.write(fmt.Sprint("/", i), "made")
			a.write(fmt.Sprint("/", i-1), "")
			c.pass(every)
			c.store.Restore(states[i/2])
			c.pass(bound)
		}
		want := table{"/x": "9", "/9": "made"}
		a.wantTable("at the end", want)
		b.wantTable("at the end", want)
	})
}
