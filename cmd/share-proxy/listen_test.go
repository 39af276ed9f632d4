package main

import (
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestKeepAliveIsTheFlagsWhereGiven(t *testing.T) {
	for given, want := range map[time.Duration]time.Duration{0: time.Minute, time.Second: time.Second} {
		p := newTestParts()
		p.Public.IdleTimeout = time.Minute
		cfg := defaults()
		cfg.Flags = Flags{IP: "127.0.0.1", APIIP: "127.0.0.1", KeepAliveTimeout: given}
		s, err := bindAll(t.Context(), cfg, slog.New(slog.DiscardHandler), &p.parts, prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
		if got := p.Public.IdleTimeout; got != want {
			t.Errorf("--keep-alive-timeout %v: IdleTimeout = %v, want %v", given, got, want)
		}
	}
}

func TestOnlyPublicListenersAreWrapped(t *testing.T) {
	p := newTestParts()
	wrapped := 0
	p.WrapPublic = func(l net.Listener) net.Listener { wrapped++; return l }
	start(t, p, time.Second)
	if wrapped != 1 {
		t.Errorf("%d listeners wrapped, want the public one", wrapped)
	}
}

func TestAPortInUseIsAFaultAndLeavesNothingBound(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	port := taken.Addr().(*net.TCPAddr).Port
	free := freePort(t)
	for name, set := range map[string]func(*Flags){
		"public":  func(f *Flags) { f.Port, f.APIPort = port, free },
		"api":     func(f *Flags) { f.Port, f.APIPort = free, port },
		"metrics": func(f *Flags) { f.Port = free; f.MetricsIP, f.MetricsPort = "127.0.0.1", port },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := defaults()
			cfg.Flags.IP, cfg.Flags.Port, cfg.Flags.APIIP, cfg.Flags.APIPort = "127.0.0.1", 0, "127.0.0.1", 0
			set(&cfg.Flags)
			_, err := bindAll(t.Context(), cfg, slog.New(slog.DiscardHandler), &newTestParts().parts, prometheus.NewRegistry())
			if err == nil || strings.Count(err.Error(), "\n") != 0 || !strings.Contains(err.Error(), "cannot bind the "+name+" listener") {
				t.Errorf("bindAll = %v, want one line that names the listener", err)
			}
			unbound(t, free)
		})
	}
}

// unbound fails the test if something listens on port.
func unbound(t *testing.T, port int) {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		t.Errorf("it was left bound: %v", err)
		return
	}
	_ = l.Close()
}

func TestHalfOfLocalhostIsAFault(t *testing.T) {
	taken, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skipf("no IPv6 here: %v", err)
	}
	defer func() { _ = taken.Close() }()
	listeners, err := listen(t.Context(), "localhost", taken.Addr().(*net.TCPAddr).Port)
	if err == nil {
		t.Errorf("listen = %v, want a fault: somebody else has the port on ::1", listeners)
	}
}

func TestLocalhostIsBothLoopbacks(t *testing.T) {
	listeners, err := listen(t.Context(), "localhost", 0)
	if err != nil {
		t.Fatal(err)
	}
	var addrs []string
	for _, l := range listeners {
		addrs = append(addrs, l.Addr().(*net.TCPAddr).IP.String())
		_ = l.Close()
	}
	if addrs[0] != "127.0.0.1" || len(addrs) == 2 && addrs[1] != "::1" || len(addrs) > 2 {
		t.Errorf("localhost is %v, want 127.0.0.1 and ::1 where there is one", addrs)
	}
}
