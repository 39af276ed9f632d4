package proxy_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/route"
)

// TestWithoutTheLogARouteServesWhoWasSeenOnIt, and nobody else: another replica
// may have written by now that the path leads to somebody else's server.
func TestWithoutTheLogARouteServesWhoWasSeenOnIt(t *testing.T) {
	r, l := newReplicaRig(t)
	k := newKernel(t)
	r.userServer(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Upgrade") != "" {
			k.ServeHTTP(w, req)
		}
	})
	bob, bobs := r.meet(k, "bob", as("bob"))
	comeBack := l.goAway()
	for _, tt := range []struct {
		name, token string
		want        int
	}{
		{"a guest who was seen", "bob", 200},
		{"a guest who was not", "carol", 503},
		{"the owner, who was not", "alice", 503},
		{"somebody without a right", "dave", 403},
		{"a guest who was seen, again", "bob", 200},
	} {
		res := r.do("GET", "/user/alice/api", as(tt.token))
		body, _ := io.ReadAll(res.Body)
		if res.StatusCode != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.name, res.StatusCode, body, tt.want)
		}
		if tt.want == 503 && !strings.Contains(string(body), "where this server is") {
			t.Errorf("%s: %s, want to be told what is not known", tt.name, body)
		}
		if tt.want == 503 && (res.Header.Get("Retry-After") == "" || res.Header.Get("Set-Cookie") != "" || !strings.Contains(string(body), `"no_decision"`)) {
			t.Errorf("%s: %v %s, want Retry-After, no cookie touched, and the reason no_decision", tt.name, res.Header, body)
		}
	}
	if _, res := r.handshake("/user/alice/api/kernels/1/channels", as("carol")); res.StatusCode != 503 {
		t.Errorf("a socket of a guest who was not seen: %d, want 503", res.StatusCode)
	}
	bob.say("still here")
	if got := bobs.hear(); got != "still here" {
		t.Errorf("through the open socket the server heard %q", got)
	}
	comeBack()
	if got := r.status("GET", "/user/alice/api", as("carol")); got != 200 {
		t.Errorf("with the log again: %d, want 200", got)
	}
	l.goAway()
	if got := r.status("GET", "/user/alice/api", as("carol")); got != 200 {
		t.Errorf("without it, seen by now: %d, want 200", got)
	}
}

// TestAnotherLifeOfARouteHasSeenNobody.
func TestAnotherLifeOfARouteHasSeenNobody(t *testing.T) {
	r, l := newReplicaRig(t)
	r.userServer(func(http.ResponseWriter, *http.Request) {})
	if got := r.status("GET", "/user/alice/api", as("bob")); got != 200 {
		t.Fatalf("before: %d, want 200", got)
	}
	r.userServer(func(http.ResponseWriter, *http.Request) {})
	l.goAway()
	if got := r.status("GET", "/user/alice/api", as("bob")); got != 503 {
		t.Errorf("on a new server's route: %d, want 503", got)
	}
}

// TestARouteThatTheHubPostedHereServesAll: it is what the Hub said last.
func TestARouteThatTheHubPostedHereServesAll(t *testing.T) {
	r, l := newReplicaRig(t)
	made := r.userServer(func(http.ResponseWriter, *http.Request) {})
	l.goAway()
	shared := route.NewShared(r.table, nil)
	shared.Attach(away{shared.Keep})
	again, err := route.New("/user/alice", made.TargetText+"/", made.Data, time.Now())
	if err == nil {
		err = shared.Add(t.Context(), again)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := r.status("GET", "/user/alice/api", as("bob")); got != 200 {
		t.Errorf("%d, want 200", got)
	}
}

// away is a log that is away: what is written stays here.
type away struct{ keep ledger.Keep }

func (a away) Write(_ context.Context, rec ledger.Record) error {
	rec.Unshared = true
	a.keep(rec)
	return nil
}
func (away) Sync(context.Context) error { return errAway }
func (away) MergeActivity(context.Context, map[string]int64) (map[string]int64, error) {
	return nil, errAway
}

// TestWhoObservesRefusesNobodyForWantOfALease.
func TestWhoObservesRefusesNobodyForWantOfALease(t *testing.T) {
	r, l := newReplicaRig(t, func(o *proxy.Options) { o.Observe = true })
	k := newKernel(t)
	r.userServer(k.ServeHTTP)
	l.goAway()
	bob, bobs := r.meet(k, "bob", as("bob"))
	bob.say("hello")
	if got := bobs.hear(); got != "hello" {
		t.Errorf("the server heard %q", got)
	}
	if got := r.metric(`share_proxy_connections{kind="socket",relation="guest"}`); got != "1" {
		t.Errorf("%q sockets of guests are observed, want 1", got)
	}
}

// ownLog is a log that nobody else writes, and that has no lease to speak of.
type ownLog struct{ *ledger.Memory }

func (ownLog) Fresh() authz.Instant { return authz.Instant(-time.Hour) }

// TestASingleProcessKnowsItsRoutes, and asks nobody whether it does.
func TestASingleProcessKnowsItsRoutes(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) {
		o.NewLedger = func(c authz.Clock, a ledger.Apply) ledger.Ledger {
			return ownLog{ledger.NewMemory(ledger.Options{Clock: c, Apply: a})}
		}
	})
	r.userServer(func(http.ResponseWriter, *http.Request) {})
	if got := r.status("GET", "/user/alice/api", as("bob")); got != 200 {
		t.Errorf("%d, want 200", got)
	}
}
