package route

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

var start = time.Date(2026, 11, 21, 17, 2, 44, 175_900_000, time.UTC)

// mustNew makes a route from its data as JSON.
func mustNew(t testing.TB, path, target, data string) *Route {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(data), &fields); err != nil {
		t.Fatal(err)
	}
	r, err := New(path, target, fields, start)
	if err != nil {
		t.Fatalf("New(%q, %q): %v", path, target, err)
	}
	return r
}

func TestClassAndServerComeFromTheData(t *testing.T) {
	server := func(owner authz.User, name authz.ServerName) authz.Server {
		return authz.Server{Owner: owner, Name: name}
	}
	for _, tt := range []struct {
		name, data string
		class      Class
		server     authz.Server
	}{
		{"default server", `{"user":"alice","server_name":""}`, ClassServer, server("alice", "")},
		{"named server", `{"jupyterhub":true,"user":"a b","server_name":"nb2"}`, ClassServer, server("a b", "nb2")},
		{"hub", `{"hub":true,"jupyterhub":true}`, ClassHub, authz.Server{}},
		{"service", `{"service":"x"}`, ClassService, authz.Server{}},
		{"extra route", `{"extra":true}`, ClassOther, authz.Server{}},
		{"no data", `{}`, ClassOther, authz.Server{}},
		{"hub that is not true", `{"hub":"true"}`, ClassOther, authz.Server{}},
		{"service without a name", `{"service":""}`, ClassOther, authz.Server{}},

		// Nobody's: what looks like a server but is not understood is denied.
		{"no server_name", `{"user":"alice"}`, ClassServer, authz.Server{}},
		{"no user", `{"server_name":""}`, ClassServer, authz.Server{}},
		{"empty user", `{"user":"","server_name":"x"}`, ClassServer, authz.Server{}},
		{"null user", `{"user":null,"server_name":""}`, ClassServer, authz.Server{}},
		{"null server_name", `{"user":"alice","server_name":null}`, ClassServer, authz.Server{}},
		{"user that is no string", `{"user":["alice"],"server_name":""}`, ClassServer, authz.Server{}},
		{"server_name that is no string", `{"user":"alice","server_name":1}`, ClassServer, authz.Server{}},
		{"hub that claims a user", `{"hub":true,"user":"alice"}`, ClassServer, authz.Server{}},
		{"service that claims a user", `{"service":"x","user":"alice","server_name":""}`, ClassServer, server("alice", "")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := mustNew(t, "/x", "http://127.0.0.1:1", tt.data)
			if r.Class != tt.class || r.Server != tt.server {
				t.Errorf("class %v, server %+v; want %v, %+v", r.Class, r.Server, tt.class, tt.server)
			}
		})
	}
	if c := Class(0); c != ClassServer || c.String() != "server" {
		t.Errorf("the zero Class is %v, want server", c)
	}
}

func TestNewTakesOnlyTargetsThatARequestCanBeSentTo(t *testing.T) {
	for _, target := range []string{
		"http://127.0.0.1:8081", "https://hub", "HTTP://hub:80/prefix?x=1", "http://[::1]:8081/",
	} {
		if _, err := New("/", target, nil, start); err != nil {
			t.Errorf("%q refused: %v", target, err)
		}
	}
	for _, target := range []string{
		"", "notaurl", "/path", "//host/path", "http://", "http:///path", "http://:80", "http:opaque",
		"ftp://host", "http+unix://%2Frun%2Fx", "unix+http://%2Frun%2Fx", "http://u:p@host", "http://u@host",
		"http://host:0", "http://host:65536", "http://host:x", "http://host/#f", "http://host/#", "http://ho st", "http://host/%zz",
	} {
		r, err := New("/", target, nil, start)
		if !errors.Is(err, ErrTarget) || r != nil {
			t.Errorf("%q: error = %v, want %v", target, err, ErrTarget)
		}
	}
}

func TestKey(t *testing.T) {
	for _, tt := range [][2]string{
		{"", "/"}, {"/", "/"}, {"//", "/"}, {"a", "/a"}, {"/a", "/a"}, {"/a/", "/a"}, {"/a//", "/a"}, {"/a//b/", "/a//b"},
	} {
		if got := Key(tt[0]); got != tt[1] {
			t.Errorf("Key(%q) = %q, want %q", tt[0], got, tt[1])
		}
	}
}

func TestActivityNeverGoesBack(t *testing.T) {
	r := mustNew(t, "/x", "http://a:1", `{}`)
	want := start.Truncate(time.Millisecond)
	if got := r.LastActivity(); got != want {
		t.Errorf("after New: %v, want %v", got, want)
	}
	r.Touch(start.Add(time.Second))
	r.Touch(start)
	if got := r.LastActivity(); got != want.Add(time.Second) {
		t.Errorf("after Touch: %v, want %v", got, want.Add(time.Second))
	}
}
