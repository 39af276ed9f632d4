package proxy_test

import (
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/ledgertest"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy"
)

// Times of replicas: Δ as it is by default, because a fifth of it is the deadline
// of a turn also on a busy machine.
const (
	replicaBound  = time.Second
	replicaGuests = 3 * time.Second
)

// replicas are two proxies of one Hub, with a log on a store in memory.
type replicas struct {
	one, two *rig
	store    *ledgertest.Store
	clients  [2]*ledgertest.Client
}

func newReplicas(t *testing.T) *replicas {
	t.Helper()
	rs := &replicas{store: ledgertest.NewStore()}
	for i, r := range []**rig{&rs.one, &rs.two} {
		rs.clients[i] = rs.store.Client()
		*r = newRig(t, func(o *proxy.Options) {
			o.Rule.Bound, o.Rule.Guests, o.HoldLimit = replicaBound, replicaGuests, time.Minute
			if i > 0 {
				o.Hub = rs.one.hub
			}
			o.NewLedger = func(c authz.Clock, a ledger.Apply) ledger.Ledger {
				l, err := ledger.NewReplica(ledger.ReplicaOptions{
					Options: ledger.Options{Clock: c, Apply: a}, Store: rs.clients[i], Bound: replicaBound,
					Secrets: [][]byte{[]byte("secret")}, Name: strconv.Itoa(i), Log: slog.New(slog.DiscardHandler),
				})
				if err != nil {
					t.Fatal(err)
				}
				return l
			}
		})
		if err := (*r).proxy.Loaded(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// What the first one hears from now on is younger than a turn of the second.
	turns := rs.clients[0].Calls("Turn")
	waitUntil(t, "the first one has taken a turn behind the second", func() bool { return rs.clients[0].Calls("Turn") > turns+1 })
	return rs
}

// serve puts one server of alice behind both.
func (rs *replicas) serve(h http.HandlerFunc) {
	made := rs.one.userServer(h)
	rs.two.route("/user/alice", made.TargetText, aliceData)
}

// TestARevocationThroughOneReplicaIsInForceOnAll when its caller has the answer,
// or when the lease of one that does not confirm has run out by then.
func TestARevocationThroughOneReplicaIsInForceOnAll(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault func(rs *replicas)
		want  string
		least time.Duration
	}{
		{"both confirm", func(*replicas) {}, "done; sockets=1", 0},
		{"no message arrives", func(rs *replicas) { rs.clients[1].LoseMessages(true) }, "done; sockets=1", 0},
		{"the other one is cut off from the store", func(rs *replicas) { rs.clients[1].BlackHole(true) }, "bounded; replicas=1", 0},
		{"this one is cut off from the store", func(rs *replicas) { rs.clients[0].Refuse(true) }, "within=3s", replicaBound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rs := newReplicas(t)
			k := newKernel(t)
			rs.serve(k.ServeHTTP)
			bob, bobs := rs.two.meet(k, "bob", as("bob"))
			alice, alices := rs.two.meet(k, "alice", as("alice"))
			stop := chatter(alice, alices)
			tt.fault(rs)
			rs.one.hub.does(unshare, http.StatusNoContent)
			begun := time.Now()
			res := rs.one.do("PATCH", "/hub/api/shares/alice/")
			took := time.Since(begun)
			if got := res.Header.Get("Share-Proxy-Cut"); got != tt.want || took < tt.least || took > 2*replicaBound+slack {
				t.Errorf("the caller got %q after %v, want %q after Δ or so at most", got, took, tt.want)
			}
			if tt.want == "within=3s" {
				<-time.After(replicaGuests - took)
			}
			bobs.say("late")
			bob.say("late")
			if got := bob.rest(); !slices.Equal(got, []string{"close 1008 Your access to this server has ended."}) {
				t.Errorf("the guest at the other replica heard %q", got)
			}
			if got := bobs.rest(t); len(got) > 0 {
				t.Errorf("%q passed at the other replica after the answer", got)
			}
			if n, err := stop(); err != nil || n == 0 {
				t.Errorf("the owner's socket: %d messages, %v; want all of them", n, err)
			}
		})
	}
}

// TestWhatOneReplicaWasToldServesTheOther.
func TestWhatOneReplicaWasToldServesTheOther(t *testing.T) {
	rs := newReplicas(t)
	rs.serve(func(http.ResponseWriter, *http.Request) {})
	if got := rs.one.status("GET", "/user/alice/api", as("bob")); got != 200 {
		t.Fatalf("at the first: %d, want 200", got)
	}
	waitUntil(t, "the answer is left", func() bool { return rs.clients[0].Calls("StoreAnswer") > 0 })
	if got := rs.two.status("GET", "/user/alice/api", as("bob")); got != 200 || rs.one.hub.count("bob") != 1 {
		t.Errorf("at the second: %d, after %d questions; want 200 by the first one's", got, rs.one.hub.count("bob"))
	}
	rs.one.hub.does(unshare, http.StatusNoContent)
	rs.one.do("PATCH", "/hub/api/shares/alice/")
	if got := rs.two.status("GET", "/user/alice/api", as("bob")); got != 403 {
		t.Errorf("at the second, after a revocation through the first: %d, want 403", got)
	}
	rs.one.hub.does(func(h *fakeHub) { h.set("bob", "bob", "s-bob", "access:servers!server=alice/") }, http.StatusOK)
	rs.one.do("POST", "/hub/api/shares/alice/")
	if got := rs.two.status("GET", "/user/alice/api", as("bob")); got != 200 {
		t.Errorf("at the second, after a grant through the first: %d, want 200", got)
	}
}
