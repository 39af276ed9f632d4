package proxy_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/route"
)

// rig is a proxy with real listeners: a fake Hub that tests can change, block
// and break, and real servers behind routes.
type rig struct {
	t       testing.TB
	hub     *fakeHub
	table   *route.Table
	proxy   *proxy.Proxy
	addr    string
	log     *syncBuffer
	metrics *prometheus.Registry
	ended   chan struct{} // closed when Run has returned
	stop    context.CancelFunc
	server  *http.Server
}

// Times of the rig: short, so that tests of T do not take long.
const (
	bound  = 100 * time.Millisecond
	guests = 300 * time.Millisecond
	grace  = 200 * time.Millisecond
	hold   = 2 * time.Second
)

func newRig(t testing.TB, change ...func(*proxy.Options)) *rig {
	t.Helper()
	r := &rig{t: t, table: route.NewTable(false), log: &syncBuffer{}, metrics: prometheus.NewRegistry()}
	r.hub = newFakeHub(t)
	r.route("/", r.hub.server.URL, `"hub":true`)
	origin := time.Now()
	api, err := url.Parse(r.hub.server.URL + "/hub/api")
	if err != nil {
		t.Fatal(err)
	}
	o := proxy.Options{
		Routes: r.table, Hub: r.hub, Clock: func() authz.Instant { return authz.Instant(time.Since(origin)) },
		NewLedger: func(c authz.Clock, a ledger.Apply) ledger.Ledger { return ledger.NewMemory(c, a) },
		Rule:      authz.Rule{Bound: bound, Guests: guests, Owners: 5 * time.Second, Grace: time.Minute},
		Budget:    1000, HubAPI: func() (*url.URL, error) { return api, nil },
		RegrantGrace: grace, HoldLimit: hold,
		Log: slog.New(slog.NewJSONHandler(r.log, nil)), Metrics: r.metrics,
	}
	for _, f := range change {
		f(&o)
	}
	r.serve(o)
	return r
}

// serve runs the proxy until the test ends.
func (r *rig) serve(o proxy.Options) {
	ctx, stop := context.WithCancel(context.Background())
	p, err := proxy.New(ctx, o)
	if err != nil {
		r.t.Fatal(err)
	}
	r.proxy, r.stop, r.ended = p, stop, make(chan struct{})
	r.table.Ended = p.RouteEnded
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	r.addr = l.Addr().String()
	srv := p.Server()
	r.server = srv
	var running sync.WaitGroup
	running.Go(func() { _ = srv.Serve(proxy.Listen(l)) })
	running.Go(func() { defer close(r.ended); _ = p.Run(ctx) })
	r.t.Cleanup(func() {
		drain, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		_ = p.Drain(drain)
		cancel()
		_ = srv.Close()
		stop()
		running.Wait()
	})
}

// route adds a route; data is the inside of a JSON object.
func (r *rig) route(path, target, data string) *route.Route {
	r.t.Helper()
	fields := make(map[string]json.RawMessage)
	if err := json.Unmarshal([]byte("{"+data+"}"), &fields); err != nil {
		r.t.Fatal(err)
	}
	made, err := route.New(path, target, fields, time.Now())
	if err == nil {
		err = r.table.Add(r.t.Context(), made)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return made
}

// userServer puts a server of alice behind /user/alice.
func (r *rig) userServer(h http.HandlerFunc) *route.Route {
	r.t.Helper()
	srv := httptest.NewServer(h)
	r.t.Cleanup(srv.Close)
	return r.route("/user/alice", srv.URL, `"user":"alice","server_name":"","jupyterhub":true`)
}

// do sends a request with fields "Name: value".
func (r *rig) do(method, path string, fields ...string) *http.Response {
	r.t.Helper()
	return r.send(method, path, nil, fields...)
}

func (r *rig) send(method, path string, body io.Reader, fields ...string) *http.Response {
	r.t.Helper()
	res, err := r.try(method, path, body, fields...)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	return res
}

// try is send for a request that may be cut.
func (r *rig) try(method, path string, body io.Reader, fields ...string) (*http.Response, error) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.addr+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		req.Header.Add(name, value)
	}
	client := &http.Client{
		Timeout:       10 * time.Second,
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err == nil {
		r.t.Cleanup(func() { _ = res.Body.Close() })
	}
	return res, err
}

// status sends a request and returns its status.
func (r *rig) status(method, path string, fields ...string) int {
	r.t.Helper()
	res := r.do(method, path, fields...)
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// as is the field that carries a token.
func as(token string) string { return "Authorization: token " + token }

// cookie is the field with alice's server's cookie that carries a token.
func cookie(token string) string {
	value := base64.StdEncoding.EncodeToString([]byte(token))
	name := "jupyterhub-user-alice"
	return fmt.Sprintf("Cookie: %s=2|1:0|10:1700000000|%d:%s|%d:%s|%s",
		name, len(name), name, len(value), value, strings.Repeat("a", 64))
}

// fakeHub is the Hub: an [authz.Asker] with tokens that tests set, and an HTTP
// server that accepts watched calls.
type fakeHub struct {
	server *httptest.Server

	mu     sync.Mutex
	tokens map[string]authz.Answer
	asked  map[string]int
	away   error
	block  chan struct{} // questions wait until it is closed
	asking chan string   // tokens whose question has begun, if not nil
	calls  http.HandlerFunc
}

func newFakeHub(t testing.TB) *fakeHub {
	h := &fakeHub{tokens: make(map[string]authz.Answer), asked: make(map[string]int)}
	h.set("alice", "alice", "s-alice", "access:servers!server=alice/")
	h.set("bob", "bob", "s-bob", "access:servers!server=alice/")
	h.set("carol", "carol", "s-carol", "access:servers!server=alice/")
	h.set("dave", "dave", "s-dave")
	h.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		calls := h.calls
		h.mu.Unlock()
		if calls != nil {
			calls(w, r)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(h.server.Close)
	return h
}

// Ask implements [authz.Asker].
func (h *fakeHub) Ask(ctx context.Context, token authz.Token) (authz.Answer, error) {
	h.mu.Lock()
	h.asked[token.Reveal()]++
	a, away, block, asking := h.tokens[token.Reveal()], h.away, h.block, h.asking
	h.mu.Unlock()
	if asking != nil {
		asking <- token.Reveal()
	}
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return authz.Answer{}, ctx.Err()
		}
	}
	return a, away
}

