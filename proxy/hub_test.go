package proxy_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestACallThatTheHubRefusesDisturbsNobody: anybody may send one.
func TestACallThatTheHubRefusesDisturbsNobody(t *testing.T) {
	r := newRig(t)
	k := newKernel(t)
	r.userServer(k.ServeHTTP)
	bob, bobs := r.meet(k, "bob", as("bob"))
	stop := chatter(bob, bobs)
	asked := r.hub.count("bob")
	r.hub.does(func(*fakeHub) {}, http.StatusForbidden)
	for _, path := range []string{"/hub/api/shares/alice/", "/hub/api/users/bob", "/hub/api/users/alice/server", "/hub/api/groups/team"} {
		res := r.do("DELETE", path)
		if got := res.Header.Get("Share-Proxy-Cut"); res.StatusCode != 403 || got != "" {
			t.Errorf("DELETE %s: %d %q, want the Hub's 403 and nothing else", path, res.StatusCode, got)
		}
	}
	if n, err := stop(); err != nil || n == 0 {
		t.Errorf("%d messages, %v; want all of them", n, err)
	}
	if n := r.hub.count("bob") - asked; n > 1 { // one for its age
		t.Errorf("strangers made the proxy ask %d times", n)
	}
	if strings.Contains(r.log.String(), "exchanges held") {
		t.Error("something was held")
	}
}

// TestACallThatNeverReachedTheHubWholeDisturbsNobody: its sender broke off.
func TestACallThatNeverReachedTheHubWholeDisturbsNobody(t *testing.T) {
	r := newRig(t)
	k := newKernel(t)
	r.userServer(k.ServeHTTP)
	r.meet(k, "bob", as("bob"))
	came, over := make(chan struct{}), make(chan struct{})
	r.hub.on(func(_ http.ResponseWriter, req *http.Request) {
		defer close(over)
		close(came)
		_, _ = io.Copy(io.Discard, req.Body) // the Hub reads a body before it acts
	})
	conn := r.dial()
	_, _ = io.WriteString(conn, "PATCH /hub/api/shares/alice/ HTTP/1.1\r\nHost: "+r.addr+"\r\nContent-Length: 1000\r\n\r\n{")
	await(t, came, "the call reaches the Hub")
	_ = conn.Close()
	await(t, over, "the Hub gives up")
	r.log.waitFor(t, `"route_class":"hub"`)
	if log := r.log.String(); strings.Contains(log, "exchanges held") || strings.Contains(log, "change seen") {
		t.Errorf("half a call was taken for a change of access:\n%s", log)
	}
}

// TestAfterAnUnclearAnswerTheHubIsAsked: held until then, and the caller gets
// its answer.
func TestAfterAnUnclearAnswerTheHubIsAsked(t *testing.T) {
	for _, tt := range []struct {
		name string
		call http.HandlerFunc
		want int
	}{
		{"the Hub fails", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, 500},
		{"the Hub breaks off", func(w http.ResponseWriter, _ *http.Request) {
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_ = conn.Close()
			}
		}, 503},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			k := newKernel(t)
			r.userServer(k.ServeHTTP)
			bob, bobs := r.meet(k, "bob", as("bob"))
			r.hub.on(tt.call)
			asking, goOn := r.hub.hang()
			res := r.do("PATCH", "/hub/api/shares/alice/")
			if res.StatusCode != tt.want {
				t.Errorf("the caller got %d, want %d", res.StatusCode, tt.want)
			}
			await(t, asking, "the Hub is asked")
			bob.say("message")
			if !bobs.hearNothing() {
				t.Fatal("before the Hub had answered")
			}
			goOn()
			if got := bobs.hear(); got != "message" {
				t.Errorf("after the Hub's answer the server heard %q", got)
			}
		})
	}
}

// TestWhatTheHubDoesAfterAnUnclearAnswerIsFound: it is asked on.
func TestWhatTheHubDoesAfterAnUnclearAnswerIsFound(t *testing.T) {
	r := newRig(t)
	k := newKernel(t)
	r.userServer(k.ServeHTTP)
	bob, bobs := r.meet(k, "bob", as("bob"))
	r.hub.does(func(*fakeHub) {}, http.StatusGatewayTimeout)
	r.do("PATCH", "/hub/api/shares/alice/")
	bob.say("message")
	if got := bobs.hear(); got != "message" {
		t.Fatalf("the server heard %q", got)
	}
	unshare(r.hub) // only now
	if got := bob.rest(); !slices.Equal(got, []string{"close 1008 Your access to this server has ended."}) {
		t.Errorf("a socket without traffic heard %q", got)
	}
}

// TestAWatchedCallGoesOnWhenItsClientLeaves: the Hub does it, and it is
// enforced.
func TestAWatchedCallGoesOnWhenItsClientLeaves(t *testing.T) {
	r := newRig(t)
	k := newKernel(t)
	r.userServer(k.ServeHTTP)
	bob, _ := r.meet(k, "bob", as("bob"))
	came, left, broken := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	r.hub.on(func(w http.ResponseWriter, req *http.Request) {
		close(came)
		<-left
		select { // time for the proxy to see that its client has left
		case <-req.Context().Done():
		case <-time.After(guests):
		}
		unshare(r.hub)
		broken <- req.Context().Err()
		w.WriteHeader(http.StatusNoContent)
	})
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		req, _ := http.NewRequestWithContext(ctx, "PATCH", "http://"+r.addr+"/hub/api/shares/alice/", http.NoBody)
		if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
			_ = res.Body.Close()
		}
	}()
	await(t, came, "the call reaches the Hub")
	leave()
	await(t, gone, "the client leaves")
	close(left)
	if err := await(t, broken, "the Hub goes on"); err != nil {
		t.Errorf("the Hub's request was broken off: %v", err)
	}
	if got := bob.rest(); !slices.Equal(got, []string{"close 1008 Your access to this server has ended."}) {
		t.Errorf("the guest heard %q", got)
	}
}

// TestTheHubHasNoSockets (D37).
func TestTheHubHasNoSockets(t *testing.T) {
	r := newRig(t)
	reached := make(chan struct{}, 1)
	r.hub.on(func(http.ResponseWriter, *http.Request) { reached <- struct{}{} })
	if _, res := r.handshake("/hub/api/events", as("bob")); res.StatusCode != 400 || len(reached) > 0 {
		t.Errorf("%d, and the Hub saw %d handshakes; want 400 and none", res.StatusCode, len(reached))
	}
}
