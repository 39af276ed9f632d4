package proxy_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// TestTheServerSeesTheTargetByteForByte: what was judged is what is forwarded.
func TestTheServerSeesTheTargetByteForByte(t *testing.T) {
	for name, tt := range map[string]struct{ target, want string }{
		"A04 an escaped slash behind the prefix": {"/user/alice/api/x/a%2Fb", "/user/alice/api/x/a%2Fb"},
		"A15 decoded at most once":               {"/user/alice/%252e%252e/bob", "/user/alice/%252e%252e/bob"},
		"A14 escaped bytes that are no UTF-8":    {"/user/alice/%ff%fe", "/user/alice/%ff%fe"},
		"raw UTF-8":                              {"/user/alice/秀樹?q=秀樹", "/user/alice/秀樹?q=秀樹"},
		"a quote and other odd bytes":            {`/user/alice/"a"<b>|{c}^` + "`", `/user/alice/"a"<b>|{c}^` + "`"},
		"an odd query":                           {"/user/alice/x?a=%zz&b=1;2&&=?/", "/user/alice/x?a=%zz&b=1;2&&=?/"},
		"an empty query":                         {"/user/alice/x?", "/user/alice/x?"},
		"A08 letters escaped in the prefix":      {"/%75ser/al%69ce/%61", "/user/alice/%61"},
		"params":                                 {"/user/alice/a;b=c,d:e@f!$&'()*+=~", "/user/alice/a;b=c,d:e@f!$&'()*+=~"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			heads := r.wireServer("HTTP/1.1 204 No Content\r\n\r\n")
			answer := r.raw("GET " + tt.target + " HTTP/1.1\r\nHost: HOST\r\n" + as("alice") + "\r\nConnection: close\r\n\r\n")
			if statusOf(answer) != "204" {
				t.Fatalf("answer %q", answer)
			}
			line, _, _ := strings.Cut(await(t, heads, "the request arrives"), "\r\n")
			if line != "GET "+tt.want+" HTTP/1.1" {
				t.Errorf("the server saw %q, want the target %q", line, tt.want)
			}
		})
	}
}

// TestAnAmbiguousTargetReachesNobody: whoever asks.
func TestAnAmbiguousTargetReachesNobody(t *testing.T) {
	r := newRig(t)
	reached := make(chan string, 100)
	r.userServer(func(_ http.ResponseWriter, req *http.Request) { reached <- req.RequestURI })
	r.hub.on(func(_ http.ResponseWriter, req *http.Request) { reached <- req.RequestURI })
	for _, target := range []string{
		"/user/alice/../bob/", "/user/alice/%2e%2e/bob/", "/user/alice/.%2E/bob/", "/user/alice/..%2fbob/", "/user/alice/..;/bob",
		"//user/alice/lab", "/user//alice/", `/user\alice/`, `/user/alice/..\bob`, "/user/alice/%5c..",
		"/user/alice/%00", "/user/alice/%0d%0aX:1", "/user/alice/%7f", "/user/alice/%", "/user/alice/%zz",
		"/user/bob#/../alice", "/hub/../user/alice/", "/hub/%2e%2e/user/alice",
		"/user%2falice/", "/user/alice%2f", "/user%2Falice%2Flab",
		"http://evil/user/alice/", "http://HOST/user/alice/", "file:///etc/passwd", "http://u:p@HOST/user/alice/", "*",
		"http://[::1%25a]/user/alice/",
	} {
		answer := r.raw("GET " + target + " HTTP/1.1\r\nHost: HOST\r\n" + as("alice") + "\r\nConnection: close\r\n\r\n")
		if got := statusOf(answer); got != "400" {
			t.Errorf("%s: %s, want 400", target, got)
		}
	}
	if got := statusOf(r.raw("GET /" + strings.Repeat("a", 60_000) + " HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n")); got != "414" {
		t.Errorf("B27 a target of 60 kB: %s, want 414", got)
	}
	if len(reached) > 0 {
		t.Errorf("%d requests reached somebody, the first for %s", len(reached), <-reached)
	}
}

// TestWhoseServerItIsComesFromTheRouteAlone: segments are compared whole, and
// a grant for one server is none for another (A22, A25, G04, G08, H17).
func TestWhoseServerItIsComesFromTheRouteAlone(t *testing.T) {
	r := newRig(t)
	r.userServer(func(http.ResponseWriter, *http.Request) {})
	r.route("/user/alice/nb2", "http://127.0.0.1:1", `"user":"alice","server_name":"nb2"`)
	r.route("/user/alice2", "http://127.0.0.1:1", `"user":"alice2","server_name":""`)
	r.route("/user/a", "http://127.0.0.1:1", `"user":"a","server_name":"b"`)
	r.route("/user/a-b", "http://127.0.0.1:1", `"user":"a-b","server_name":""`)
	r.route("/user/nobody", "http://127.0.0.1:1", `"user":null,"server_name":""`)
	r.hub.answer("group", authz.Answer{Kind: authz.KindUser, Name: "bob", Access: []string{"access:servers!group=g"}})
	r.hub.set("a-b", "bob", "s-bob", "access:servers!server=a/b")
	for _, tt := range []struct {
		path, token string
		want        int
	}{
		{"/user/alice/lab", "alice", 200},
		{"/user/alice/nb22/", "alice", 200}, // below the default server
		{"/user/alice/nb2/", "alice", 403},
		{"/user/alice2/", "alice", 403},
		{"/user/a/", "a-b", 503}, // allowed: there is no server
		{"/user/a-b/", "a-b", 403},
		{"/user/nobody/", "alice", 403},
		{"/user/alice/", "group", 403},
	} {
		if got := r.status("GET", tt.path, as(tt.token)); got != tt.want {
			t.Errorf("%s with the token %s: %d, want %d", tt.path, tt.token, got, tt.want)
		}
	}
}
