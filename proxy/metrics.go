package proxy

import (
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/route"
)

// metrics are CHP's nine names, and ours, as docs/operations.md has them. All labels
// come from closed sets.
type metrics struct {
	find, touch      prometheus.Summary
	web, sockets     prometheus.Counter
	proxied, api     *prometheus.CounterVec
	get, add, remove prometheus.Counter
	decisions        *prometheus.CounterVec
	hub              *prometheus.HistogramVec
	cuts             *prometheus.CounterVec
	lookups          *prometheus.CounterVec
	requests         *prometheus.HistogramVec
	revocation       prometheus.Histogram
	acknowledge      prometheus.Histogram
}

// newMetrics makes and registers them.
func newMetrics(reg prometheus.Registerer, state collector) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	summary := func(name, help string) prometheus.Summary {
		return prometheus.NewSummary(prometheus.SummaryOpts{Name: name, Help: help, Objectives: map[float64]float64{
			0.01: 0.001, 0.05: 0.001, 0.5: 0.01, 0.9: 0.01, 0.95: 0.001, 0.99: 0.001, 0.999: 0.0001,
		}})
	}
	seconds := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	}
	m := &metrics{
		find:    summary("find_target_for_req", "Time to find the route of a request, in seconds."),
		touch:   summary("last_activity_updating", "Time to record the activity of a request, in seconds."),
		web:     counter("requests_web", "Requests that are no upgrades."),
		sockets: counter("requests_ws", "WebSocket upgrades."),
		proxied: counters("requests_proxy", "Answers to requests that are no upgrades, by status.", "status"),
		api:     counters("requests_api", "Answers of the route API, by status.", "status"),
		get:     counter("api_route_get", "Listings of all routes."),
		add:     counter("api_route_add", "Routes that were written."),
		remove:  counter("api_route_delete", "Routes that were deleted, or not there."),

		decisions: counters("share_proxy_decisions_total", "Decisions about requests to user servers.", "decision", "reason", "relation"),
		cuts:      counters("share_proxy_cuts_total", "Exchanges that were cut.", "cause"),
		lookups:   counters("share_proxy_cache_lookups_total", "Look-ups of the Hub's answers.", "result"),
		hub: seconds("share_proxy_hub_request_duration_seconds", "Questions to the Hub.",
			prometheus.ExponentialBuckets(0.0005, 2.5, 12), "op", "outcome"),
		requests: seconds("share_proxy_request_duration_seconds", "Requests, whole.",
			prometheus.ExponentialBuckets(0.0005, 4, 10), "route_class"),
		revocation: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "share_proxy_revocation_duration_seconds", Help: "From a revocation seen to the last exchange cut or opened again.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
		acknowledge: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "share_proxy_acknowledge_duration_seconds", Help: "From an entry of the log applied here to the last replica's confirmation.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14), // to 4 s: Δ is 1 s
		}),
	}
	return m, register(reg,
		m.find, m.touch, m.web, m.sockets, m.proxied, m.api, m.get, m.add, m.remove,
		m.decisions, m.cuts, m.lookups, m.hub, m.requests, m.revocation, m.acknowledge, state)
}

func register(reg prometheus.Registerer, collectors ...prometheus.Collector) error {
	var errs []error
	for _, c := range collectors {
		errs = append(errs, reg.Register(c))
	}
	return errors.Join(errs...)
}

// finding times the search of a route.
func (m *metrics) finding() func() {
	begun := time.Now()
	return func() { m.find.Observe(time.Since(begun).Seconds()) }
}

// touching times the recording of activity.
func (m *metrics) touching() func() {
	begun := time.Now()
	return func() { m.touch.Observe(time.Since(begun).Seconds()) }
}

// request counts a request at its end.
func (m *metrics) request(v *visit, class string, status int, took time.Duration) {
	if !v.socket {
		m.web.Inc()
		m.proxied.WithLabelValues(statusLabel(status)).Inc()
	}
	m.requests.WithLabelValues(class).Observe(took.Seconds())
	if v.route == nil || v.route.Class != route.ClassServer {
		return
	}
	decision := "deny"
	switch {
	case v.decision.Allow:
		decision = "allow"
	case v.refused == "no_decision":
		decision = "none"
	}
	m.decisions.WithLabelValues(decision, v.decision.Reason.String(), v.decision.Relation.String()).Inc()
}

