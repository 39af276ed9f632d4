package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// patience ends a test that would hang.
const patience = 20 * time.Second

// testParts are parts whose public handler waits until it may go on.
type testParts struct {
	parts
	entered chan struct{} // a request is in the public handler
	release chan struct{} // it may go on
	drains  chan time.Duration
	settle  time.Duration
}

func newTestParts() *testParts {
	p := &testParts{entered: make(chan struct{}, 8), release: make(chan struct{}), drains: make(chan time.Duration, 1)}
	p.Public = &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.entered <- struct{}{}
		select {
		case <-p.release:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, "done")
	})}
	p.API = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "api") })
	p.Run = func(ctx context.Context) error { <-ctx.Done(); return nil }
	p.Drain = func(ctx context.Context) error {
		deadline, _ := ctx.Deadline()
		p.drains <- time.Until(deadline)
		return nil
	}
	p.Loaded = func(context.Context) error { return nil }
	return p
}

// program is servers under test.
type program struct {
	*servers
	stop  context.CancelFunc // as a signal does
	ended chan error
}

func start(t *testing.T, p *testParts, drain time.Duration) *program {
	t.Helper()
	cfg := defaults()
	cfg.Flags.IP, cfg.Flags.Port, cfg.Flags.APIIP, cfg.Flags.APIPort = "127.0.0.1", 0, "127.0.0.1", 0
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	s, err := bindAll(t.Context(), cfg, log, &p.parts, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.admin.listeners) != 0 {
		t.Error("metrics are bound though off")
	}
	if err := s.admin.bind(t.Context(), "127.0.0.1", 0, log); err != nil {
		t.Fatal(err)
	}
	s.settle = p.settle
	ctx, stop := context.WithCancel(t.Context())
	prog := &program{servers: s, stop: stop, ended: make(chan error, 1)}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		prog.ended <- s.run(ctx, context.WithoutCancel(ctx), &p.parts, drain)
	}()
	t.Cleanup(func() {
		stop()
		select {
		case <-finished:
		case <-time.After(patience):
			t.Error("it does not end")
		}
	})
	return prog
}

func (p *program) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(patience):
		t.Fatal("it does not end")
		return nil
	}
}

// get returns status and body, 0 if there is no answer.
func get(t *testing.T, b *boundServer, path string) (int, string) {
	t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + b.listeners[0].Addr().String() + path)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, ""
	}
	return resp.StatusCode, string(body)
}

func TestAnIdleProgramEndsAtOnce(t *testing.T) {
	p := newTestParts()
	prog := start(t, p, time.Hour)
	if status, body := get(t, prog.api, "/"); status != 200 || body != "api" {
		t.Errorf("the API answers %d %q, want 200 api", status, body)
	}
	prog.stop()
	if err := prog.end(t); err != nil {
		t.Errorf("run = %v, want nil after a signal", err)
	}
	if limit := <-p.drains; limit < 50*time.Minute || limit > time.Hour {
		t.Errorf("Drain has %v, want the time of the setting", limit)
	}
}

func TestDrainLetsRequestsFinishAndIsSeenToTheEnd(t *testing.T) {
	p := newTestParts()
	draining := make(chan struct{})
	p.Drain = func(context.Context) error { close(draining); return nil }
	prog := start(t, p, patience)
	get(t, prog.api, "/") // which is served when the load is over
	if status, _ := get(t, prog.admin, "/readyz"); status != 200 {
		t.Errorf("/readyz = %d, want 200", status)
	}
	type answer struct {
		status int
		body   string
	}
	answered := make(chan answer, 1)
	go func() {
		status, body := get(t, prog.public, "/")
		answered <- answer{status, body}
	}()
	<-p.entered
	prog.stop()
	<-draining
	if status, _ := get(t, prog.admin, "/readyz"); status != 503 {
		t.Errorf("/readyz while draining = %d, want 503", status)
	}
	if status, _ := get(t, prog.admin, "/livez"); status != 200 {
		t.Errorf("/livez while draining = %d, want 200", status)
	}
	if status, _ := get(t, prog.api, "/"); status != 200 {
		t.Errorf("the API while draining answers %d, want 200", status)
	}
	close(p.release)
	if got := <-answered; got.status != 200 || got.body != "done" {
		t.Errorf("the request under way got %+v, want 200 done", got)
	}
	if err := prog.end(t); err != nil {
		t.Errorf("run = %v, want nil", err)
	}
	for _, b := range prog.all() {
		if status, _ := get(t, b, "/livez"); status != 0 {
			t.Errorf("%s still answers %d after the end", b.name, status)
		}
	}
}

