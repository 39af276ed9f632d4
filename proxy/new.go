package proxy

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/page"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/route"
)

// Routes finds the route of a request. [route.Table] implements it; the errors
// are those of package route.
type Routes interface {
	Match(host string, segments []string) (r *route.Route, n int, err error)
}

// Options of a [Proxy]. What has no remark is required.
type Options struct {
	Routes Routes
	Hub    authz.Asker
	// NewLedger returns the log, which Run runs. One that is shared with other
	// replicas is an [authz.Shared] too; one that knows its state has a method
	// Status, as [ledger.Replica] has.
	NewLedger func(authz.Clock, ledger.Apply) ledger.Ledger
	Clock     authz.Clock
	Rule      authz.Rule
	// Budget is the number of re-checks per second, see [authz.NewBudget].
	Budget int
	// HubAPI is the address of the Hub's API; its path tells which paths are
	// the Hub's. An error says that it is not known yet.
	HubAPI func() (*url.URL, error)
	// ErrorTarget has the pages 404 and 503, as CHP's flag. nil: our own.
	ErrorTarget *url.URL
	// Trusted are the networks whose forwarding headers are believed. May be
	// empty.
	Trusted []netip.Prefix
	// Hosts is true when every user has a host name of his own.
	Hosts bool
	// Observe decides and counts, and refuses nobody.
	Observe      bool
	RegrantGrace time.Duration // zero: none
	HoldLimit    time.Duration
	Log          *slog.Logger
	Metrics      prometheus.Registerer
}

// Proxy forwards requests to the servers behind its routes and lets only those
// pass who may. It is safe for concurrent use.
type Proxy struct {
	routes      Routes
	auth        *authz.Authorizer
	ledger      ledger.Ledger
	live        *live.Table
	enforcer    *enforcer
	engine      *httputil.ReverseProxy
	pools       pools
	turns       *turns
	doubts      doubts
	pages       *page.Pages
	errorPages  *http.Transport
	metrics     *metrics
	log         *slog.Logger
	rule        authz.Rule
	hubAPI      func() (*url.URL, error)
	errorTarget *url.URL
	trusted     []netip.Prefix
	hosts       bool
	observe     bool
	replicas    bool        // the log is shared with other replicas
	warned      atomic.Bool // about forged headers
}

// New connects a proxy. ctx ends its background work, for which [Proxy.Run]
// waits.
func New(ctx context.Context, o Options) (*Proxy, error) {
	pages, err := page.New()
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		routes: o.Routes, pages: pages, log: o.Log, rule: o.Rule,
		hubAPI: o.HubAPI, errorTarget: o.ErrorTarget,
		trusted: o.Trusted, hosts: o.Hosts, observe: o.Observe,
		pools: newPools(), turns: newTurns(), doubts: newDoubts(), errorPages: newErrorTransport(),
	}
	e := &enforcer{
		clock: o.Clock, grace: o.RegrantGrace, limit: o.HoldLimit, observe: o.Observe,
		ctx: ctx, audit: p.audit,
	}
	p.enforcer = e
	p.live = live.NewTable(live.Options{Age: e.age, Recheck: e.recheck, Cut: p.auditCut})
	p.ledger = o.NewLedger(o.Clock, e.apply)
	shared, replicas := p.ledger.(authz.Shared)
	p.replicas = replicas
	budget := authz.NewBudget(o.Clock, o.Budget)
	p.auth = authz.NewAuthorizer(ctx, authz.Options{
		Hub: o.Hub, Lease: p.ledger, Clock: o.Clock, Rule: o.Rule, Budget: budget,
		Shared: shared, Observe: p.lookup,
	})
	e.auth, e.live, e.log = p.auth, p.live, p.ledger
	p.engine = p.newEngine()
	p.metrics, err = newMetrics(o.Metrics, collector{live: p.live, clock: o.Clock, log: p.ledger, budget: budget})
	return p, err
}

func (p *Proxy) lookup(found authz.Lookup) { p.metrics.lookups.WithLabelValues(found.String()).Inc() }

// newErrorTransport is for error pages only.
func newErrorTransport() *http.Transport {
	return &http.Transport{
		Proxy: nil, DisableCompression: true, MaxIdleConnsPerHost: 4,
		IdleConnTimeout: idleTime, MaxResponseHeaderBytes: headLimit,
	}
}

// Loaded returns nil when the records of the log are read, or ctx's error. Run
// must have been called.
func (p *Proxy) Loaded(ctx context.Context) error { return p.ledger.Loaded(ctx) }

// Run does the background work until ctx, the one that New had, ends; then it
// waits for everything that the proxy has started. Nothing of it fails.
func (p *Proxy) Run(ctx context.Context) error {
	log, leave := context.WithCancel(context.WithoutCancel(ctx)) // the log is left last
	var logging sync.WaitGroup
	logging.Go(func() { p.ledger.Run(log) })
	var doubting sync.WaitGroup
	doubting.Go(func() { p.askOn(ctx) })
	p.enforcer.run(ctx)
	doubting.Wait()
	p.turns.close()
	p.auth.Close()
	p.enforcer.end()
	leave()
	logging.Wait()
	p.errorPages.CloseIdleConnections()
	p.pools.close()
	return nil
}

// ObserveHub counts a question to the Hub, for package hub.
func (p *Proxy) ObserveHub(op, outcome string, took time.Duration) {
	p.metrics.hub.WithLabelValues(op, outcome).Observe(took.Seconds())
}

// ObserveAcknowledged takes how long all replicas took to confirm an entry, for
// [ledger.ReplicaOptions].
func (p *Proxy) ObserveAcknowledged(took time.Duration) {
	p.metrics.acknowledge.Observe(took.Seconds())
}

// ObserveRouteCall counts a call of the route API by its name in package
// routeapi.
func (p *Proxy) ObserveRouteCall(op string, status int) { p.metrics.routeCall(op, status) }

// RouteEnded cuts what goes through a route that is gone, and drops its
// connections. The Hub deletes the route of a server before it stops it.
// Observing, it leaves what is open to the server's own end, as CHP does.
func (p *Proxy) RouteEnded(r *route.Route) {
	p.pools.drop(r)
	if r.Server.IsZero() || p.observe {
		return
	}
	for _, x := range p.live.Concerned([]authz.Subject{
		{Kind: authz.AboutServer, Name: string(r.Server.Owner), Server: r.Server.Name},
	}) {
		x.Cut(live.ErrServerStopped)
	}
}

// trusts reports whether the forwarding headers of a peer are believed.
func (p *Proxy) trusts(addr netip.Addr) bool {
	for _, network := range p.trusted {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}
