package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// serveCommand is `share-proxy serve [flags]`: it runs until ctx ends or
// SIGTERM or SIGINT comes. A second signal ends the process at once.
func serveCommand(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	cfg, warnings, err := loadConfig(args, environ)
	switch {
	case cfg.Flags.Help:
		fmt.Fprint(stdout, flagHelp())
		return 0
	case cfg.Flags.Version:
		fmt.Fprintln(stdout, currentBuild().Version)
		return 0
	case err != nil:
		complain(stderr, err)
		return 1
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	if err := serve(ctx, cfg, newLogger(cfg, stdout), warnings); err != nil {
		complain(stderr, err)
		return 1
	}
	return 0
}

// untilSignal returns a context that SIGTERM and SIGINT end. After the first,
// the next has its default effect: it ends the process.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// complain prints one line per fault.
func complain(stderr io.Writer, err error) {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(stderr, "share-proxy: %s\n", strings.TrimSuffix(line, "\n"))
	}
}

// serve is the life of the program: parts, listeners, work, drain. It returns
// nil after an orderly end.
func serve(ctx context.Context, cfg Config, log *slog.Logger, warnings []string) (err error) {
	b := currentBuild()
	log.InfoContext(ctx, "share-proxy starts", "version", b.Version, "commit", b.Commit, "go", b.Go, "config", cfg)
	for _, warning := range warnings {
		log.WarnContext(ctx, warning) //nolint:sloglint // the sentence is the message
	}
	if names := cfg.unusedSecrets(); len(names) > 0 {
		log.InfoContext(ctx, "secrets are set that nothing uses in this version", "variables", names)
	}

	// What runs must outlive the signal: it is ended by the steps of drain.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	reg, err := newRegistry()
	if err != nil {
		return err
	}
	p, err := wire(life, cfg, log, reg)
	if err != nil {
		return err
	}
	servers, err := bindAll(ctx, cfg, log, p, reg)
	if err != nil {
		return err
	}
	removePIDFile, err := writePIDFile(cfg.Flags.PIDFile)
	if err != nil {
		return errors.Join(err, servers.close())
	}
	defer func() { err = errors.Join(err, removePIDFile()) }()
	return servers.run(ctx, life, p, cfg.Drain)
}

// newRegistry returns a registry with the collectors of process, runtime and
// build.
func newRegistry() (*prometheus.Registry, error) {
	reg := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewGoCollector(),
		collectors.NewBuildInfoCollector(),
	} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return reg, nil
}

// writePIDFile writes the process id to file, if one is named, and returns
// what removes it.
func writePIDFile(file string) (remove func() error, err error) {
	if file == "" {
		return func() error { return nil }, nil
	}
	if err := os.WriteFile(file, []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil { //nolint:gosec // others read it, as CHP's
		return nil, fmt.Errorf("--pid-file: %w", err)
	}
	return func() error { return os.Remove(file) }, nil
}
