package ledger_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/redistest"
)

// listen listens until the test ends, and takes the regular turns of a member
// that announces itself, as a replica does.
func listen(t *testing.T, s ledger.Store) <-chan ledger.Wake {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	wakes := make(chan ledger.Wake, 1000)
	var running sync.WaitGroup
	running.Go(func() { s.Listen(ctx, func(w ledger.Wake) { wakes <- w }) })
	running.Go(func() {
		regular := time.NewTicker(heartbeat)
		defer regular.Stop()
		for ctx.Err() == nil {
			limit, cancel := context.WithTimeout(ctx, patience)
			_, _ = s.Turn(limit, ledger.Turn{Incarnation: "inc", Member: "regular", Joined: true, Limit: 1, Announce: true})
			cancel()
			select {
			case <-regular.C:
			case <-ctx.Done():
			}
		}
	})
	t.Cleanup(func() {
		begun := time.Now()
		stop()
		running.Wait()
		if took := time.Since(begun); took > 500*time.Millisecond {
			t.Errorf("listening ended %v after its context", took)
		}
	})
	return wakes
}

// heard waits for an announcement that comes from now on.
func heard(t *testing.T, wakes <-chan ledger.Wake, limit time.Duration, when string) {
	t.Helper()
	for len(wakes) > 0 {
		<-wakes
	}
	begun := time.Now()
	select {
	case <-wakes:
		t.Logf("%s: heard after %v", when, time.Since(begun))
	case <-time.After(limit):
		t.Fatalf("%s: no message in %v", when, limit)
	}
}

func TestRedisListensAgain(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	begin(t, openStore(t, "redis://"+server.Addr))
	link := redistest.Between(t, server.Addr)
	wakes := listen(t, openStore(t, "redis://"+link.Addr()))
	heard(t, wakes, 2*time.Second, "from the start")

	if _, err := server.Do("CLIENT", "KILL", "TYPE", "pubsub"); err != nil {
		t.Fatal(err)
	}
	heard(t, wakes, 2*time.Second, "after its connection was killed")

	link.Forget() // the connection is silent, and nothing else tells
	heard(t, wakes, 3*time.Second, "after its connection was forgotten")

	link.BlackHole()
	link.Cut() // new connections meet the black hole
	time.AfterFunc(1500*time.Millisecond, link.Pass)
	heard(t, wakes, 5*time.Second, "after a black hole")
}

func TestRedisListensAtTheNewPrimary(t *testing.T) {
	t.Parallel()
	set := redistest.StartSentinels(t, redistest.Options{})
	s := openStore(t, set.URL(""))
	begin(t, s)
	wakes := listen(t, s)
	heard(t, wakes, 2*time.Second, "from the start")
	redistest.Must(t, set.Data[0].Pause())
	if _, err := set.AwaitFailover(set.Data[0]); err != nil {
		t.Fatal(err)
	}
	heard(t, wakes, 10*time.Second, "after a failover")
	redistest.Must(t, set.Data[0].Resume())
	<-time.After(2 * time.Second) // the old primary is told that it is none
	heard(t, wakes, 2*time.Second, "after the old primary came back")
}
