package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/history"
	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/stub"
)

// heal ends all faults.
func (w *world) heal(ctx context.Context) error {
	w.hub.Asked(nil)
	w.hub.Slow(0)
	w.hub.Feel(stub.Well)
	faults := []error{w.nodes.heal()}
	for _, r := range w.replicas {
		r.resume()
		if !r.running() {
			faults = append(faults, r.start(ctx))
		}
	}
	return errors.Join(faults...)
}

// nodesLimit is for Redis to be one again. Sentinels take 10 s to turn an old
// primary into a replica, and more when a failover of theirs went wrong.
const nodesLimit = time.Minute

// recover waits until everything works, without anybody's help but the Hub's
// check of its routes, and notes how long that took once Redis was whole: how
// long that takes is not the proxy's affair.
func (w *world) recover(ctx context.Context, limit time.Duration) error {
	err := until(ctx, nodesLimit, func() error {
		err := w.nodes.whole()
		if err != nil {
			w.nodes.follow()
		}
		return err
	})
	if err != nil {
		return err
	}
	ended := w.log.Now()
	var missing []string
	_ = until(ctx, limit, func() error {
		if missing = w.missing(ctx, ended); len(missing) > 0 {
			return errors.New("not whole yet")
		}
		return nil
	})
	if ctx.Err() == nil {
		w.log.Recover(history.Recovery{Schedule: w.name(), Ended: ended, Took: w.log.Now() - ended, Missing: missing})
	}
	return ctx.Err()
}

// missing says what is not whole: the replicas, the routes, the way of everybody
// to the server, and that a revocation is done everywhere.
func (w *world) missing(ctx context.Context, since history.Instant) (missing []string) {
	add := func(format string, args ...any) { missing = append(missing, fmt.Sprintf(format, args...)) }
	for _, name := range guests {
		if !w.hub.Welcome(name) {
			w.change(ctx, change{kind: grant, who: name, replica: 1})
		}
	}
	for _, r := range w.replicas {
		if err := r.ready(); err != nil {
			add("%v", err)
			continue
		}
		table, err := r.table()
		if err != nil {
			add("routes of %s: %v", r.name, err)
		}
		for _, text := range w.differ(table) {
			add("%s at %s", text, r.name)
		}
	}
	for _, v := range w.visitors {
		if !v.wellSince(since) {
			add("%s on replica %d", v.person.Name, v.replica.number)
		}
	}
	if len(missing) > 0 {
		return missing
	}
	for _, r := range w.replicas {
		if c := w.change(ctx, change{who: ghost, replica: r.number}); c.Said != history.Done {
			add("done through replica %d (it says %s)", r.number, c.Said)
		}
	}
	return missing
}