// statusLabel keeps what an upstream can make up out of the labels.
func statusLabel(status int) string {
	if status < 100 || status > 599 {
		return "other"
	}
	return strconv.Itoa(status)
}

// routeCall counts a call of the route API: list, add, delete or another one.
func (m *metrics) routeCall(op string, status int) {
	m.api.WithLabelValues(statusLabel(status)).Inc()
	switch {
	case op == "list":
		m.get.Inc()
	case op == "add" && status < 300:
		m.add.Inc()
	case op == "delete":
		m.remove.Inc()
	}
}

// collector reads the state of the proxy at the moment of a scrape.
type collector struct {
	live   *live.Table
	clock  authz.Clock
	log    ledger.Ledger
	budget *authz.Budget
}

var (
	descConnections = prometheus.NewDesc("share_proxy_connections", "Exchanges that live.", []string{"kind", "relation"}, nil)
	descStore       = prometheus.NewDesc("share_proxy_store_up", "Whether the ledger's store answers.", nil, nil)
	descLease       = prometheus.NewDesc("share_proxy_lease_age_seconds", "How far this replica may be behind the ledger.", nil, nil)
	descDeferred    = prometheus.NewDesc("share_proxy_hub_deferred_total", "Questions to the Hub that had to wait for their turn.", nil, nil)
	descPosition    = prometheus.NewDesc("share_proxy_log_position", "Number of the last entry of the log that is applied here.", nil, nil)
	descReplicas    = prometheus.NewDesc("share_proxy_replicas", "Replicas that this one knows, itself included.", []string{"state"}, nil)
	descUnshared    = prometheus.NewDesc("share_proxy_unshared_records", "Records written here that no other replica knows yet.", nil, nil)
	descRecheck     = prometheus.NewDesc("share_proxy_recheck_age_seconds", "Age of the oldest answer that lets bytes pass.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (c collector) Describe(to chan<- *prometheus.Desc) {
	to <- descConnections
	to <- descStore
	to <- descLease
	to <- descPosition
	to <- descReplicas
	to <- descUnshared
	to <- descRecheck
	to <- descDeferred
}

// Collect implements [prometheus.Collector].
func (c collector) Collect(to chan<- prometheus.Metric) {
	now := c.clock()
	counts := make(map[[2]string]float64)
	var oldest time.Duration
	for _, x := range c.live.All() {
		counts[[2]string{x.Kind.String(), x.Relation().String()}]++
		if a := x.Answer(); a != nil && x.Open() {
			oldest = max(oldest, now.Sub(a.Asked))
		}
	}
	for labels, n := range counts {
		to <- prometheus.MustNewConstMetric(descConnections, prometheus.GaugeValue, n, labels[0], labels[1])
	}
	c.collectLog(to, now)
	to <- prometheus.MustNewConstMetric(descRecheck, prometheus.GaugeValue, oldest.Seconds())
	to <- prometheus.MustNewConstMetric(descDeferred, prometheus.CounterValue, float64(c.budget.Deferred()))
}

// collectLog reads the state of the log. That of a single process is always
// there, and has no other members.
func (c collector) collectLog(to chan<- prometheus.Metric, now authz.Instant) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	gauge(descLease, now.Sub(c.log.Fresh()).Seconds())
	shared, ok := c.log.(interface{ Status() ledger.Status })
	if !ok {
		gauge(descStore, 1)
		return
	}
	status, up := shared.Status(), 0.0
	if status.Up {
		up = 1
	}
	gauge(descStore, up)
	gauge(descPosition, float64(status.Position))
	gauge(descReplicas, float64(status.Members), "live")
	gauge(descReplicas, float64(status.Lost), "lost")
	gauge(descUnshared, float64(status.Unshared))
}
