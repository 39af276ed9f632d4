package proxy_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestACallThatFoundNoHubDisturbsNobody: while the Hub is away anybody could
// otherwise hold everybody, and end the grace of owners, by calls that nobody
// got.
func TestACallThatFoundNoHubDisturbsNobody(t *testing.T) {
	r := newRig(t)
	r.userServer(func(http.ResponseWriter, *http.Request) {})
	if got := r.status("GET", "/user/alice/", as("alice")); got != http.StatusOK {
		t.Fatalf("alice got %d before", got)
	}
	r.hub.server.Close()
	r.hub.goAway(errAway)
	for _, call := range []string{"PATCH /hub/api/users/alice", "DELETE /hub/api/shares/alice/", "DELETE /hub/api/users/alice/server"} {
		method, path, _ := strings.Cut(call, " ")
		if got := r.status(method, path); got != http.StatusServiceUnavailable {
			t.Errorf("%s: %d, want 503: there is no hub", call, got)
		}
	}
	if got := r.status("GET", "/user/alice/", as("alice")); got != http.StatusOK {
		t.Errorf("alice got %d after a stranger's calls, want 200: her answer is young", got)
	}
	if strings.Contains(r.log.String(), "change seen") {
		t.Error("a call that nobody got was taken for a change of access")
	}
}

// TestAFloodOfLogoutsDoesNotKeepASessionHeld: the cookie with the session is
// not signed, and every server that a visitor uses sees it.
func TestAFloodOfLogoutsDoesNotKeepASessionHeld(t *testing.T) {
	const calls = 40
	r := newRig(t)
	r.userServer(echo(nil))
	s := r.open("/user/alice/api/events", as("bob"))
	asked := r.hub.count("bob")
	var flood sync.WaitGroup
	for range calls {
		flood.Go(func() {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.addr+"/hub/logout", nil)
			req.Header.Set("Cookie", "jupyterhub-session-id=s-bob")
			res, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Error(err)
				return
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusNoContent || res.Header.Get("Share-Proxy-Cut") == "" {
				t.Errorf("a logout got %d %v", res.StatusCode, res.Header)
			}
		})
	}
	flood.Wait()
	if n := r.hub.count("bob") - asked; n == 0 || n > calls/4 {
		t.Errorf("%d logouts made the proxy ask %d times, want some few", calls, n)
	}
	s.say("still here")
	if got := s.hear(); got != "still here" {
		t.Errorf("bob's socket heard %q", got)
	}
}

// TestManyUnclearCallsAreAskedForAsOne: a Hub that fails must not be asked the
// more, the more often strangers call it.
func TestManyUnclearCallsAreAskedForAsOne(t *testing.T) {
	r := newRig(t)
	r.userServer(echo(nil))
	r.open("/user/alice/api/events", as("bob"))
	r.hub.on(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	for range 20 {
		if got := r.status("PATCH", "/hub/api/shares/alice/"); got != http.StatusInternalServerError {
			t.Fatalf("status %d, want the Hub's 500", got)
		}
	}
	const times = 6
	began, first := time.Now(), r.hub.count("bob")
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for r.hub.count("bob")-first < times {
		<-tick.C
	}
	if took := time.Since(began); took < (times-2)*bound {
		t.Errorf("asked %d times within %v, want once every %v", times, took, bound)
	}
}
