package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/ledgertest"
)

var (
	key     = authz.NewToken("of bob").Key()
	answer  = authz.Answer{Kind: authz.KindUser, Name: "bob", Session: "session-1", Groups: []string{"g1"}, Access: []string{"access:servers!server=alice/"}}
	session = authz.Subject{Kind: authz.AboutSession, Name: "session-1"}
	group   = authz.Subject{Kind: authz.AboutGroup, Name: "g1"}
)

// ask has r ask the Hub about bob, in no time, and leave the answer.
func (r *replica) ask() {
	a := answer
	a.Asked, a.Seq = r.clock(), r.Applied()
	r.Leave(r.t.Context(), key, &a, r.Mark())
}

// take takes the answer about bob.
func (r *replica) take() *authz.Answer { return r.Take(r.t.Context(), key) }

// TestRule6Taken: another replica's answer counts as asked for here, at a turn
// not long before it was.
func TestRule6Taken(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		a.revoke(carol)
		c.pass(10 * time.Second)
		asked := b.clock()
		a.ask()
		for range 10 {
			c.pass(3 * time.Second)
			got := b.take()
			if got == nil {
				t.Fatal("there is no answer")
			}
			if got.Asked > asked || got.Asked < asked.Add(-2*every-wait) {
				t.Errorf("asked %v after it was really asked, want little before", got.Asked.Sub(asked))
			}
			if got.Seq != b.Applied() {
				t.Errorf("seq %d, want %d: no entry came between", got.Seq, b.Applied())
			}
			if fmt.Sprint(got.Kind, got.Name, got.Session, got.Groups, got.Access) !=
				fmt.Sprint(answer.Kind, answer.Name, answer.Session, answer.Groups, answer.Access) {
				t.Errorf("answer %+v, want %+v", got, answer)
			}
		}
		if other := b.Take(t.Context(), authz.NewToken("of carol").Key()); other != nil {
			t.Errorf("another credential got %+v", other)
		}
	})
}

// TestRule6KeptIfNotTouched: entries about others do not refuse an answer, and
// what comes later about its own user makes it old.
func TestRule6KeptIfNotTouched(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		mark := a.Mark()
		b.revoke(carol)
		a.Leave(t.Context(), key, &answer, mark)
		got := b.take()
		if got == nil || got.Seq != b.Applied()-1 {
			t.Fatalf("taken %+v at %d, want one from before the last entry", got, b.Applied())
		}
		b.revoke(bob)
		if got = b.take(); got != nil && got.Seq >= b.lastSeq() {
			t.Errorf("taken %+v after an entry about its user at %d", got, b.lastSeq())
		}
	})
}

// TestRule6PausedBeforeStoring: an answer that is stored late does not replace a
// newer one.
func TestRule6PausedBeforeStoring(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		paused := a.client.PauseBefore("StoreAnswer")
		go a.ask()
		<-paused.Reached()
		b.revoke(bob)
		c.pass(2 * every)
		a.ask()
		paused.Release()
		c.pass(0)
		if got := b.take(); got == nil || got.Seq < b.lastSeq() {
			t.Errorf("taken %+v, want the newer one", got)
		}
	})
}

// TestRule6Ahead: an answer asked behind an entry that b has not applied is
// not used: b could not tell whether it is current.
func TestRule6Ahead(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		turn := b.client.PauseBefore("Turn")
		<-turn.Reached()
		go a.revoke(bob)
		c.pass(time.Millisecond)
		go a.ask()
		c.pass(time.Millisecond)
		if got := b.take(); got != nil {
			t.Errorf("taken: %+v", got)
		}
		turn.Release()
		c.pass(2 * every)
		a.ask()
		c.pass(2 * every)
		if got := b.take(); got == nil || got.Seq < b.lastSeq() {
			t.Errorf("taken %+v, want the one asked behind the entry", got)
		}
	})
}

// TestRule6Newcomer: who has taken no turn before an answer was asked for does
// not know how old it is.
func TestRule6Newcomer(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a := c.start("a")
		c.pass(bound)
		a.ask()
		b := c.start("b")
		c.pass(bound)
		if got := b.take(); got != nil {
			t.Errorf("taken: %+v, asked %v ago", got, b.clock().Sub(got.Asked))
		}
		a.ask()
		if got := b.take(); got == nil {
			t.Error("a new answer is not taken")
		}
	})
}

// TestRule6Replayed: an answer that is put back later is as old as it is.
func TestRule6Replayed(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		c.pass(bound)
		asked := b.clock()
		a.ask()
		old := c.store.Copy().Answers
		c.pass(30 * time.Second)
		c.store.Edit(func(d *ledgertest.Data) {
			for place, sealed := range old {
				sealed.End = sealed.End.Add(time.Hour)
				d.Answers[place] = sealed
			}
			d.Marks = map[string]uint64{}
		})
		c.pass(40 * time.Second) // its time is up
		if got := b.take(); got != nil && got.Asked > asked {
			t.Errorf("taken as asked %v ago, really %v", b.clock().Sub(got.Asked), b.clock().Sub(asked))
		}
		b.revoke(bob)
		if got := b.take(); got != nil && got.Seq >= b.lastSeq() {
			t.Errorf("taken over an entry: %+v", got)
		}
	})
}

// TestRule6NeverDelays: without a lease the store is not asked.
func TestRule6NeverDelays(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		c.pass(bound)
		a.ask()
		b.client.BlackHole(true)
		c.pass(2 * bound)
		calls, began := b.client.Calls("Answer")+b.client.Calls("StoreAnswer"), b.clock()
		if got := b.take(); got != nil {
			t.Errorf("taken without a lease: %+v", got)
		}
		b.ask()
		if n := b.client.Calls("Answer") + b.client.Calls("StoreAnswer"); n != calls || b.clock() != began {
			t.Errorf("%d calls in %v, want none", n-calls, b.clock().Sub(began))
		}
	})
}
