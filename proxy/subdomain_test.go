package proxy_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/route"
)

// TestALoginWhereEveryUserHasAHost: the Hub is on another host than the server
// then (c.JupyterHub.subdomain_host).
func TestALoginWhereEveryUserHasAHost(t *testing.T) {
	table := route.NewTable(true)
	r := newRig(t, func(o *proxy.Options) { o.Hosts, o.Routes = true, table })
	location := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", location)
		w.WriteHeader(http.StatusFound)
	}))
	t.Cleanup(server.Close)
	alice, err := route.New("/alice.hub.example/user/alice", server.URL,
		map[string]json.RawMessage{"user": json.RawMessage(`"alice"`), "server_name": json.RawMessage(`""`)}, time.Now())
	if err == nil {
		err = table.Add(t.Context(), alice)
	}
	if err != nil {
		t.Fatal(err)
	}
	for where, want := range map[string]int{
		"http://hub.example/hub/api/oauth2/authorize?client_id=x":   http.StatusFound,
		"http://alice.hub.example/user/alice/oauth_callback?code=1": http.StatusFound,
		"http://hub.example/user/alice/secret":                      http.StatusForbidden,
		"http://evil.example/hub/api/oauth2/authorize?client_id=x":  http.StatusForbidden,
		"http://bob.hub.example/hub/api/oauth2/authorize":           http.StatusForbidden,
	} {
		location = where
		if got := statusAt(t, r, "alice.hub.example", "/user/alice/lab"); got != want {
			t.Errorf("a redirect to %s: status %d, want %d", where, got, want)
		}
	}
}

// statusAt navigates to a path of a host, without a credential.
func statusAt(t *testing.T, r *rig, host, path string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}