// stopDuringARequest stops the program when a request is under way, and returns
// when its listener is closed, which Shutdown does first. The status of the
// request comes when it has been released.
func stopDuringARequest(t *testing.T, p *testParts, prog *program) <-chan int {
	t.Helper()
	answered := make(chan int, 1)
	go func() {
		status, _ := get(t, prog.public, "/")
		answered <- status
	}()
	<-p.entered
	prog.stop()
	for refused := false; !refused; {
		conn, err := net.DialTimeout("tcp", prog.public.listeners[0].Addr().String(), patience)
		if refused = err != nil; !refused {
			_ = conn.Close()
		}
	}
	return answered
}

func TestDrainAcceptsNobody(t *testing.T) {
	p := newTestParts()
	prog := start(t, p, patience)
	answered := stopDuringARequest(t, p, prog)
	close(p.release)
	if status := <-answered; status != 200 {
		t.Errorf("the request under way got %d, want 200", status)
	}
	if err := prog.end(t); err != nil {
		t.Errorf("run = %v, want nil", err)
	}
}

func TestDrainBeginsWhenWhatHasArrivedIsUnderWay(t *testing.T) {
	p := newTestParts()
	p.settle = time.Hour
	prog := start(t, p, patience)
	answered := stopDuringARequest(t, p, prog)
	select {
	case <-p.drains:
		t.Error("nothing new may begin, while requests that have arrived may not have begun")
	case <-time.After(50 * time.Millisecond):
	}
	close(p.release)
	if status := <-answered; status != 200 {
		t.Errorf("the request under way got %d, want 200", status)
	}
	if err := prog.end(t); err != nil {
		t.Errorf("run = %v, want nil", err)
	}
	if len(p.drains) != 1 {
		t.Error("the sockets were not told")
	}
}

func TestDrainEndsWhatTakesLonger(t *testing.T) {
	p := newTestParts()
	p.Drain = func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
	prog := start(t, p, 50*time.Millisecond)
	go get(t, prog.public, "/")
	<-p.entered
	prog.stop()
	if err := prog.end(t); err != nil {
		t.Errorf("run = %v, want nil: a drain that was cut off is no failure", err)
	}
}

func TestAFailureEndsTheProgramWithItsError(t *testing.T) {
	fault := errors.New("the ledger is gone")
	t.Run("of the background work", func(t *testing.T) {
		p := newTestParts()
		p.Run = func(context.Context) error { return fault }
		if err := start(t, p, time.Second).end(t); !errors.Is(err, fault) {
			t.Errorf("run = %v, want %v", err, fault)
		}
	})
	t.Run("of the load", func(t *testing.T) {
		p := newTestParts()
		p.Loaded = func(context.Context) error { return fault }
		if err := start(t, p, time.Second).end(t); !errors.Is(err, fault) {
			t.Errorf("run = %v, want %v", err, fault)
		}
	})
	t.Run("of a listener", func(t *testing.T) {
		prog := start(t, newTestParts(), time.Second)
		if err := prog.api.listeners[0].Close(); err != nil {
			t.Fatal(err)
		}
		if err := prog.end(t); err == nil || !strings.Contains(err.Error(), "api listener") {
			t.Errorf("run = %v, want the api listener's error", err)
		}
	})
	t.Run("of the drain", func(t *testing.T) {
		p := newTestParts()
		p.Drain = func(context.Context) error { return fault }
		prog := start(t, p, time.Second)
		prog.stop()
		if err := prog.end(t); !errors.Is(err, fault) {
			t.Errorf("run = %v, want %v", err, fault)
		}
	})
}

func TestTheEndWaitsForTheBackgroundWork(t *testing.T) {
	p := newTestParts()
	left := make(chan struct{})
	p.Run = func(ctx context.Context) error {
		<-ctx.Done()
		defer close(left)
		return ctx.Err()
	}
	prog := start(t, p, time.Second)
	prog.stop()
	if err := prog.end(t); err != nil {
		t.Errorf("run = %v, want nil", err)
	}
	select {
	case <-left:
	default:
		t.Error("the work goes on after the end")
	}
}
