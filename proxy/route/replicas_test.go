package route

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/ledgertest"
)

// replica is one of several processes with a table.
type replica struct {
	*Shared
	client *ledgertest.Client
	log    *ledger.Replica
}

// newReplica starts a replica on a store and waits until it has its table.
func newReplica(t *testing.T, store *ledgertest.Store, name string) *replica {
	t.Helper()
	r := &replica{Shared: NewShared(NewTable(false), slog.New(slog.DiscardHandler)), client: store.Client()}
	origin := time.Now()
	log, err := ledger.NewReplica(ledger.ReplicaOptions{
		Options: ledger.Options{
			Clock: func() authz.Instant { return authz.Instant(time.Since(origin)) },
			Apply: func(ledger.Entry) {}, Keep: r.Keep,
		},
		Store: r.client, Secrets: [][]byte{[]byte("a secret")}, Bound: time.Second,
		Name: name, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	r.log = log
	r.Attach(log)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { log.Run(ctx) })
	running.Go(func() { r.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	if err := log.Loaded(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// wantRoute checks where a path leads on each replica; "" is nowhere.
func wantRoute(t *testing.T, path, target string, replicas ...*replica) {
	t.Helper()
	for i, r := range replicas {
		got := ""
		if found, ok := r.Get(path); ok {
			got = found.TargetText
		}
		if got != target {
			t.Errorf("on replica %d %s leads to %q, want %q", i+1, path, got, target)
		}
	}
}

func TestAWriteIsEverywhereWhenItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := ledgertest.NewStore()
		one, two := newReplica(t, store, "one"), newReplica(t, store, "two")
		post(t, one.Shared, "/x", "http://a:1", alices)
		wantRoute(t, "/x", "http://a:1", one, two)
		post(t, two.Shared, "/x", "http://a:2", alices)
		wantRoute(t, "/x", "http://a:2", one, two)
		if found, err := one.Remove(t.Context(), "/x"); !found || err != nil {
			t.Errorf("Remove = %v, %v", found, err)
		}
		wantRoute(t, "/x", "", one, two)

		post(t, one.Shared, "/y", "http://a:3", alices)
		three := newReplica(t, store, "three") // has its table at once
		wantRoute(t, "/y", "http://a:3", three)
	})
}

func TestPostsAndRemovalsOfManyEndAlikeEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := ledgertest.NewStore()
		replicas := []*replica{newReplica(t, store, "one"), newReplica(t, store, "two"), newReplica(t, store, "three")}
		var writing sync.WaitGroup
		for i, r := range replicas {
			writing.Go(func() {
				for n := range 20 {
					path := fmt.Sprint("/user/", n%4)
					if n%5 == i {
						if _, err := r.Remove(t.Context(), path); err != nil {
							t.Error(err)
						}
					} else if err := r.Add(t.Context(), mustNew(t, path, fmt.Sprintf("http://a%d:%d", i, n+1), alices)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		writing.Wait()
		for n := range 4 {
			path := fmt.Sprint("/user/", n)
			target := ""
			if r, ok := replicas[0].Get(path); ok {
				target = r.TargetText
			}
			wantRoute(t, path, target, replicas...)
		}
	})
}

func TestAllShowsWhatAnotherReplicaAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := ledgertest.NewStore()
		one, two := newReplica(t, store, "one"), newReplica(t, store, "two")
		two.client.LoseMessages(true) // it learns by its turns only
		added := make(chan error)
		go func() { added <- one.Add(t.Context(), mustNew(t, "/x", "http://a:1", alices)) }()
		synctest.Wait() // appended, and two has not heard
		wantRoute(t, "/x", "", two)
		if got := two.All(t.Context()); len(got) != 1 {
			t.Errorf("All on the other replica has %d routes, want 1", len(got))
		}
		if err := <-added; err != nil {
			t.Error(err)
		}
	})
}

func TestActivityIsMergedAcrossReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(start)) // the route is posted now
		store := ledgertest.NewStore()
		one, two := newReplica(t, store, "one"), newReplica(t, store, "two")
		post(t, one.Shared, "/x", "http://a:1", alices)
		time.Sleep(time.Minute)
		x, _ := one.Get("/x")
		x.Touch(time.Now())
		time.Sleep(tellEvery)
		if got := two.All(t.Context()); len(got) != 1 || got[0].LastActivity() != x.LastActivity() {
			t.Errorf("the other replica shows %v, want a route active at %v", got, x.LastActivity())
		}
	})
}

func TestWithTheLogAwayRoutesAreAcceptedAndSharedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := ledgertest.NewStore()
		one, two := newReplica(t, store, "one"), newReplica(t, store, "two")
		post(t, one.Shared, "/old", "http://a:1", alices)
		for _, r := range []*replica{one, two} {
			r.client.Refuse(true)
		}
		time.Sleep(2 * time.Second)
		unshared := post(t, one.Shared, "/new", "http://a:2", alices)
		if !unshared.Vouched(key(1)) {
			t.Error("nobody may use the route that the Hub has just posted here")
		}
		if old, _ := one.Get("/old"); old.Vouched(key(1)) {
			t.Error("a route that may have changed elsewhere serves everybody")
		}
		wantRoute(t, "/new", "", two)
		if got := one.All(t.Context()); len(got) != 2 {
			t.Errorf("All has %d routes while the log is away, want 2", len(got))
		}
		for _, r := range []*replica{one, two} {
			r.client.Refuse(false)
		}
		time.Sleep(2 * time.Second)
		wantRoute(t, "/new", "http://a:2", one, two)
		if shared, _ := one.Get("/new"); shared.Vouched(key(1)) || shared.Life() != unshared.Life() {
			t.Errorf("shared: vouches for everybody: %v; the same life: %v", shared.Vouched(key(1)), shared.Life() == unshared.Life())
		}
	})
}
