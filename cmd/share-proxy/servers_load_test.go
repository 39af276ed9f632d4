package main

import (
	"context"
	"net"
	"testing"
	"time"
)

// slow makes the load of p last until release is called.
func slow(p *testParts) (release func()) {
	loaded := make(chan struct{})
	p.Loaded = func(ctx context.Context) error {
		select {
		case <-loaded:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return func() { close(loaded) }
}

func TestNobodyIsServedBeforeTheTableIsLoaded(t *testing.T) {
	p := newTestParts()
	release := slow(p)
	prog := start(t, p, time.Second)
	if status, _ := get(t, prog.admin, "/livez"); status != 200 {
		t.Errorf("/livez while loading = %d, want 200", status)
	}
	if status, _ := get(t, prog.admin, "/readyz"); status != 503 {
		t.Errorf("/readyz while loading = %d, want 503", status)
	}
	answered := make(chan int, 2)
	for _, b := range []*boundServer{prog.public, prog.api} {
		conn, err := net.DialTimeout("tcp", b.listeners[0].Addr().String(), patience)
		if err != nil {
			t.Fatalf("%s does not take connections while loading: %v", b.name, err)
		}
		_ = conn.Close()
		go func() {
			status, _ := get(t, b, "/")
			answered <- status
		}()
	}
	select {
	case <-p.entered:
		t.Error("a request was served before the table was loaded")
	case status := <-answered:
		t.Errorf("a call was answered with %d before the table was loaded", status)
	case <-time.After(100 * time.Millisecond):
	}
	release()
	close(p.release)
	for range 2 {
		if status := <-answered; status != 200 {
			t.Errorf("who came while loading got %d, want 200 afterwards", status)
		}
	}
	if status, _ := get(t, prog.admin, "/readyz"); status != 200 {
		t.Errorf("/readyz after the load = %d, want 200", status)
	}
}

func TestAStoreThatIsAwayIsWaitedForOnlySoLong(t *testing.T) {
	p := newTestParts()
	slow(p)
	p.LoadLimit = 50 * time.Millisecond
	prog := start(t, p, time.Second)
	if status, body := get(t, prog.api, "/"); status != 200 || body != "api" {
		t.Errorf("the API answers %d %q without the store, want 200 api", status, body)
	}
	if status, _ := get(t, prog.admin, "/readyz"); status != 200 {
		t.Errorf("/readyz without the store = %d, want 200", status)
	}
}

func TestASignalEndsTheLoad(t *testing.T) {
	p := newTestParts()
	slow(p)
	prog := start(t, p, time.Hour)
	if status, _ := get(t, prog.admin, "/livez"); status != 200 {
		t.Errorf("/livez while loading = %d, want 200", status)
	}
	prog.stop()
	if err := prog.end(t); err != nil {
		t.Errorf("run = %v, want nil after a signal", err)
	}
	for _, b := range prog.all() {
		if status, _ := get(t, b, "/livez"); status != 0 {
			t.Errorf("%s still answers %d after the end", b.name, status)
		}
	}
}
