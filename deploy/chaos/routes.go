package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/history"
)

// routes are the Hub's: the number of the user server for each path.
type routes struct {
	mu    sync.Mutex // guards the fields below
	to    map[string]int
	moved map[string]history.Instant // by owner: since when nobody new comes to the former server
}

// User servers. The first is the owner's; who moves has one, then the other.
const (
	shared = iota
	former
	latter
	servers
)

func (w *world) target(i int) string { return "http://" + w.place.at(server, serverPort+i) }

// post makes a route through a replica, as the Hub does, and keeps that it is
// wanted. user may have the name of a server behind a slash.
func (w *world) post(replica int, user string, to int) error {
	path := "/user/" + user
	w.routes.mu.Lock()
	w.routes.to[path] = to
	w.routes.mu.Unlock()
	user, server, _ := strings.Cut(user, "/")
	return w.replicas[replica-1].route(path, w.target(to), map[string]any{"user": user, "server_name": server, "jupyterhub": true})
}

// remove ends a route through a replica.
func (w *world) remove(replica int, user string) error {
	w.routes.mu.Lock()
	delete(w.routes.to, "/user/"+user)
	w.routes.mu.Unlock()
	_, err := w.replicas[replica-1].api(http.MethodDelete, "/user/"+user, nil, http.StatusNoContent)
	return err
}

// publish makes the routes that are there from the beginning.
func (w *world) publish() error {
	w.routes.to, w.routes.moved = make(map[string]int), make(map[string]history.Instant)
	if err := w.replicas[0].route("/", "http://"+w.place.at(hub, hubPort), map[string]any{"hub": true, "jupyterhub": true}); err != nil {
		return err
	}
	for _, name := range guests {
		path := strings.Trim(strings.TrimPrefix(prefix(serverOf(name)), "/user/"), "/")
		if err := w.post(1, path, shared); err != nil {
			return err
		}
	}
	return nil
}

// differ says in what a table is not what the Hub means.
func (w *world) differ(table map[string]string) (found []string) {
	w.routes.mu.Lock()
	defer w.routes.mu.Unlock()
	for path, to := range w.routes.to {
		if table[path] != w.target(to) {
			found = append(found, fmt.Sprintf("route %s to %q", path, table[path]))
		}
	}
	for path := range table {
		if _, wanted := w.routes.to[path]; !wanted && path != "/" {
			found = append(found, "route "+path+" that is none")
		}
	}
	if table["/"] == "" {
		found = append(found, "route of the hub")
	}
	return found
}

// check is what the Hub does every few minutes: it compares the table of the
// proxy with its own, and writes what differs.
func (w *world) check(replica int) error {
	table, err := w.replicas[replica-1].table()
	if err != nil {
		return err
	}
	w.routes.mu.Lock()
	wrong := make(map[string]int)
	for path, to := range w.routes.to {
		if table[path] != w.target(to) {
			wrong[path] = to
		}
	}
	w.routes.mu.Unlock()
	for path, to := range wrong {
		if err := w.post(replica, path[len("/user/"):], to); err != nil {
			return err
		}
	}
	return nil
}

// leave notes that a user's server has moved: whoever was not there before must
// not come to the former one any more, from Δ on.
func (w *world) leave(user string, since history.Instant) {
	w.routes.mu.Lock()
	defer w.routes.mu.Unlock()
	w.routes.moved[user] = since
}

// visited watches who comes to a user server.
func (w *world) visited(i int) func(who string, replica int) {
	return func(who string, replica int) {
		w.routes.mu.Lock()
		since, moved := w.routes.moved[who]
		w.routes.mu.Unlock()
		if now := w.log.Now(); i == former && moved && now > since {
			w.log.Breach(history.Breach{
				Rule: "who is new does not come to a server that has moved", Schedule: w.name(), Who: who, Replica: replica, At: now, By: now - since,
			})
		}
	}
}

// stranger sends one request to the server of a user, with his own credential,
// and returns the status.
func (w *world) stranger(replica int, user string) int {
	p := person(user)
	w.hub.Add(p)
	v := &visitor{person: p, replica: w.replicas[replica-1], prefix: "/user/" + user + "/", log: w.log}
	req, err := http.NewRequest(http.MethodGet, "http://"+v.replica.public()+v.prefix+"api/status", nil)
	if err != nil {
		panic(err) // the address is ours
	}
	req.Header = v.head()
	status, _ := v.serve(&http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}, req)
	return status
}

// newcomer is somebody whom no replica has seen.
func (s *stage) newcomer() string { return fmt.Sprintf("user%08x", s.rnd.Uint32()) }
