package proxy_test

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy"
)

// TestNoSecretIsWrittenDown plays everything that can go right and wrong with
// secrets in every place that a request has, with the log at its most
// talkative, and looks for them in the log and in the metrics.
func TestNoSecretIsWrittenDown(t *testing.T) {
	const secret = "S3CR3T" // part of every token, cookie, query and code below
	target, err := url.Parse("http://127.0.0.1:1/hub/error")
	if err != nil {
		t.Fatal(err)
	}
	var log syncBuffer
	r := newRig(t, func(o *proxy.Options) {
		o.ErrorTarget = target
		o.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	for token, user := range map[string]string{"alice": "alice", "bob": "bob", "dave": "dave"} {
		r.hub.set(secret+token, user, secret+"-session-"+user)
	}
	const access = "access:servers!server=alice/"
	r.hub.set(secret+"alice", "alice", secret+"-session-alice", access)
	r.hub.set(secret+"bob", "bob", secret+"-session-bob", access)
	k := newKernel(t)
	r.userServer(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case req.Header.Get("Upgrade") != "":
			k.ServeHTTP(w, req)
		case strings.HasSuffix(req.URL.Path, "/lab"):
			http.Redirect(w, req, "/hub/api/oauth2/authorize?state="+secret, http.StatusFound)
		case strings.HasSuffix(req.URL.Path, "/dies"):
			panic(http.ErrAbortHandler)
		}
	})
	r.route("/user/gone", "http://127.0.0.1:1", `"user":"alice","server_name":"gone"`)
	r.hub.set(secret+"gone", "alice", secret+"-session-gone", "access:servers!server=alice/gone")

	// A login, and what goes right.
	r.do("GET", "/user/alice/lab?next="+secret, navigate)
	r.do("GET", "/user/alice/oauth_callback?code="+secret+"&state="+secret, navigate, "Cookie: jupyterhub-user-alice-oauth-state="+secret)
	for _, fields := range [][]string{
		{as(secret + "bob")}, {cookie(secret + "bob")}, {as(secret + "nobody")}, {as(secret + "dave"), navigate}, nil,
		{"Authorization: Basic " + secret}, {"Cookie: jupyterhub-user-alice=" + secret + "; jupyterhub-session-id=" + secret},
	} {
		r.do("GET", "/user/alice/api?token="+secret+"bob&x="+secret, fields...)
	}
	// What goes wrong: upstreams, routes, malformed requests.
	r.do("GET", "/user/alice/dies?q="+secret, as(secret+"alice"))
	r.do("GET", "/user/gone/x?token="+secret, as(secret+"gone"))
	r.do("GET", "/user/gone/"+secret, as(secret+"gone"), navigate)
	_, _ = r.handshake("/user/gone/"+secret+"?token="+secret+"gone", "Sec-Fetch-Mode: websocket")
	for _, request := range []string{
		"GET /user/alice/../" + secret + "?" + secret + " HTTP/1.1\r\nHost: HOST\r\n",
		"GET /%zz" + secret + " HTTP/1.1\r\nHost: HOST\r\n",
		"GET http://u:" + secret + "@HOST/ HTTP/1.1\r\nHost: HOST\r\n",
		"GET /user/alice/ HTTP/1.1\r\nHost: HOST\r\nAuthorization: token " + secret + "\r\n" + as(secret) + "\r\n",
		"GET /user/alice/ HTTP/1.1\r\nHost: " + secret + ",b\r\n",
		"GET /user/alice/ HTTP/1.1\r\nHost: HOST\r\nCookie : " + secret + "\r\n",
		"GET /user/alice/ HTTP/1.1\r\nHost: HOST\r\nBad Name: " + secret + "\r\n",
		"GET /user/alice/ HTTP/1.1\r\nHost: HOST\r\nX-Forwarded-For: " + secret + "\r\n",
		"POST /user/alice/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: " + secret + "\r\n",
	} {
		_ = r.raw(request + "Connection: close\r\n\r\n")
	}
	// A socket, a revocation, a logout, a Hub that breaks off and is away.
	bob := r.open("/user/alice/api/kernels/1?token="+secret+"bob", "Sec-Fetch-Mode: websocket")
	k.next()
	alice := r.open("/user/alice/api/kernels/1?session_id="+secret, cookie(secret+"alice"))
	k.next()
	r.hub.does(func(h *fakeHub) { h.set(secret+"bob", "bob", secret+"-session-bob") }, http.StatusNoContent)
	r.do("PATCH", "/hub/api/shares/alice/?code="+secret, as(secret+"alice"))
	bob.rest()
	r.hub.does(func(h *fakeHub) { h.forget(secret + "alice") }, http.StatusFound)
	r.do("GET", "/hub/logout?next="+secret, "Cookie: jupyterhub-session-id="+secret+"-session-alice")
	alice.rest()
	r.do("POST", "/hub/accept-share?code="+secret)
	r.hub.on(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	r.do("DELETE", "/hub/api/users/dave/tokens/"+secret, as(secret+"dave"))
	r.do("GET", "/hub/api/users?q="+secret, as(secret+"dave"))
	r.hub.goAway(errAway)
	r.do("GET", "/user/alice/api?q="+secret, as(secret+"first-seen"))
	r.remove("/")
	r.do("GET", "/nowhere/"+secret+"?token="+secret)
	log.waitFor(t, `"route_class":"none","status":404`)

	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, secret) {
			t.Errorf("the log says: %s", line)
		}
	}
	for _, line := range r.exposition() {
		if strings.Contains(line, secret) {
			t.Errorf("a metric says: %s", line)
		}
	}
	for _, part := range []string{ // so that it is known to have been played
		`"audit":true`, `"cause":"revoked"`, `"cause":"signed_out"`, `"outcome":"unclear"`, `"refused":"malformed"`, `"refused":"upstream"`,
		`"refused":"no_decision"`, `"refused":"no_route"`, `"refused":"no_scope"`, `"refused":"unknown_credential"`, `"credential":"query"`,
		`"credential":"cookie"`, `"credential":"header"`,
	} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("nothing in the log says %s", part)
		}
	}
}
