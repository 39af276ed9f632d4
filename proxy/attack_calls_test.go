package proxy_test

import (
	"net/http"
	"strings"
	"testing"
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
