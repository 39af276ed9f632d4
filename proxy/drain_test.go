package proxy_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"
)

// TestDraining (D30): sockets are told to come back, requests finish, nothing
// new begins.
func TestDraining(t *testing.T) {
	r := newRig(t)
	k := newKernel(t)
	begun, goOn := make(chan struct{}), make(chan struct{})
	r.userServer(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Upgrade") != "" {
			k.ServeHTTP(w, req)
			return
		}
		_, _ = io.WriteString(w, "first half ")
		_ = http.NewResponseController(w).Flush()
		close(begun)
		<-goOn
		_, _ = io.WriteString(w, "second half")
	})
	bob, _ := r.meet(k, "bob", as("bob"))
	alice, _ := r.meet(k, "alice", as("alice"))
	res := r.do("GET", "/user/alice/files/big", as("bob"))
	await(t, begun, "the download begins")
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- r.proxy.Drain(ctx) }()
	for name, s := range map[string]*socket{"bob": bob, "alice": alice} {
		if got := s.rest(); !slices.Equal(got, []string{"close 1012 The proxy restarts."}) {
			t.Errorf("%s heard %q", name, got)
		}
	}
	for _, path := range []string{"/user/alice/api", "/hub/home"} {
		if got := r.status("GET", path, as("bob")); got != 503 {
			t.Errorf("a new request for %s: %d, want 503", path, got)
		}
	}
	close(goOn)
	if body, err := io.ReadAll(res.Body); string(body) != "first half second half" || err != nil {
		t.Errorf("the download ended with %q, %v; want all of it", body, err)
	}
	if err := await(t, drained, "Drain returns"); err != nil {
		t.Errorf("Drain: %v, want nil: everything has ended", err)
	}
}

// TestDrainingEndsInTime, whatever goes on.
func TestDrainingEndsInTime(t *testing.T) {
	r := newRig(t)
	begun := make(chan struct{})
	r.userServer(func(_ http.ResponseWriter, req *http.Request) { close(begun); <-req.Context().Done() })
	go func() { _, _ = r.try("GET", "/user/alice/api", nil, as("bob")) }()
	await(t, begun, "a request hangs")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := r.proxy.Drain(ctx); err == nil {
		t.Error("Drain says that all has ended")
	}
	_ = r.server.Close()
	r.stop()
	await(t, r.ended, "Run returns")
}

// TestRunReturnsWhateverIsUnderWay: questions, holds, and calls that are asked
// about again.
func TestRunReturnsWhateverIsUnderWay(t *testing.T) {
	r := newRig(t)
	k := newKernel(t)
	r.userServer(k.ServeHTTP)
	bob, _ := r.meet(k, "bob", as("bob"))
	r.hub.does(func(h *fakeHub) { h.goAway(errAway) }, http.StatusInternalServerError)
	r.do("PATCH", "/hub/api/shares/alice/")
	asking, goOn := r.hub.hang()
	defer goOn()
	await(t, asking, "the Hub is asked")
	r.stop()
	await(t, r.ended, "Run returns")
	_ = bob.conn.Close()
}
