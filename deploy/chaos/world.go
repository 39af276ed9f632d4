package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/history"
	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/stub"
)

// settings of the proxies.
type settings struct{ bound, guests time.Duration }

// world is everything that runs: the data nodes, the Hub, user servers, the
// replicas, and who visits.
type world struct {
	place    place
	log      *history.Log
	hub      *stub.Hub
	nodes    *nodes
	replicas []*replica // by number, from 1
	visitors []*visitor
	settings
	routes   routes       // as the Hub means them
	schedule atomic.Value // string: that runs now

	life    context.Context //nolint:containedctx // of everything that was started
	stop    context.CancelFunc
	running sync.WaitGroup
}

// Who there is. owner shares servers with guests; ghost has no account, so that
// changes about it take nothing from anybody; flooder calls the Hub all the
// time.
const (
	owner   = "alice"
	ghost   = "ghost"
	flooder = "mallory"
)

// guests visit the servers of owner. bob and carl are revoked and granted all the
// time, fred with everybody of the same server. dana and erin, who are revoked by
// the schedules, have a server each: a change of one is a reason to ask about
// all others of the same server, and would hide that somebody was forgotten.
var guests = []string{"bob", "carl", "dana", "erin", "fred"}

// serverOf returns the name of the server that somebody visits: "" is the default
// one.
func serverOf(name string) string {
	if name == "dana" || name == "erin" {
		return name
	}
	return ""
}

// prefix is the path of a server of owner.
func prefix(server string) string {
	if server == "" {
		return "/user/" + owner + "/"
	}
	return "/user/" + owner + "/" + server + "/"
}

func person(name string) stub.Person {
	return stub.Person{Name: name, Token: "token-of-" + name, Session: "session-of-" + name, Owner: name == owner}
}

// newWorld starts everything. What was started is to be closed even after an
// error.
func newWorld(ctx context.Context, o options, log *history.Log) (*world, error) {
	ctx, stop := context.WithCancel(ctx)
	w := &world{place: newPlace(), log: log, life: ctx, stop: stop, settings: o.settings}
	w.schedule.Store("start")
	var people []stub.Person
	for _, name := range append([]string{owner, flooder}, guests...) {
		people = append(people, person(name))
	}
	w.hub = stub.NewHub(log, owner, people...)
	if err := w.surround(ctx); err != nil {
		return w, err
	}
	var err error
	if w.nodes, err = startNodes(ctx, w.place, o.logs, o.replicas); err != nil {
		return w, err
	}
	for k := 1; k <= o.replicas; k++ {
		w.replicas = append(w.replicas, newReplica(k, w.place, o.binary, o.logs, w.nodes.url(k), log, o.settings))
	}
	var faults []error
	for _, r := range w.replicas {
		faults = append(faults, r.launch(ctx))
	}
	if err := errors.Join(faults...); err != nil {
		return w, err
	}
	return w, w.people(ctx)
}

// surround starts the Hub and the user servers.
func (w *world) surround(ctx context.Context) error {
	for k := range size + 1 {
		l, err := net.Listen("tcp", w.place.at(hub+k, hubPort))
		if err != nil {
			return err
		}
		w.running.Go(func() { w.hub.Serve(ctx, l, k) })
	}
	for i := range servers {
		l, err := net.Listen("tcp", w.place.at(server, serverPort+i))
		if err != nil {
			return err
		}
		s := &http.Server{Handler: &stub.Server{Log: w.log, Visited: w.visited(i)}, ReadHeaderTimeout: patience}
		context.AfterFunc(ctx, func() { _ = s.Close() })
		w.running.Go(func() { _ = s.Serve(l) }) // ends with ctx
	}
	return nil
}

// people makes the routes, gives the guests their shares and lets them come.
func (w *world) people(ctx context.Context) error {
	if err := w.publish(); err != nil {
		return err
	}
	for _, name := range guests {
		id := w.log.Begin(history.Change{Schedule: w.name(), Grant: true, Sent: w.log.Now()}, name)
		at := w.hub.Share(name, serverOf(name))
		w.log.Edit(id, func(c *history.Change) { c.Committed, c.Ended = at, at })
	}
	for _, r := range w.replicas {
		for _, name := range append([]string{owner}, guests...) {
			w.visitors = append(w.visitors, &visitor{person: person(name), replica: r, prefix: prefix(serverOf(name)), log: w.log})
		}
	}
	for _, v := range w.visitors {
		w.running.Go(func() { v.visit(ctx) })
	}
	return nil
}

// name returns the schedule that runs.
func (w *world) name() string { return w.schedule.Load().(string) }

// close ends all of it.
func (w *world) close() {
	w.stop()
	for _, r := range w.replicas {
		r.resume()
		r.kill()
	}
	if w.nodes != nil {
		w.nodes.close()
	}
	w.running.Wait()
}
