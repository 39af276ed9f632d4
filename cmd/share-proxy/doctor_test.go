package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// fakeRoutes is a route API with one table.
func fakeRoutes(t *testing.T, token, table string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token != "" && r.Header.Get("Authorization") != "token "+token {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if r.URL.Path != "/api/routes" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, table)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// fakeHub is a Hub's API under prefix that says version.
func fakeHub(t *testing.T, prefix, version string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() != prefix+"/hub/api/" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, `{"version": "`+version+`"}`)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestDoctor(t *testing.T) {
	const table = `{"/": {"hub": true, "target": "http://127.0.0.1:1"}, "/user/a": {"target": "http://127.0.0.1:1"}}`
	routes := fakeRoutes(t, planted, table)
	open := fakeRoutes(t, "", table)
	noAPI := fakeRoutes(t, planted, "<html>")
	hub551, old, next := fakeHub(t, "", "5.5.1"), fakeHub(t, "", "5.5.0"), fakeHub(t, "", "6.0.0b2")
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	token := "CONFIGPROXY_AUTH_TOKEN=" + planted

	for _, test := range []struct {
		name    string
		api     string // address of the route API
		environ []string
		code    int
		want    string // a line that is there
	}{
		{"all is well", routes, []string{token, "JUPYTERHUB_API_URL=" + hub551 + "/hub/api"}, 0, "ok       route API: 2 routes"},
		{"the Hub's version", routes, []string{token, "JUPYTERHUB_API_URL=" + hub551 + "/hub/api"}, 0, "ok       hub: 5.5.1 at " + hub551},
		{"the next major version", routes, []string{token, "JUPYTERHUB_API_URL=" + next + "/hub/api"}, 0, "ok       hub: 6.0.0b2"},
		{"an old Hub is a warning", routes, []string{token, "JUPYTERHUB_API_URL=" + old + "/hub/api"}, 0, "GHSA-c4gm-pwx9-9w8j"},
		{"a Hub that is away", routes, []string{token, "JUPYTERHUB_API_URL=" + gone.URL + "/hub/api"}, 1, "fault    hub: no version from " + gone.URL},
		{"something else than a Hub", routes, []string{token, "JUPYTERHUB_API_URL=" + hub551 + "/elsewhere"}, 1, "fault    hub: no version"},
		{"a Hub that its route tells", routes, []string{token}, 1, "fault    hub: no version from http://127.0.0.1:1/hub/api"},
		{"a route API with another token", routes, []string{"CONFIGPROXY_AUTH_TOKEN=other"}, 1, "fault    route API: refuses CONFIGPROXY_AUTH_TOKEN"},
		{"a route API whose token is not known", routes, nil, 1, "fault    route API: wants a token"},
		{"a route API that is away", gone.Listener.Addr().String(), []string{token}, 1, "fault    route API: no answer at " + gone.Listener.Addr().String()},
		{"a Hub that nothing tells", gone.Listener.Addr().String(), []string{token}, 1, "fault    hub: where it is is not known"},
		{"something else than a route API", noAPI, []string{token}, 1, "fault    route API: no answer"},
		{"a route API without its token", open, []string{token}, 1, "fault    route API: answers without the token"},
		{"no token at all", open, nil, 1, "fault    route API: CONFIGPROXY_AUTH_TOKEN is not set"},
		{"a bad setting", routes, []string{token, "SHARE_PROXY_ENFORCE=flase"}, 1, "fault    settings: SHARE_PROXY_ENFORCE: "},
		{"a second bad setting", routes, []string{token, "SHARE_PROXY_ENFORCE=flase", "SHARE_PROXY_DRAIN=x"}, 1, "fault    settings: SHARE_PROXY_DRAIN: "},
		{"a legal setting to think about", routes, []string{token, "JUPYTERHUB_API_URL=" + hub551 + "/hub/api", "SHARE_PROXY_ENFORCE=observe"}, 0, "warning  settings: SHARE_PROXY_ENFORCE is observe"},
		{"TLS that ends elsewhere", routes, []string{token, "JUPYTERHUB_API_URL=" + hub551 + "/hub/api", "JUPYTERHUB_PUBLIC_HUB_URL=https://hub.example.org/hub/"}, 0, "warning  forwarding headers"},
		{"TLS that ends elsewhere and is trusted", routes, []string{token, "JUPYTERHUB_API_URL=" + hub551 + "/hub/api",
			"JUPYTERHUB_PUBLIC_URL=https://hub.example.org/", "SHARE_PROXY_TRUSTED_PROXIES=10.0.0.0/8"}, 0, "ok       forwarding headers: believed from [10.0.0.0/8]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			host, port, err := net.SplitHostPort(test.api)
			if err != nil {
				t.Fatal(err)
			}
			got := runWith(t, test.environ, "share-proxy", "doctor", "--api-ip", host, "--api-port", port)
			if got.code != test.code || !strings.Contains(got.stdout, test.want) {
				t.Errorf("doctor = %+v, want code %d and %q", got, test.code, test.want)
			}
			if faults := strings.Contains(got.stdout, "fault  "); faults != (test.code == 1) {
				t.Errorf("faults shown: %v, exit code %d:\n%s", faults, got.code, got.stdout)
			}
			if strings.Contains(got.stdout+got.stderr, planted) {
				t.Errorf("the token is printed: %+v", got)
			}
		})
	}
}

func TestHubOfRoutes(t *testing.T) {
	for _, test := range []struct {
		name, path, target string
		hosts              bool
		want               string
	}{
		{"at the root", "/", "http://hub:8081", false, "http://hub:8081/hub/api"},
		{"under a base URL", "/base", "http://hub:8081", false, "http://hub:8081/base/hub/api"},
		{"under its own prefix", "/base/hub/", "http://hub:8081", false, "http://hub:8081/base/hub/api"},
		{"under a base URL with odd letters", "/@/space word/", "http://hub", false, "http://hub/@/space%20word/hub/api"},
		{"under a base URL that looks escaped", "/a%41", "http://hub", false, "http://hub/a%2541/hub/api"},
		{"with host routing", "/hub.example.org", "http://hub:8081", true, "http://hub:8081/hub/api"},
		{"with host routing and a base URL", "/hub.example.org/base", "http://hub:8081", true, "http://hub:8081/base/hub/api"},
		{"a target that is none", "/", "hub", false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			if u := hubOfRoutes(map[string]routeData{"/user/x": {Target: "http://u"}, test.path: {Target: test.target, Hub: true}}, test.hosts); u != nil {
				got = u.String()
			}
			if got != test.want {
				t.Errorf("hubOfRoutes(%q, %q) = %q, want %q", test.path, test.target, got, test.want)
			}
		})
	}
}

func TestAtLeast(t *testing.T) {
	for version, want := range map[string]bool{
		"5.5.1": true, "5.5.2": true, "5.6.0": true, "5.10.0": true, "6.0.0b2": true, "5.5.1.dev": true, "5.5.1rc1": true,
		"5.5.0": false, "5.4.9": false, "4.9.9": false, "5.5": false, "5": false, "": false, "x.y.z": false,
	} {
		if got := atLeast(version, 5, 5, 1); got != want {
			t.Errorf("atLeast(%q, 5, 5, 1) = %v, want %v", version, got, want)
		}
	}
}
