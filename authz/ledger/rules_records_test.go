package ledger_test

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

type table = map[string]string

// TestRule8OneOrder: a record written here and removed there is as the last
// one left it, on all, when he hears so.
func TestRule8OneOrder(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b, d := c.three()
		for i := range 20 {
			value := fmt.Sprint(i)
			a.write("/x", value)
			for _, r := range []*replica{a, b, d} {
				r.wantTable("written", table{"/x": value})
			}
			b.write("/x", "")
			for _, r := range []*replica{a, b, d} {
				r.wantTable("removed", table{})
			}
			c.pass(11 * time.Millisecond)
		}
		var writing sync.WaitGroup
		for i, r := range []*replica{a, b, d} {
			for n := range 10 {
				writing.Go(func() { r.write("/x", fmt.Sprint(i, "-", n)) })
			}
		}
		writing.Wait()
		b.wantTable("written by all at once", a.table())
		d.wantTable("written by all at once", a.table())
	})
}

// TestRule8AgreedAgain: a conflict is over when the owner of the records has
// written again, wherever.
func TestRule8AgreedAgain(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		b.client.Refuse(true)
		c.pass(2 * bound)
		b.write("/x", "here")
		a.write("/x", "there")
		b.client.Refuse(false)
		c.pass(every)
		a.wantTable("after a conflict", table{})
		b.write("/x", "repaired")
		a.wantTable("written again", table{"/x": "repaired"})
		b.wantTable("written again", table{"/x": "repaired"})
	})
}

// TestRule8NeverAnError: whatever is away, a write is accepted, and soon.
func TestRule8NeverAnError(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		a.client.BlackHole(true)
		for i := range 5 {
			began := a.clock()
			a.write(fmt.Sprint("/", i), "here")
			if took := a.clock().Sub(began); took > wait {
				t.Errorf("write %d took %v", i, took)
			}
		}
		c.pass(2 * bound)
		began := a.clock()
		a.write("/later", "here")
		if took := a.clock().Sub(began); took != 0 {
			t.Errorf("a write without a lease took %v", took)
		}
		a.client.BlackHole(false)
		c.pass(bound)
		b.wantTable("when it is back", a.table())
		if len(b.table()) != 6 {
			t.Errorf("%d records, want 6", len(b.table()))
		}
	})
}

// TestRule8Uncertain: a write of which nobody knows whether it was done is no
// conflict with itself.
func TestRule8Uncertain(t *testing.T) {
	for name, test := range map[string]struct{ fail, mend func(r *replica) }{
		"the reply was lost": {
			func(r *replica) { r.client.LoseReplies(true) }, func(r *replica) { r.client.LoseReplies(false) },
		},
		"it was done later": {
			func(r *replica) { r.client.Freeze() }, func(r *replica) { r.client.Thaw() },
		},
		"it was not confirmed": {
			func(r *replica) { r.client.Unconfirmed(true) }, func(r *replica) { r.client.Unconfirmed(false) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			rule(t, func(t *testing.T, c *cluster) {
				a, b := c.two()
				a.write("/x", "x")
				a.write("/z", "z")
				test.fail(a)
				a.write("/x", "here")
				a.write("/x", "here again")
				a.write("/y", "y")
				a.write("/z", "")
				c.pass(2 * bound)
				test.mend(a)
				c.pass(bound)
				want := table{"/x": "here again", "/y": "y"}
				a.wantTable("after it", want)
				b.wantTable("after it", want)
				c.start("c").wantTable("to a newcomer", want)
			})
		})
	}
}

// TestRule8SecondTry: a write that could be shared overtakes one that could not
// be.
func TestRule8SecondTry(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		a.client.Refuse(true)
		a.write("/x", "first")
		a.wantTable("refused", table{"/x": "first (unshared)"})
		done := make(chan struct{})
		go func() {
			a.write("/x", "second")
			close(done)
		}()
		c.pass(wait / 2)
		a.client.Refuse(false)
		if err := a.Sync(t.Context()); err != nil { // a turn in time for it
			t.Error(err)
		}
		<-done
		c.pass(bound)
		a.wantTable("not refused", table{"/x": "second"})
		b.wantTable("not refused", table{"/x": "second"})
	})
}

// TestRule8ForgottenRemovals: removals are remembered in a bounded number. A
// write from before the last forgotten one may be overtaken by any of them.
func TestRule8ForgottenRemovals(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		c.store.MaxLog = 100
		a, b := c.two()
		a.write("/x", "x")
		b.client.BlackHole(true)
		c.pass(2 * bound)
		b.write("/x", "here")
		a.write("/x", "")
		for i := range 5000 {
			a.write(fmt.Sprint("/", i), "")
		}
		if n := len(c.store.Copy().Records); n > 4200 {
			t.Errorf("%d records are stored, want removed ones to be forgotten", n)
		}
		b.client.BlackHole(false)
		c.pass(bound)
		a.wantTable("when it is back", table{})
		b.wantTable("when it is back", table{})
	})
}

// TestRule8StartedWithoutTheStore: replicas that never met bring together what they
// know; what they do not agree about is removed.
func TestRule8StartedWithoutTheStore(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.launch("a"), c.launch("b")
		a.client.Refuse(true)
		b.client.Refuse(true)
		c.pass(every)
		a.write("/a", "a")
		b.write("/b", "b")
		a.write("/same", "same")
		b.write("/same", "same")
		a.write("/x", "a")
		b.write("/x", "b")
		a.client.Refuse(false)
		b.client.Refuse(false)
		c.pass(2 * bound)
		want := table{"/a": "a", "/b": "b", "/same": "same"}
		a.wantTable("when the store is there", want)
		b.wantTable("when the store is there", want)
	})
}

// TestRule8LoadedBeforeReady: who starts has the table before it says so, and
// waits for nobody.
func TestRule8LoadedBeforeReady(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a := c.start("a")
		want := table{}
		for i := range 300 {
			want[fmt.Sprint("/", i)] = fmt.Sprint(i)
			a.write(fmt.Sprint("/", i), fmt.Sprint(i))
		}
		a.kill()
		began := a.clock()
		b := c.start("b")
		b.wantTable("when loaded", want)
		if took := a.clock().Sub(began); took > every {
			t.Errorf("loaded after %v", took)
		}
	})
}

// TestRule8Sync: when Sync has returned, what others wrote before is here; also
// if a turn was under way that had left before.
func TestRule8Sync(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		b.client.LoseMessages(true)
		answered := b.client.PauseAfter("Turn")
		<-answered.Reached()
		go a.write("/x", "x")
		c.pass(time.Millisecond)
		synced := make(chan error)
		go func() {
			err := b.Sync(t.Context())
			b.wantTable("in sync", table{"/x": "x"})
			synced <- err
		}()
		c.pass(time.Millisecond)
		answered.Release()
		if err := <-synced; err != nil {
			t.Error(err)
		}
		b.client.BlackHole(true)
		began := b.clock()
		if err := b.Sync(t.Context()); err == nil {
			t.Error("in sync with a store that does not answer")
		}
		if took := b.clock().Sub(began); took > every+wait {
			t.Errorf("took %v to find out", took)
		}
	})
}
