// Command chaos runs three replicas of share-proxy on a real Redis with
// Sentinels, breaks what they depend on by a plan made from a seed, while people
// work and are revoked all the time, and checks what was seen against what is
// promised.
//
// It exits with 1 if a promise was broken. The plan can be run again with its
// seed; the machine's own timing differs from run to run, so a breach that needs
// one may take several.
//
// What it does not do: it needs no JupyterHub. The Hub and the servers are stubs
// that write down when what happened; clients and stubs are one process, so that
// all times are of one clock.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/history"
)

// options are the command line.
type options struct {
	settings
	binary   string
	logs     string
	seed     uint64
	limit    time.Duration
	only     *regexp.Regexp
	replicas int
}

func main() { os.Exit(run(os.Args[1:], os.Stdout)) }

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.StringVar(&o.binary, "bin", "bin/share-proxy", "the `program`")
	flags.StringVar(&o.logs, "logs", "build/chaos", "`folder` for what the programs say")
	flags.Uint64Var(&o.seed, "seed", 0, "of the plan; 0: a new one")
	flags.DurationVar(&o.limit, "time", 4*time.Minute, "until which faults at random go on when the plan is through")
	only := flags.String("only", "", "`regexp` of schedules to play")
	flags.DurationVar(&o.bound, "bound", time.Second, "Δ")
	// Longer than the default: who goes by an old answer then shows for longer.
	flags.DurationVar(&o.guests, "guests", 8*time.Second, "T for guests")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.replicas = 3
	if o.seed == 0 {
		o.seed = rand.Uint64N(1_000_000)
	}
	if o.logs, err = filepath.Abs(o.logs); err != nil { // programs change their folder
		return o, err
	}
	o.only, err = regexp.Compile(*only)
	return o, err
}

func run(args []string, out io.Writer) int {
	o, err := parse(args)
	if err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fmt.Fprintf(out, "seed %d\n", o.seed)
	log := history.NewLog()
	failed := play(ctx, o, log, out)
	h := log.History()
	if err := keep(h, filepath.Join(o.logs, "seen.json")); err != nil {
		failed = errors.Join(failed, err)
	}
	code := report(out, o, promised(o.settings), h)
	if failed != nil { // what was seen until then is told all the same
		fmt.Fprintf(out, "chaos: %v (logs in %s)\n", failed, o.logs)
		return 1
	}
	return code
}

// promised is what is promised with these settings, as far as it can be
// measured here.
func promised(s settings) history.Promise {
	return history.Promise{
		Bound: s.bound, Guests: s.guests,
		// Two cores for nine processes: what takes a millisecond may wait for a
		// tenth of a second. What passes is not measured with it.
		Hop: 300 * time.Millisecond,
		// What lies in buffers behind the proxy is read at once, by goroutines
		// that do nothing else.
		Margin: 150 * time.Millisecond,
		Settle: time.Second,
		// What is dialled, asked or looked for again is so every few seconds.
		Recover: 10 * time.Second,
	}
}

// play starts the world, plays the plan and ends the world.
func play(ctx context.Context, o options, log *history.Log, out io.Writer) error {
	if err := errors.Join(os.RemoveAll(o.logs), os.MkdirAll(o.logs, 0o755)); err != nil {
		return err
	}
	w, err := newWorld(ctx, o, log)
	defer w.close()
	if err != nil {
		return err
	}
	watched := make(chan struct{})
	defer close(watched)
	go log.Watch(watched, 20*time.Millisecond)
	rnd := rand.New(rand.NewPCG(o.seed, 0))
	whole := promised(o.settings).Recover
	if err := w.recover(ctx, whole); err != nil {
		return err
	}
	for _, sch := range plan(rnd) {
		own := fork(rnd) // even if it is not played: what is, is the same
		if !o.only.MatchString(sch.name) {
			continue
		}
		if err := w.run(ctx, sch, own, whole, out); err != nil {
			return err
		}
	}
	for log.Now() < o.limit {
		if err := w.run(ctx, schedule{name: "anything at once", play: anything}, fork(rnd), whole, out); err != nil {
			return err
		}
	}
	return nil
}
