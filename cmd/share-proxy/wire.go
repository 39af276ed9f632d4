package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
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
	// Ready reports whether the first load of the table is done.
	Ready func() bool
}

// wire connects the parts of the program. It starts nothing.
func wire(_ context.Context, _ Config, _ *slog.Logger, _ *prometheus.Registry) (*parts, error) {
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not wired", http.StatusServiceUnavailable)
	})
	return &parts{
		Public: &http.Server{Handler: refuse, ReadHeaderTimeout: 10 * time.Second},
		API:    refuse,
		Run:    func(ctx context.Context) error { <-ctx.Done(); return nil },
		Drain:  func(context.Context) error { return nil },
		Ready:  func() bool { return true },
	}, nil
}
