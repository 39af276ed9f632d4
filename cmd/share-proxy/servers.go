package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// servers are the bound listeners and the servers behind them.
type servers struct {
	log                *slog.Logger
	public, api, admin *boundServer
	settle             time.Duration
	loaded             atomic.Bool // ready
	stopping           atomic.Bool // not ready any more
}

// boundServer is one server with the listeners that it has; without any it is
// off.
type boundServer struct {
	name      string
	http      *http.Server
	listeners []net.Listener
}

// bindAll binds the listeners of all servers, or none.
func bindAll(ctx context.Context, cfg Config, log *slog.Logger, p *parts, reg *prometheus.Registry) (*servers, error) {
	s := &servers{
		log: log, settle: settleTime,
		public: &boundServer{name: "public", http: p.Public},
		api:    &boundServer{name: "api", http: newAPIServer(p.API)},
	}
	s.admin = &boundServer{name: "metrics", http: newAdminServer(adminHandler(func() bool {
		return s.loaded.Load() && !s.stopping.Load()
	}, reg))}
	f := cfg.Flags
	if f.KeepAliveTimeout > 0 {
		s.public.http.IdleTimeout = f.KeepAliveTimeout
	}
	err := errors.Join(
		s.public.bind(ctx, f.IP, f.Port, log),
		s.api.bind(ctx, f.APIIP, f.APIPort, log),
	)
	if f.MetricsPort != 0 {
		err = errors.Join(err, s.admin.bind(ctx, f.MetricsIP, f.MetricsPort, log))
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	if p.WrapPublic != nil {
		for i, l := range s.public.listeners {
			s.public.listeners[i] = p.WrapPublic(l)
		}
	}
	return s, nil
}

// newAPIServer returns the server of the route API. Its bodies are small, so
// that all of a request has a limit; answers are not limited, a table with
// many routes is large.
func newAPIServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute, // the Hub's client keeps connections
		MaxHeaderBytes:    16 << 10,        // CHP's limit
	}
}

// newAdminServer returns the server of metrics and readiness.
func newAdminServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute, // longer than scrapes are apart
		MaxHeaderBytes:    16 << 10,
	}
}

func (s *servers) all() []*boundServer { return []*boundServer{s.public, s.api, s.admin} }

func (s *servers) listeners() (n int) {
	for _, b := range s.all() {
		n += len(b.listeners)
	}
	return n
}

// close closes listeners that are not served yet.
func (s *servers) close() error {
	var errs []error
	for _, b := range s.all() {
		for _, l := range b.listeners {
			errs = append(errs, l.Close())
		}
	}
	return errors.Join(errs...)
}

// bind binds the listeners of b and gives its server the program's log.
func (b *boundServer) bind(ctx context.Context, host string, port int, log *slog.Logger) error {
	listeners, err := listen(ctx, host, port)
	if err != nil {
		return fmt.Errorf("cannot bind the %s listener: %w", b.name, err)
	}
	b.listeners = listeners
	if b.http.ErrorLog == nil {
		b.http.ErrorLog = slog.NewLogLogger(log.With("server", b.name).Handler(), slog.LevelWarn)
	}
	return nil
}

// run serves until ctx ends, which begins the drain, or until anything fails,
// which ends everything. All that it starts has ended when it returns.
//
// Metrics are served first, then the table is loaded, and only then are
// visitors and the Hub: whoever connects meanwhile waits in the listener's
// queue, so that nobody is told of a route that it is not there, and the Hub
// finds both ports open (it gives them 10 s).
func (s *servers) run(ctx, life context.Context, p *parts, drain time.Duration) error {
	life, end := context.WithCancel(life)
	defer end()
	var running sync.WaitGroup
	failed := make(chan error, 2+s.listeners()) // nobody who fails waits
	running.Go(func() {
		if err := p.Run(life); err != nil {
			failed <- fmt.Errorf("background work: %w", err)
		}
	})
	serve := func(b *boundServer) {
		for _, l := range b.listeners {
			running.Go(func() {
				if err := b.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
					failed <- fmt.Errorf("%s listener: %w", b.name, err)
				}
			})
			s.log.InfoContext(ctx, "listening", "server", b.name, "addr", l.Addr().String())
		}
	}
	serve(s.admin)
	loading, giveUp := context.WithCancel(ctx)
	running.Go(func() {
		if err := s.load(loading, p); err != nil {
			failed <- err
		}
		serve(s.public) // also after the end: it closes the listener
		serve(s.api)
	})
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	giveUp()
	err = errors.Join(err, s.stop(life, p, drain, end))
	running.Wait()
	return err
}

// load waits for the first load of the table, and then is ready. A store that
// is away is waited for until the limit of the parts is over: routes then come
// from the Hub, or from the store when it is back.
func (s *servers) load(ctx context.Context, p *parts) error {
	waiting, cancel := ctx, context.CancelFunc(func() {})
	if p.LoadLimit > 0 {
		waiting, cancel = context.WithTimeout(ctx, p.LoadLimit)
	}
	defer cancel()
	began := time.Now()
	err := p.Loaded(waiting)
	switch {
	case ctx.Err() != nil:
		return nil // the end came first
	case err == nil:
		s.log.InfoContext(ctx, "the table is loaded", "took", time.Since(began).String())
	case waiting.Err() != nil:
		s.log.WarnContext(ctx, "the table could not be loaded; going on without until the store answers or the hub writes its routes", "waited", p.LoadLimit.String())
	default:
		return fmt.Errorf("loading the table: %w", err)
	}
	s.loaded.Store(true)
	return nil
}

// settleTime is from the end of accepting to the drain, in which nothing new
// begins: a request that had arrived by then has begun, and is served. One that
// arrives later finds its connection closed, which a load balancer repeats
// elsewhere; it does not repeat a 503.
const settleTime = 250 * time.Millisecond

// stop ends the servers: not ready and no new connections, then what is open
// finishes within limit, then the route API, the background work and, last,
// metrics, so that the end can be watched. What the limit cuts off is no
// error.
func (s *servers) stop(ctx context.Context, p *parts, limit time.Duration, endWork func()) error {
	s.stopping.Store(true)
	s.log.InfoContext(ctx, "draining", "limit", limit.String())
	began := time.Now()
	draining, cancel := context.WithTimeout(ctx, limit)
	defer cancel()

	var drained, closed error
	var both sync.WaitGroup
	shut := make(chan struct{})
	both.Go(func() {
		defer close(shut)
		closed = s.public.http.Shutdown(draining)
	})
	both.Go(func() {
		settled := time.NewTimer(s.settle)
		defer settled.Stop()
		select {
		case <-shut:
		case <-settled.C:
		case <-draining.Done():
		}
		drained = p.Drain(draining)
	})
	both.Wait()
	err := errors.Join(expected(drained), expected(closed), s.public.http.Close())

	// Calls of the Hub under way are short; two seconds see them through.
	short, cancelShort := context.WithTimeout(ctx, 2*time.Second)
	defer cancelShort()
	err = errors.Join(err, expected(s.api.http.Shutdown(short)), s.api.http.Close())
	endWork()
	err = errors.Join(err, expected(s.admin.http.Shutdown(short)), s.admin.http.Close())
	s.log.InfoContext(ctx, "drained", "took", time.Since(began).String(), "cut_off", closed != nil || drained != nil)
	return err
}

// expected returns err unless it says that a limit of stop has passed.
func expected(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
