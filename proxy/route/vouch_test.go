package route

import (
	"encoding/binary"
	"sync"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// key returns a key by number.
func key(n int) (k authz.Key) {
	binary.BigEndian.PutUint64(k[:], uint64(n)+1)
	return k
}

func TestWhoWasAllowedIsVouchedForAsLongAsTheRouteLives(t *testing.T) {
	s, _, _ := newShared(false)
	first := post(t, s, "/x", "http://a:1", alices)
	if first.Vouched(key(1)) || first.Vouched(authz.Key{}) {
		t.Error("a new route vouches for somebody")
	}
	first.Vouch(key(1))
	again := post(t, s, "/x", "http://a:1", alices)
	if !again.Vouched(key(1)) || again.Vouched(key(2)) {
		t.Errorf("posted again: vouches for 1: %v, for 2: %v; want the first alone", again.Vouched(key(1)), again.Vouched(key(2)))
	}
	for name, next := range map[string]func() *Route{
		"another target": func() *Route { return post(t, s, "/x", "http://a:2", alices) },
		"removed and posted again": func() *Route {
			if _, err := s.Remove(t.Context(), "/x"); err != nil {
				t.Fatal(err)
			}
			return post(t, s, "/x", "http://a:1", alices)
		},
	} {
		if r := next(); r.Vouched(key(1)) {
			t.Errorf("%s: the credential would be sent to a server that has not seen it", name)
		} else {
			r.Vouch(key(1))
		}
	}
}

func TestARoutePostedWhileTheLogIsAwayVouchesForEverybodyUntilItIsShared(t *testing.T) {
	s, _, log := newShared(false)
	before := post(t, s, "/x", "http://a:1", alices)
	before.Vouch(key(1))
	log.unshared = true
	if unshared := post(t, s, "/x", "http://a:1", alices); !unshared.Vouched(key(2)) {
		t.Error("posted while the log is away: nobody new may use what the Hub said last")
	}
	if before.Vouched(key(2)) {
		t.Error("the route as it was before vouches for everybody")
	}
	log.unshared = false
	shared := post(t, s, "/x", "http://a:1", alices)
	if shared.Vouched(key(2)) || !shared.Vouched(key(1)) {
		t.Errorf("shared: vouches for 1: %v, for 2: %v; want the first alone", shared.Vouched(key(1)), shared.Vouched(key(2)))
	}
}

func TestVouchingIsBounded(t *testing.T) {
	r := mustNew(t, "/x", "http://a:1", alices)
	for n := range 2 * maxVouched {
		if r.Vouch(key(n)); !r.Vouched(key(n)) {
			t.Fatalf("key %d is not vouched for", n)
		}
	}
	known := 0
	for n := range 2 * maxVouched {
		if r.Vouched(key(n)) {
			known++
		}
	}
	if known != maxVouched {
		t.Errorf("vouches for %d, want %d", known, maxVouched)
	}
}

func TestVouchingAgainCostsNoMemory(t *testing.T) {
	r := mustNew(t, "/x", "http://a:1", alices)
	r.Vouch(key(1))
	if n := testing.AllocsPerRun(100, func() { r.Vouch(key(1)); _ = r.Vouched(key(2)) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func TestVouchingIsSafeForConcurrentUse(t *testing.T) {
	r := mustNew(t, "/x", "http://a:1", alices)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for n := range 100 {
				r.Vouch(key(n))
				if !r.Vouched(key(n)) {
					t.Errorf("key %d is not vouched for", n)
				}
			}
		})
	}
	all.Wait()
}

func BenchmarkVouchAgain(b *testing.B) {
	r := mustNew(b, "/x", "http://a:1", alices)
	r.Vouch(key(1))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r.Vouch(key(1))
		}
	})
}