// set says whose a token is, and what it may.
func (h *fakeHub) set(token, user, session string, scopes ...string) {
	h.answer(token, authz.Answer{Kind: authz.KindUser, Name: authz.User(user), Session: session, Access: scopes})
}

// answer sets everything that the Hub says of a token.
func (h *fakeHub) answer(token string, a authz.Answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tokens[token] = a
}

// forget makes a token unknown.
func (h *fakeHub) forget(token string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.tokens, token)
}

// goAway makes all questions fail; nil brings the Hub back.
func (h *fakeHub) goAway(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = err
}

// hang makes questions wait until the function it returns is called. Their
// answers are those of the moment at which they were asked.
func (h *fakeHub) hang() (asking <-chan string, goOn func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	block, begun := make(chan struct{}), make(chan string, 100)
	h.block, h.asking = block, begun
	return begun, func() {
		h.mu.Lock()
		h.block, h.asking = nil, nil
		h.mu.Unlock()
		close(block)
	}
}

// on sets what the Hub answers to calls.
func (h *fakeHub) on(f http.HandlerFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = f
}

func (h *fakeHub) count(token string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asked[token]
}

var errAway = errors.New("connection refused")

// echo is a WebSocket server: it accepts, sends every frame back unmasked, and
// tells what it got.
func echo(got chan<- string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: "+acceptOf(r.Header.Get("Sec-WebSocket-Key"))+"\r\n\r\n")
		for {
			op, payload, err := readFrame(rw.Reader)
			if err != nil {
				return
			}
			if got != nil {
				got <- string(payload)
			}
			if _, err := conn.Write(clearFrame(op, payload)); err != nil {
				return
			}
		}
	}
}

// socket is a client's WebSocket.
type socket struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

const socketKey = "dGhlIHNhbXBsZSBub25jZQ=="

// handshake sends a handshake and returns the answer.
func (r *rig) handshake(path string, fields ...string) (*socket, *http.Response) {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nOrigin: http://%s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s\r\n", path, r.addr, r.addr, socketKey,
		strings.Join(append(slices.Clone(fields), ""), "\r\n"))
	s := &socket{t: r.t, conn: conn, r: bufio.NewReader(conn)}
	res, err := http.ReadResponse(s.r, nil)
	if err != nil {
		r.t.Fatalf("handshake: %v", err)
	}
	return s, res
}

// open opens a WebSocket.
func (r *rig) open(path string, fields ...string) *socket {
	r.t.Helper()
	s, res := r.handshake(path, fields...)
	if res.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(res.Body)
		r.t.Fatalf("handshake: %s %s", res.Status, body)
	}
	return s
}

// say sends a text message.
func (s *socket) say(text string) {
	s.t.Helper()
	if _, err := s.conn.Write(maskedFrame(0x1, []byte(text))); err != nil {
		s.t.Fatalf("sending %q: %v", text, err)
	}
}

// hear returns the next frame; a close frame is "close <code> <reason>", the
// end of the connection is "end".
func (s *socket) hear() string {
	op, payload, err := readFrame(s.r)
	switch {
	case err != nil:
		return "end"
	case op == 0x8 && len(payload) >= 2:
		return fmt.Sprintf("close %d %s", int(payload[0])<<8|int(payload[1]), payload[2:])
	}
	return string(payload)
}

// quiet fails if anything arrives within d.
func (s *socket) quiet(d time.Duration) {
	s.t.Helper()
	_ = s.conn.SetReadDeadline(time.Now().Add(d))
	if b, err := s.r.Peek(1); err == nil {
		s.t.Errorf("something passed while held: %#x", b)
	}
	_ = s.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
}

// syncBuffer is a log that tests read and wait for.
type syncBuffer struct {
	mu    sync.Mutex
	b     strings.Builder
	wrote chan struct{} // closed at the next line, if somebody waits
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wrote != nil {
		close(b.wrote)
		b.wrote = nil
	}
	return b.b.Write(p)
}

// waitFor waits until the log contains text.
func (b *syncBuffer) waitFor(t testing.TB, text string) {
	t.Helper()
	for {
		b.mu.Lock()
		if strings.Contains(b.b.String(), text) {
			b.mu.Unlock()
			return
		}
		if b.wrote == nil {
			b.wrote = make(chan struct{})
		}
		wrote := b.wrote
		b.mu.Unlock()
		await(t, wrote, "the log says "+text)
	}
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
