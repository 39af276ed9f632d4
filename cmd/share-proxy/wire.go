package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/hub"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/route"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/routeapi"
)

// parts is what wire builds and serve runs.
type parts struct {
	// Public serves the visitors; serve sets nothing of it but ErrorLog where
	// that is nil.
	Public *http.Server
	// WrapPublic, if set, wraps each public listener.
	WrapPublic func(net.Listener) net.Listener
	// API is the route API.
	API http.Handler
	// Run is the background work. It blocks until ctx ends; an error before
	// that ends the program.
	Run func(ctx context.Context) error
	// Drain ends what Shutdown of a server does not: sockets, spread over the
	// time until ctx ends. It returns when nothing is open or ctx has ended.
	Drain func(ctx context.Context) error
	// Loaded returns nil when the table is loaded for the first time, or ctx's
	// error. Run must be under way.
	Loaded func(ctx context.Context) error
	// LoadLimit is how long that is waited for; 0 is as long as it takes.
	LoadLimit time.Duration
}

// wire connects the parts of the program. It starts nothing; ctx is their life.
func wire(ctx context.Context, cfg Config, log *slog.Logger, reg *prometheus.Registry) (*parts, error) {
	store, err := openStore(cfg, log)
	if err != nil {
		return nil, err
	}
	table := route.NewTable(cfg.Flags.HostRouting)
	routes := route.NewShared(table, log)
	if err := addDefault(ctx, table, cfg.Flags.DefaultTarget); err != nil {
		return nil, err
	}
	hubAPI := hubAddress(cfg, table)
	var p *proxy.Proxy
	client, err := newHub(hubAPI, func(op hub.Op, outcome hub.Outcome, took time.Duration) {
		p.ObserveHub(string(op), string(outcome), took)
	})
	if err != nil {
		return nil, err
	}
	var entries ledger.Ledger
	var fault error
	work, end := context.WithCancel(ctx)
	p, err = proxy.New(work, proxy.Options{
		Routes: table, Hub: client,
		NewLedger: func(clock authz.Clock, apply ledger.Apply) ledger.Ledger {
			opts := ledger.Options{Clock: clock, Apply: apply, Keep: routes.Keep}
			entries, fault = store.newLedger(cfg, opts, log, func(took time.Duration) { p.ObserveAcknowledged(took) })
			return entries
		},
		Clock: bootClock(),
		Rule: authz.Rule{
			Bound: cfg.RevocationBound, Guests: cfg.RecheckGuests,
			Owners: cfg.RecheckOwners, Grace: cfg.OwnerGrace,
		},
		Budget: cfg.HubBudget, HubAPI: hubAPI, ErrorTarget: cfg.Flags.ErrorTarget,
		Trusted: cfg.TrustedProxies, Hosts: cfg.Flags.HostRouting, Observe: cfg.Enforce == Observing,
		RegrantGrace: cfg.RegrantGrace, HoldLimit: cfg.HoldLimit,
		Log: log, Metrics: reg,
	})
	if err = errors.Join(err, fault); err != nil {
		end()
		return nil, err
	}
	table.Ended = p.RouteEnded
	routes.Attach(entries)
	return &parts{
		Public: p.Server(), WrapPublic: proxy.Listen,
		API: routeapi.New(routeapi.Options{
			Table: routes, Log: log, Token: cfg.APIToken.Reveal(),
			HostRouting: cfg.Flags.HostRouting,
			OnCall:      func(op routeapi.Op, status int) { p.ObserveRouteCall(string(op), status) },
		}),
		Run: func(ctx context.Context) error {
			defer store.close()
			return runWork(ctx, work, end, p, routes, store, log)
		},
		Drain: p.Drain, Loaded: p.Loaded, LoadLimit: store.loadLimit(),
	}, nil
}

// runWork does the background work until ctx ends; work is the one of p, which
// end ends.
func runWork(ctx, work context.Context, end func(), p *proxy.Proxy, routes *route.Shared, store store, log *slog.Logger) error {
	var beside sync.WaitGroup
	beside.Go(func() { store.examine(ctx, log) })
	beside.Go(func() {
		if p.Loaded(ctx) == nil { // times of activity are for routes that are there
			routes.Run(ctx)
		}
		<-ctx.Done()
		end() // and not before: the last times go through the log
	})
	err := p.Run(work)
	beside.Wait()
	return err
}

// newHub returns the Hub's client for an address that may be learned later.
func newHub(api func() (*url.URL, error), observe func(hub.Op, hub.Outcome, time.Duration)) (*hub.Client, error) {
	return hub.New(hub.Options{
		URL: func() (string, error) {
			u, err := api()
			if err != nil {
				return "", err
			}
			return u.String(), nil
		},
		Observe: observe,
	})
}

// addDefault makes --default-target the root route, as CHP does: the Hub
// overwrites it with its own.
func addDefault(ctx context.Context, table *route.Table, target *url.URL) error {
	if target == nil {
		return nil
	}
	r, err := route.New("/", target.String(), nil, time.Now())
	if err != nil {
		return err
	}
	return table.Add(ctx, r)
}

var errHubUnknown = errors.New("the address of the hub's API is not known: no JUPYTERHUB_API_URL, no --error-target, no route to the hub")

// hubAddress returns what finds the address of the Hub's API: in the
// settings, else in the Hub's own route, which is looked for again only when
// it has ended.
func hubAddress(cfg Config, table *route.Table) func() (*url.URL, error) {
	if u := cfg.hubAPI(); u != nil {
		return func() (*url.URL, error) { return u, nil }
	}
	var known atomic.Pointer[route.Route]
	return func() (*url.URL, error) {
		r := known.Load()
		if r == nil || r.Ended() {
			if r = hubRoute(table); r == nil {
				return nil, errHubUnknown
			}
			known.Store(r)
		}
		return hubBehind(r.Target, r.Path, cfg.Flags.HostRouting), nil
	}
}

// hubRoute returns the Hub's own route, or nil.
func hubRoute(table *route.Table) *route.Route {
	for _, r := range table.All(context.Background()) {
		if r.Class == route.ClassHub {
			return r
		}
	}
	return nil
}
