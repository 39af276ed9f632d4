package proxy_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
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
		NewLedger: func(c authz.Clock, a ledger.Apply) ledger.Ledger {
			return ledger.NewMemory(ledger.Options{Clock: c, Apply: a})
		},
		Rule:   authz.Rule{Bound: bound, Guests: guests, Owners: 5 * time.Second, Grace: time.Minute},
		Budget: 1000, HubAPI: func() (*url.URL, error) { return api, nil },
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
