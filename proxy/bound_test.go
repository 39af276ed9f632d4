package proxy_test

import (
	"net/http"
	"slices"
	"testing"
	"time"
)

// TestAChangeInsideTheHubIsEnforcedWithinT: nothing of it passed through the
// proxy (H11).
func TestAChangeInsideTheHubIsEnforcedWithinT(t *testing.T) {
	r := newRig(t)
	k := newKernel(t)
	r.userServer(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Upgrade") != "" {
			k.ServeHTTP(w, req)
		}
	})
	bob, bobs := r.meet(k, "bob", as("bob"))
	idle, _ := r.meet(k, "idle", as("bob"))
	unshare(r.hub)
	begun := time.Now()

	// H11c: who keeps asking does not keep his own answer young.
	for passes := true; passes; {
		res, err := r.try("GET", "/user/alice/api", nil, as("bob")) // the last one may be cut
		passes = err != nil || res.StatusCode != 403
		if time.Since(begun) > patience {
			t.Fatal("requests pass for ever")
		}
	}
	if took := time.Since(begun); took > guests+slack {
		t.Errorf("requests passed for %v, want %v at most", took, guests)
	}
	if took := talkUntilHeld(t, bob, bobs); took > slack {
		t.Errorf("messages passed for %v longer than requests", took)
	}
	if got := bob.rest(); !slices.Equal(got, []string{"close 1008 Your access to this server has ended."}) {
		t.Errorf("the socket with traffic heard %q", got)
	}
	idle.quiet(2 * guests) // costs nothing until it speaks
	idle.say("late")
	if got := idle.rest(); !slices.Equal(got, []string{"close 1008 Your access to this server has ended."}) {
		t.Errorf("the idle socket heard %q", got)
	}
}

// TestAnIdleSocketWithARightLivesOn (D25): it is asked about when it speaks.
func TestAnIdleSocketWithARightLivesOn(t *testing.T) {
	r := newRig(t)
	k := newKernel(t)
	r.userServer(k.ServeHTTP)
	bob, bobs := r.meet(k, "bob", as("bob"))
	asked := r.hub.count("bob")
	bob.quiet(3 * guests)
	if n := r.hub.count("bob"); n != asked {
		t.Errorf("an idle socket cost %d questions", n-asked)
	}
	bobs.say("a kernel that was busy for long")
	if got := bob.hear(); got != "a kernel that was busy for long" {
		t.Errorf("the guest heard %q", got)
	}
}

// TestAGrantWorksInTheNextRequest (H16): one that passes through the proxy at
// once, one inside the Hub within T.
func TestAGrantWorksInTheNextRequest(t *testing.T) {
	grant := func(h *fakeHub) { h.set("dave", "dave", "s-dave", "access:servers!server=alice/") }
	for _, tt := range []struct {
		name, method, path string
		fields             []string
	}{
		{"a share", "POST", "/hub/api/shares/alice/", nil},
		{"a share code", "POST", "/hub/accept-share", []string{"Cookie: jupyterhub-session-id=s-dave"}},
		{"into the group", "POST", "/hub/api/groups/team/users", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.userServer(func(http.ResponseWriter, *http.Request) {})
			if got := r.status("GET", "/user/alice/api", as("dave")); got != 403 {
				t.Fatalf("before: %d, want 403", got)
			}
			r.hub.does(grant, http.StatusOK)
			r.do(tt.method, tt.path, tt.fields...)
			if got := r.status("GET", "/user/alice/api", as("dave")); got != 200 {
				t.Errorf("after: %d, want 200", got)
			}
		})
	}
	t.Run("inside the Hub", func(t *testing.T) {
		r := newRig(t)
		r.userServer(func(http.ResponseWriter, *http.Request) {})
		r.status("GET", "/user/alice/api", as("dave"))
		grant(r.hub)
		begun := time.Now()
		for r.status("GET", "/user/alice/api", as("dave")) != 200 {
			if took := time.Since(begun); took > guests+slack {
				t.Fatalf("refused for %v, want %v at most", took, guests)
			}
		}
	})
}
