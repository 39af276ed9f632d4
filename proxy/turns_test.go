package proxy

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// TestChangesOfOneSessionShareTurns: the first goes at once; those that come
// before the next turn share one entry, which begins after all of them.
func TestChangesOfOneSessionShareTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newTurns()
		key := changeKey{{Kind: authz.AboutSession, Name: "s"}}
		began := time.Now()
		var entries []time.Duration
		entry := func() enforced {
			entries = append(entries, time.Since(began))
			return enforced{true, ledger.Receipt{Seq: authz.Seq(len(entries))}, len(entries)}
		}
		if done, mine := ts.do(key, entry); !mine || done.sockets != 1 || entries[0] != 0 {
			t.Errorf("the first: %+v, mine %v, after %v; want its own, at once", done, mine, entries)
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		owners := 0
		for range 10 {
			all.Go(func() {
				done, mine := ts.do(key, entry)
				mu.Lock()
				defer mu.Unlock()
				if mine {
					owners++
				}
				if done.receipt.Seq != 2 {
					t.Errorf("a later one: %+v, want the second entry", done)
				}
			})
		}
		other := changeKey{{Kind: authz.AboutSession, Name: "other"}}
		if done, _ := ts.do(other, func() enforced { return enforced{sockets: 7} }); done.sockets != 7 || time.Since(began) != 0 {
			t.Errorf("another session: %+v after %v, want its own at once", done, time.Since(began))
		}
		all.Wait()
		if len(entries) != 2 || owners != 1 || entries[1] != turnEvery {
			t.Errorf("entries %v, %d of them somebody's own; want one more after %v", entries, owners, turnEvery)
		}
		<-time.After(2 * turnEvery)
		synctest.Wait()
		if len(ts.waiting) != 0 {
			t.Errorf("%d sessions are kept, want none", len(ts.waiting))
		}
		ts.close()
	})
}

// TestATurnDoesNotWaitForTheOneBefore: an entry that a replica is slow to confirm
// takes more than Δ, and whoever had it written, again and again, must not keep
// the holder's own logout from being put into force.
func TestATurnDoesNotWaitForTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newTurns()
		key := changeKey{{Kind: authz.AboutSession, Name: "s"}}
		began := time.Now()
		var mu sync.Mutex
		var written []time.Duration
		entry := func() enforced {
			mu.Lock()
			written = append(written, time.Since(began))
			mu.Unlock()
			<-time.After(2 * time.Second) // Δ and more
			return enforced{}
		}
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() { ts.do(key, entry) })
			<-time.After(turnEvery + turnEvery/10)
			synctest.Wait()
		}
		all.Wait()
		if len(written) != 3 || written[1] > 2*turnEvery || written[2] > 3*turnEvery {
			t.Errorf("entries written after %v, want each within %v of its change", written, turnEvery)
		}
		ts.close()
	})
}

// TestCloseWaitsForWhatIsPutIntoForce, and lets nothing wait for its turn.
func TestCloseWaitsForWhatIsPutIntoForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newTurns()
		key := changeKey{{Kind: authz.AboutSession, Name: "s"}}
		began := time.Now()
		entry := func() enforced {
			<-time.After(time.Second) // a log that is away takes its time
			return enforced{sockets: 1}
		}
		first, second := make(chan time.Duration, 1), make(chan time.Duration, 1)
		go func() { ts.do(key, entry); first <- time.Since(began) }()
		synctest.Wait()
		go func() { ts.do(key, entry); second <- time.Since(began) }()
		synctest.Wait()
		ts.close()
		if took := time.Since(began); took != time.Second {
			t.Errorf("closed after %v, want the end of both entries", took)
		}
		if a, b := <-first, <-second; a != time.Second || b != time.Second {
			t.Errorf("in force after %v and %v, want the second beside the first", a, b)
		}
		kept := -1
		late := func() enforced {
			kept = len(ts.waiting)
			return entry()
		}
		if done, mine := ts.do(key, late); !mine || kept != 0 || done.sockets != 1 || time.Since(began) != 2*time.Second {
			t.Errorf("after that: %+v, mine %v, after %v, %d kept; want its own, at once, and nobody to wait for", done, mine, time.Since(began), kept)
		}
	})
}

// TestOnlyChangesOfASessionShareTurns, and only with their like.
func TestOnlyChangesOfASessionShareTurns(t *testing.T) {
	logout, _ := watched("GET", []string{"logout"}, "s")
	accept, _ := watched("POST", []string{"accept-share"}, "s")
	share, _ := watched("PATCH", []string{"api", "shares", "alice", ""}, "s")
	if !logout.takesTurns() || !accept.takesTurns() || share.takesTurns() {
		t.Errorf("take turns: logout %v, accept %v, shares %v; want the first two", logout.takesTurns(), accept.takesTurns(), share.takesTurns())
	}
	if logout.key() == accept.key() {
		t.Error("a logout's entry does not cover an accepted share")
	}
}
