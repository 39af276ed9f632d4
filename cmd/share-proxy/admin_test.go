package main

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAdminServesThreePaths(t *testing.T) {
	reg, err := newRegistry()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, method, path string
		ready              bool
		status             int
		body               string
	}{
		{"alive", "GET", "/livez", true, 200, "ok"},
		{"alive though not ready", "GET", "/livez", false, 200, "ok"},
		{"ready", "GET", "/readyz", true, 200, "ok"},
		{"not ready", "GET", "/readyz", false, 503, "not ready"},
		{"metrics", "GET", "/metrics", true, 200, "go_build_info"},
		{"a probe by HEAD", "HEAD", "/readyz", true, 200, ""},
		{"no profiles", "GET", "/debug/pprof/", true, 404, ""},
		{"no variables", "GET", "/debug/vars", true, 404, ""},
		{"no index", "GET", "/", true, 404, ""},
		{"nothing below", "GET", "/metrics/x", true, 404, ""},
		{"only reading", "POST", "/metrics", true, 405, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			adminHandler(func() bool { return test.ready }, reg).ServeHTTP(w, httptest.NewRequest(test.method, test.path, nil))
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.body) {
				t.Errorf("%s %s = %d, want %d and %q", test.method, test.path, w.Code, test.status, test.body)
			}
		})
	}
}
