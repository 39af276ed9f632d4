package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/route"
)

// TestObserving decides and counts, refuses nobody and cuts nothing.
func TestObserving(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) { o.Observe = true; o.HoldLimit = guests })
	r.userServer(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.WriteString(w, req.Header.Get("Authorization"))
	})
	for name, fields := range map[string][]string{"no share": {as("dave")}, "unknown": {as("nobody")}, "nobody": nil} {
		if got := r.status("GET", "/user/alice/api", fields...); got != 200 {
			t.Errorf("%s: %d, want 200", name, got)
		}
	}
	r.hub.goAway(errAway)
	res := r.do("GET", "/user/alice/api", as("carol"))
	if body, _ := io.ReadAll(res.Body); res.StatusCode != 200 || string(body) != "token carol" {
		t.Errorf("without the Hub: %d, the server saw the credential %q, want 200 and her own", res.StatusCode, body)
	}
	answer := r.raw("GET /user/alice/../bob HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n")
	if got := statusOf(answer); got != "400" {
		t.Errorf("a malformed request: %s, want 400 all the same", got)
	}
}

// TestObservingCutsNothing: a socket goes on when its right ends, by a call, by
// a change inside the Hub, because the Hub is away, or with the route.
func TestObservingCutsNothing(t *testing.T) {
	for name, end := range map[string]func(*rig){
		"a call": func(r *rig) {
			r.hub.does(unshare, http.StatusNoContent)
			res := r.do("PATCH", "/hub/api/shares/alice/")
			if said := res.Header.Get("Share-Proxy-Cut"); res.StatusCode != http.StatusNoContent || said != "" {
				r.t.Errorf("the caller was told %d %q, want the Hub's answer alone: nothing was cut", res.StatusCode, said)
			}
			r.log.waitFor(r.t, `"outcome":"changed","sockets":0`)
		},
		"a change inside the Hub": func(r *rig) { unshare(r.hub) },
		"the Hub is away":         func(r *rig) { r.hub.goAway(errAway) },
		"the end of the route": func(r *rig) {
			if found, err := r.table.Remove(r.t.Context(), "/user/alice"); !found || err != nil {
				r.t.Fatal("the route was not there", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(o *proxy.Options) { o.Observe = true; o.HoldLimit = guests })
			k := newKernel(t)
			r.userServer(k.ServeHTTP)
			bob, bobs := r.meet(k, "bob", as("bob"))
			end(r)
			bob.quiet(2 * guests) // its answer is too old now
			for range 3 {
				bob.say("message")
				if got := bobs.hear(); got != "message" {
					t.Fatalf("the server heard %q", got)
				}
			}
			if log := r.log.String(); strings.Contains(log, `"msg":"exchange cut"`) {
				t.Errorf("something was cut:\n%s", log)
			}
		})
	}
}

// TestObservingSaysWhatItWouldRefuse in the log and in the metrics.
func TestObservingSaysWhatItWouldRefuse(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) { o.Observe = true })
	r.userServer(func(http.ResponseWriter, *http.Request) {})
	r.status("GET", "/user/alice/api", as("dave"))
	r.log.waitFor(t, `"allow":false,"reason":"no_scope"`)
	if n := r.metric(`share_proxy_decisions_total{decision="deny",reason="no_scope",relation="guest"}`); n != "1" {
		t.Errorf("it was counted %q times, want 1", n)
	}
}

// lateRoute leads everybody to one route, as if each had been found just before
// the route ended.
type lateRoute struct{ to *route.Route }

func (l *lateRoute) Match(string, []string) (*route.Route, int, error) { return l.to, 2, nil }

// TestARequestOnARouteThatHasJustEnded is refused, and while observing passes as
// far as the server still answers.
func TestARequestOnARouteThatHasJustEnded(t *testing.T) {
	for observe, want := range map[bool]int{false: http.StatusServiceUnavailable, true: http.StatusOK} {
		late := &lateRoute{}
		r := newRig(t, func(o *proxy.Options) { o.Observe, o.Routes = observe, late })
		late.to = r.userServer(func(http.ResponseWriter, *http.Request) {})
		if _, err := r.table.Remove(t.Context(), "/user/alice"); err != nil {
			t.Fatal(err)
		}
		if got := r.status("GET", "/user/alice/api", as("alice")); got != want {
			t.Errorf("observing %v: status %d, want %d", observe, got, want)
		}
	}
}
