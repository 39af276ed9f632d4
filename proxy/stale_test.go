package proxy_test

import (
	"net/http"
	"testing"
)

// TestAnAnswerFromBeforeTheRevocationOpensNothing: the question was put
// before, the Hub answers late (D21, H22).
func TestAnAnswerFromBeforeTheRevocationOpensNothing(t *testing.T) {
	for _, tt := range []struct {
		name string
		ask  func(*rig) int
	}{
		{"H22 request", func(r *rig) int { return r.status("GET", "/user/alice/api", as("bob")) }},
		{"D21 socket", func(r *rig) int {
			_, res := r.handshake("/user/alice/api/kernels/1/channels", as("bob"))
			return res.StatusCode
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			reached := make(chan struct{}, 10)
			r.userServer(func(http.ResponseWriter, *http.Request) { reached <- struct{}{} })
			asking, goOn := r.hub.hang()
			first, second := make(chan int, 1), make(chan int, 1)
			go func() { first <- tt.ask(r) }()
			await(t, asking, "the Hub is asked")
			r.hub.does(unshare, http.StatusNoContent)
			if got := r.do("PATCH", "/hub/api/shares/alice/").Header.Get("Share-Proxy-Cut"); got != "done; sockets=0" {
				t.Errorf("the caller got %q: nothing was open yet", got)
			}
			go func() { second <- tt.ask(r) }() // it may not share the old answer either
			goOn()
			if got := await(t, first, "the first one is answered"); got != 403 {
				t.Errorf("who had asked before: %d, want 403", got)
			}
			if got := await(t, second, "the second one is answered"); got != 403 {
				t.Errorf("who shared the question: %d, want 403", got)
			}
			if len(reached) > 0 {
				t.Errorf("%d requests reached the server", len(reached))
			}
		})
	}
}

// TestALateAnswerDoesNotReopenASocket: a re-check that began before the
// revocation ends after it.
func TestALateAnswerDoesNotReopenASocket(t *testing.T) {
	r := newRig(t)
	k := newKernel(t)
	r.userServer(k.ServeHTTP)
	bob, bobs := r.meet(k, "bob", as("bob"))
	asking, goOn := r.hub.hang()
	speakUntil(bob, bobs, asking) // its answer grows old: the Hub is asked, and hangs
	r.hub.does(unshare, http.StatusNoContent)
	if got := r.do("PATCH", "/hub/api/shares/alice/").Header.Get("Share-Proxy-Cut"); got != "done; sockets=1" {
		t.Errorf("the caller got %q, want the held socket counted", got)
	}
	for len(bobs.got) > 0 {
		<-bobs.got
	}
	bob.say("late")
	goOn()
	if got := bob.hear(); got != "close 1008 Your access to this server has ended." {
		t.Errorf("the guest heard %q", got)
	}
	for _, text := range bobs.rest(t) {
		if text == "late" {
			t.Error("a message passed on the strength of an old answer")
		}
	}
}

// speakUntil sends messages, one after the other, until the channel delivers.
func speakUntil[T any](s *socket, p *party, c <-chan T) {
	for {
		s.say("traffic")
		select {
		case <-p.got:
		case <-c:
			return
		}
	}
}
