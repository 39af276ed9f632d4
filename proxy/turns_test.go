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
			return enforced{ledger.Receipt{Seq: authz.Seq(len(entries))}, len(entries)}
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
