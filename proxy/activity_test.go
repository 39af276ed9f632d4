package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestWhatTheServerSendsIsNoActivity: a server's pings and a page that streams
// would keep it alive for ever. What an admitted client sends is.
func TestWhatTheServerSendsIsNoActivity(t *testing.T) {
	r := newRig(t)
	k := newKernel(t)
	alices := r.userServer(k.ServeHTTP)
	s, server := r.meet(k, "bob", as("bob"))
	began := alices.LastActivity()
	for time.Now().UnixMilli() <= began.UnixMilli() { // activity counts milliseconds
	}
	for range 20 {
		server.say("tick")
		_, _ = server.conn.Write(clearFrame(0x9, []byte("ping")))
		if tick, ping := s.hear(), s.hear(); tick != "tick" || ping != "ping" {
			t.Fatalf("the client heard %q, %q", tick, ping)
		}
		_, _ = s.conn.Write(maskedFrame(0xA, []byte("ping"))) // its answer, as browsers send it
		if got := server.hear(); got != "ping" {
			t.Fatalf("the server heard %q", got)
		}
	}
	if now := alices.LastActivity(); !now.Equal(began) {
		t.Errorf("ticks, pings and pongs moved the last activity from %v to %v", began, now)
	}
	s.say("typed by hand")
	if got := server.hear(); got != "typed by hand" {
		t.Fatalf("the server heard %q", got)
	}
	if now := alices.LastActivity(); !now.After(began) {
		t.Error("a message of the client is no activity")
	}
}

func TestARefusedRequestIsNoActivity(t *testing.T) {
	r := newRig(t)
	alices := r.userServer(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	began := alices.LastActivity()
	for time.Now().UnixMilli() <= began.UnixMilli() { // activity counts milliseconds
	}
	_, _ = io.Copy(io.Discard, r.send("POST", "/user/alice/api", strings.NewReader("a body"), as("dave")).Body)
	if now := alices.LastActivity(); !now.Equal(began) {
		t.Error("a refused request moved the last activity")
	}
	r.status("GET", "/user/alice/api", as("bob"))
	r.log.waitFor(t, `"status":200`)
	if now := alices.LastActivity(); !now.After(began) {
		t.Error("a request that was served is no activity")
	}
}

// TestARevokedTabIsAnsweredFromMemory: JupyterLab tries about twice a second,
// for as long as the tab is open.
func TestARevokedTabIsAnsweredFromMemory(t *testing.T) {
	r := newRig(t)
	r.userServer(func(http.ResponseWriter, *http.Request) { t.Error("the server was reached") })
	begun := time.Now()
	for range 100 {
		if _, res := r.handshake("/user/alice/api/collaboration/room/1", as("dave")); res.StatusCode != 403 {
			t.Fatalf("status %d, want 403", res.StatusCode)
		}
	}
	// One question when the answer is missing, and one for each 0.8 T.
	if n, most := r.hub.count("dave"), 2+int(time.Since(begun)/(guests/5*4)); n > most {
		t.Errorf("100 attempts cost %d questions, want %d at most", n, most)
	}
}
