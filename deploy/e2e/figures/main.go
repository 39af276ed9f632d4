// Command figures measures what several replicas on one Redis cost: real processes, a real redis-server and real connections on one
// machine, with a hub and a user server of a few lines, so that the figures are those of the proxy and of Redis. It prints a table
// and judges nothing.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

func main() {
	program := flag.String("proxy", "bin/share-proxy", "the program to measure")
	rounds := flag.Int("rounds", 1000, "rounds of revoking and posting")
	only := flag.String("only", "", "part of the name of the figures to take; empty: all")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	failed := false
	for _, f := range []struct {
		name string
		take func(ctx context.Context, w *world, rounds int) error
	}{
		{"revoke", revoke}, {"everybody", everybody}, {"load", load}, {"routes", routes}, {"alone", alone},
	} {
		if !strings.Contains(f.name, *only) || ctx.Err() != nil {
			continue
		}
		if err := inWorld(*program, func(w *world) error { return f.take(ctx, w, *rounds) }); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", f.name, err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

// line prints one figure.
func line(name, format string, args ...any) {
	fmt.Printf("%-100s %s\n", name, fmt.Sprintf(format, args...))
}

// times prints median, 99th percentile and worst of many durations.
func times(name string, all []time.Duration) {
	if len(all) == 0 {
		line(name, "none")
		return
	}
	slices.Sort(all)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	line(name, "median %.2f ms, p99 %.2f ms, worst %.2f ms of %d", ms(all[len(all)/2]), ms(all[len(all)*99/100]), ms(all[len(all)-1]), len(all))
}
