package routeapi

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestDataIsShownAsItWasPosted(t *testing.T) {
	a := newAPI(nil)
	a.call("POST", "/api/routes/user/alice", `{"target":"HTTP://127.0.0.1:8888","x":{"y":[1.50,"<&>"]},"last_activity":"never"}`)
	want := map[string]any{
		"target":        "HTTP://127.0.0.1:8888",
		"x":             map[string]any{"y": []any{1.5, "<&>"}},
		"last_activity": "2026-11-21T17:02:44.175Z",
	}
	kept, _ := a.table.Get("/user/alice")
	if len(kept.Data) != 1 {
		t.Errorf("data besides the target = %v, want x alone", kept.Data)
	}
	one := a.call("GET", "/api/routes/user/alice/", "")
	if !strings.Contains(one.Body.String(), `[1.50,"<&>"]`) {
		t.Errorf("values are not verbatim: %s", one.Body)
	}
	if got := shown(t, one); !reflect.DeepEqual(got, want) {
		t.Errorf("GET of one = %v, want %v", got, want)
	}
	for _, target := range []string{"/api/routes", "/api/routes/", "/api/routes?inactiveSince="} {
		if got := shown(t, a.call("GET", target, "")); !reflect.DeepEqual(got, map[string]any{"/user/alice": want}) {
			t.Errorf("GET %s = %v", target, got)
		}
	}
}

func TestHostIsShownWithHostRouting(t *testing.T) {
	a := newAPI(func(o *Options) { o.HostRouting = true })
	a.call("POST", "/api/routes/", `{"target":"http://hub:8081"}`)
	a.call("POST", "/api/routes/alice.hub.example/user/alice", `{"target":"http://a","host":"forged"}`)
	all := shown(t, a.call("GET", "/api/routes", ""))
	if got := all["/alice.hub.example/user/alice"].(map[string]any)["host"]; got != "alice.hub.example" {
		t.Errorf("host = %v, want alice.hub.example", got)
	}
	if _, ok := all["/"].(map[string]any)["host"]; ok {
		t.Error("the root has a host")
	}
}

func TestInactiveSince(t *testing.T) {
	a := newAPI(nil)
	a.call("POST", "/api/routes/old", `{"target":"http://a"}`)
	a.call("POST", "/api/routes/new", `{"target":"http://a"}`)
	r, _ := a.table.Get("/new")
	r.Touch(now.Add(time.Hour))
	for _, tt := range []struct {
		query string
		want  int
	}{
		{"inactiveSince=2026-11-21T17:02:44.175Z", 0}, // strictly earlier
		{"inactiveSince=2026-11-21T17:02:44.176Z", 1},
		{"inactive_since=2026-11-21T17:30:00Z", 1},
		{"inactiveSince=2026-11-21T18:30:00%2B01:00", 1},
		{"inactiveSince=2026-11-21T17:30", 1},
		{"inactiveSince=2026-11-22", 2},
		{"inactiveSince=2026-11-22&inactive_since=2000-01-01", 2},
		{"inactiveSince=Sat,%2021%20Nov%202026%2017:30:00%20GMT", 1},
	} {
		if got := len(shown(t, a.call("GET", "/api/routes?"+tt.query, ""))); got != tt.want {
			t.Errorf("%s shows %d routes, want %d", tt.query, got, tt.want)
		}
	}
}
