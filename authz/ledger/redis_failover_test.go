package ledger_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/redistest"
)

// failover is how long Sentinels or a cluster of the tests may take until
// another node is the primary and the store has found it: they notice after
// 500 ms and a second, and agree within a few.
const failover = 15 * time.Second

func TestRedisFindsTheNewPrimary(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*redistest.Server) error{
		"killed": (*redistest.Server).Kill,
		"frozen": (*redistest.Server).Pause,
	} {
		t.Run("Sentinels replace one that is "+name, func(t *testing.T) {
			t.Parallel()
			set := redistest.StartSentinels(t, redistest.Options{})
			s := openStore(t, set.URL(""))
			begin(t, s)
			old := set.Data[0]
			redistest.Must(t, lose(old))
			if err := turn(s); err == nil {
				t.Error("a turn without a primary is no error")
			}
			within(t, failover, func() error { return turn(s) })
			comeBack(t, old, name)
			stays(t, s)
		})
		t.Run("a cluster replaces one that is "+name, func(t *testing.T) {
			t.Parallel()
			cluster := redistest.StartCluster(t, redistest.Options{})
			s := openStore(t, cluster.URL(""))
			begin(t, s)
			old := cluster.Nodes[0]
			redistest.Must(t, lose(old))
			within(t, failover, func() error { return turn(s) })
			comeBack(t, old, name)
			stays(t, s)
		})
	}
}

// comeBack brings an old primary back.
func comeBack(t *testing.T, old *redistest.Server, lost string) {
	t.Helper()
	if lost == "frozen" {
		redistest.Must(t, old.Resume())
	} else {
		redistest.Must(t, old.Start())
	}
}

// stays takes turns for three seconds, in which an old primary that came back
// thinks that it still is one, and is told otherwise. Whatever happens to a
// turn, it never shows an older tick or no log: that is the old primary's.
func stays(t *testing.T, s ledger.Store) {
	t.Helper()
	var last uint64
	again := time.NewTicker(heartbeat / 5)
	defer again.Stop()
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); <-again.C {
		v, err := s.Turn(t.Context(), ledger.Turn{Incarnation: "inc", Member: "m1", Joined: true, Limit: 10})
		if err != nil {
			continue
		}
		if v.Incarnation != "inc" || v.Tick <= last {
			t.Fatalf("turn after a failover: incarnation %q, tick %d after %d", v.Incarnation, v.Tick, last)
		}
		last = v.Tick
	}
	within(t, time.Second, func() error { return turn(s) })
}

func TestRedisCountsNothingWithoutAMajority(t *testing.T) {
	t.Parallel()
	set := redistest.StartSentinels(t, redistest.Options{})
	s := openStore(t, set.URL(""))
	begin(t, s)
	replicas := set.Data[1:]
	redistest.Must(t, replicas[0].Pause())
	if err := methods["Turn"](t.Context(), s); err != nil {
		t.Errorf("two of three nodes confirm no turn: %v", err)
	}
	redistest.Must(t, replicas[1].Pause())
	unconfirmed(t, s, "with frozen replicas")
	for _, replica := range replicas {
		redistest.Must(t, replica.Resume())
	}
	within(t, 3*time.Second, func() error { return turn(s) })

	// A primary that has no replicas left does not become a majority of one,
	// neither for who knew them nor for who starts now.
	for _, replica := range replicas {
		redistest.Must(t, replica.Kill())
	}
	unconfirmed(t, s, "without replicas")
	unconfirmed(t, openStore(t, set.URL("")), "of a store that was opened after the replicas had gone")
	redistest.Must(t, replicas[1].Start())
	within(t, 10*time.Second, func() error { return turn(s) })

	// Who hears of one Sentinel only does not know whether it is on the right
	// side.
	redistest.Must(t, set.Watchers[1].Pause())
	redistest.Must(t, set.Watchers[2].Pause())
	unconfirmed(t, openStore(t, set.URL("")), "with one Sentinel of three")
}

// unconfirmed fails the test unless what has to be confirmed is not. With the
// deadline of a turn the store may not hear it in time.
func unconfirmed(t *testing.T, s ledger.Store, what string) {
	t.Helper()
	if err := turn(s); err == nil {
		t.Errorf("a turn %s is no error", what)
	}
	for _, name := range []string{"Turn", "Announce", "Create"} {
		if err := methods[name](t.Context(), s); !errors.Is(err, ledger.ErrUnconfirmed) {
			t.Errorf("%s %s: %v, want ErrUnconfirmed", name, what, err)
		}
	}
}

func TestRedisFollowsTheMajorityOfSentinels(t *testing.T) {
	t.Parallel()
	set := redistest.StartSentinels(t, redistest.Options{})
	s := openStore(t, set.URL(""))
	begin(t, s)
	// One Sentinel is frozen while the others replace the primary, and says
	// afterwards what it knew before.
	redistest.Must(t, set.Watchers[0].Pause())
	redistest.Must(t, set.Data[0].Pause())
	if _, err := set.AwaitFailover(set.Data[0]); err != nil {
		t.Fatal(err)
	}
	within(t, failover, func() error { return turn(s) })
	fresh := openStore(t, set.URL(""))
	within(t, 2*time.Second, func() error { return turn(fresh) })
	redistest.Must(t, set.Watchers[0].Resume())
	redistest.Must(t, set.Data[0].Resume())
	stays(t, s)
	stays(t, openStore(t, set.URL("")))
}

func TestRedisNeedsOneSentinelOnlyToKnowAll(t *testing.T) {
	t.Parallel()
	set := redistest.StartSentinels(t, redistest.Options{})
	s := openStore(t, "redis://"+set.Watchers[2].Addr+"?master_name="+redistest.Name)
	begin(t, s)
	redistest.Must(t, set.Watchers[2].Kill())
	redistest.Must(t, set.Data[0].Kill())
	within(t, failover, func() error { return turn(s) })
}
