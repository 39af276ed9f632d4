package proxy_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy"
)

// TestARegrantWithinTheGraceLosesNothing: revoke everybody, grant again right
// after, as tools do. What both sides said meanwhile arrives, once.
func TestARegrantWithinTheGraceLosesNothing(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) { o.RegrantGrace = 5 * time.Second })
	k := newKernel(t)
	r.userServer(k.ServeHTTP)
	bob, bobs := r.meet(k, "bob", as("bob"))
	bob.say("up 1")
	bobs.say("down 1")
	if up, down := bobs.hear(), bob.hear(); up != "up 1" || down != "down 1" {
		t.Fatalf("before: %q and %q", up, down)
	}
	r.hub.does(unshare, http.StatusNoContent)
	if got := r.do("DELETE", "/hub/api/shares/alice/").Header.Get("Share-Proxy-Cut"); got != "done; sockets=1" {
		t.Errorf("the caller got %q, want the held socket counted", got)
	}
	if got := r.status("GET", "/user/alice/api", as("bob")); got != 403 {
		t.Errorf("a request within the grace: %d, want 403", got)
	}
	bob.say("up 2")
	bobs.say("down 2")
	bob.quiet(50 * time.Millisecond)
	if len(bobs.got) > 0 {
		t.Errorf("%q passed while held", <-bobs.got)
	}
	r.hub.does(func(h *fakeHub) { h.set("bob", "bob", "s-bob", "access:servers!server=alice/") }, http.StatusOK)
	r.do("POST", "/hub/api/shares/alice/")
	bob.say("up 3")
	bobs.say("down 3")
	for i, want := range []string{"2", "3"} {
		if up, down := bobs.hear(), bob.hear(); up != "up "+want || down != "down "+want {
			t.Errorf("message %d after the grant: %q and %q, want number %s", i, up, down, want)
		}
	}
}

// TestWithoutARegrantTheGraceEnds (H24): guests are told, the owner stays.
func TestWithoutARegrantTheGraceEnds(t *testing.T) {
	r := newRig(t)
	k := newKernel(t)
	r.userServer(k.ServeHTTP)
	bob, bobs := r.meet(k, "bob", as("bob"))
	carol, _ := r.meet(k, "carol", as("carol"))
	alice, alices := r.meet(k, "alice", as("alice"))
	stop := chatter(alice, alices)
	r.hub.does(func(h *fakeHub) { unshare(h); h.set("carol", "carol", "s-carol") }, http.StatusNoContent)
	begun := time.Now()
	if got := r.do("DELETE", "/hub/api/shares/alice/").Header.Get("Share-Proxy-Cut"); got != "done; sockets=2" {
		t.Errorf("the caller got %q, want two sockets", got)
	}
	bobs.say("late")
	bob.say("late")
	for name, s := range map[string]*socket{"bob": bob, "carol": carol} {
		if got := s.rest(); !slices.Equal(got, []string{"close 1008 Your access to this server has ended."}) {
			t.Errorf("%s heard %q", name, got)
		}
	}
	if took := time.Since(begun); took < grace/2 {
		t.Errorf("closed after %v: the grace is %v", took, grace)
	}
	if got := bobs.rest(t); len(got) > 0 {
		t.Errorf("%q passed after the answer", got)
	}
	if n, err := stop(); err != nil || n == 0 {
		t.Errorf("the owner's socket: %d messages, %v; want all of them", n, err)
	}
}

// TestAHubThatFailsAfterARevocationLetsNobodyBackIn: it accepted the call and
// answers no question since.
func TestAHubThatFailsAfterARevocationLetsNobodyBackIn(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) { o.HoldLimit = 300 * time.Millisecond })
	k := newKernel(t)
	r.userServer(k.ServeHTTP)
	bob, bobs := r.meet(k, "bob", as("bob"))
	r.hub.does(func(h *fakeHub) { unshare(h); h.goAway(errAway) }, http.StatusNoContent)
	res := r.do("PATCH", "/hub/api/shares/alice/")
	if got := res.Header.Get("Share-Proxy-Cut"); res.StatusCode != 204 || got != "done; sockets=1" {
		t.Errorf("the caller got %d and %q, want 204 and the held socket", res.StatusCode, got)
	}
	bob.say("late")
	if got := r.status("GET", "/user/alice/api", as("bob")); got != 503 {
		t.Errorf("a request: %d, want 503", got)
	}
	if got := bob.rest(); !slices.Equal(got, []string{"close 1013 Access could not be checked."}) {
		t.Errorf("the guest heard %q, want 1013 at the end of the hold limit", got)
	}
	if got := bobs.rest(t); len(got) > 0 {
		t.Errorf("%q passed while nothing could be known", got)
	}
}

// TestWhileTheHubIsAwayGuestsAreHeldAndOwnersGoOn: and the guest's socket goes
// on by itself when the Hub is back, with nothing lost.
func TestWhileTheHubIsAwayGuestsAreHeldAndOwnersGoOn(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) { o.Rule.Owners = guests; o.HoldLimit = time.Minute })
	r.hub.set("alice-api", "alice", "", "access:servers!server=alice/")
	k := newKernel(t)
	r.userServer(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Upgrade") != "" {
			k.ServeHTTP(w, req)
		}
	})
	bob, bobs := r.meet(k, "bob", as("bob"))
	alice, alices := r.meet(k, "alice", as("alice"))
	copied, copieds := r.meet(k, "copied", as("alice-api"))
	r.status("GET", "/user/alice/api", as("alice"))
	r.hub.goAway(errAway)

	if took := talkUntilHeld(t, bob, bobs); took > guests+slack {
		t.Errorf("messages passed for %v without the Hub, want %v at most", took, guests)
	}
	bob.say("behind it")
	copied.say("message")
	for range 3 {
		alice.say("still here")
		if got := alices.hear(); got != "still here" {
			t.Fatalf("the owner's server heard %q", got)
		}
	}
	for _, tt := range []struct {
		token string
		want  int
	}{{"bob", 503}, {"alice", 200}, {"alice-api", 503}} {
		res := r.do("GET", "/user/alice/api", as(tt.token))
		if res.StatusCode != tt.want || res.Header.Get("Set-Cookie") != "" || res.Header.Get("Location") != "" {
			t.Errorf("%s: %d %v, want %d and no cookie touched", tt.token, res.StatusCode, res.Header, tt.want)
		}
	}
	if len(bobs.got)+len(copieds.got) > 0 {
		t.Error("a message passed with an answer that was too old")
	}
	r.hub.goAway(nil)
	for _, want := range []string{"message", "behind it"} {
		if got := bobs.hear(); got != want {
			t.Errorf("after the Hub came back the server heard %q, want %q", got, want)
		}
	}
	if got := copieds.hear(); got != "message" {
		t.Errorf("the owner's copied token: the server heard %q", got)
	}
	if got := r.status("GET", "/user/alice/api", as("bob")); got != 200 {
		t.Errorf("the guest's request: %d, want 200", got)
	}
}

// slack is what a loaded machine may add to a time that is measured.
const slack = 250 * time.Millisecond

// talkUntilHeld sends one message after the other until one does not arrive,
// and returns when the last one did.
func talkUntilHeld(t *testing.T, s *socket, p *party) time.Duration {
	t.Helper()
	begun := time.Now()
	for last := time.Duration(0); last < patience; last = time.Since(begun) {
		s.say("message")
		select {
		case <-p.got:
		case <-time.After(guests):
			return last
		}
	}
	t.Fatal("messages pass for ever")
	return 0
}
