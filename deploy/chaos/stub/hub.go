// Package stub is what stands around the proxy in a run with faults: a Hub, as
// far as a proxy sees of one, and user servers. They write down when what
// happened.
package stub

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/history"
)

// Person is somebody with an account at the Hub, one token and one session.
type Person struct {
	Name, Token, Session string
	Owner                bool // of a server: of the one with the person's name
}

// Mood is how the Hub feels. The zero Mood is well.
type Mood uint8

// Moods.
const (
	Well    Mood = iota
	Away         // connections end without an answer
	Hanging      // nothing is answered until the mood changes
)

// Hub is the only one who knows who may use the servers of the owner. A guest
// has a share of one of them at most. It is safe for concurrent use. Use NewHub.
type Hub struct {
	log   *history.Log
	owner string // of the servers that are shared

	mu      sync.Mutex // guards the fields below
	people  map[string]Person
	shares  map[string]string // names of servers, by name of the guest
	out     map[string]bool   // whose sessions have ended, by name
	mood    Mood
	changed chan struct{} // closed with every change of the mood
	asked   func(replica int, person Person)
	slow    time.Duration
}

// NewHub returns a Hub with people and no shares.
func NewHub(log *history.Log, owner string, people ...Person) *Hub {
	h := &Hub{log: log, owner: owner, people: make(map[string]Person), shares: make(map[string]string), out: make(map[string]bool), changed: make(chan struct{})}
	for _, p := range people {
		h.people[p.Token] = p
	}
	return h
}

// Add makes a person known.
func (h *Hub) Add(p Person) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.people[p.Token] = p
}

// Feel changes the mood.
func (h *Hub) Feel(m Mood) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mood = m
	close(h.changed)
	h.changed = make(chan struct{})
}

// Asked sets what is called when a replica's question has its answer and before
// the answer is sent; nil for nothing.
func (h *Hub) Asked(f func(replica int, person Person)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = f
}

// Slow sets how long answers to questions are on their way: what they say is
// that old when they come.
func (h *Hub) Slow(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.slow = d
}

// Share gives a share of a server, and returns when. Nobody hears of it.
func (h *Hub) Share(name, server string) history.Instant {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shares[name] = server
	return h.log.Now()
}

// Unshare takes it.
func (h *Hub) Unshare(name string) history.Instant {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.shares, name)
	return h.log.Now()
}

// Welcome reports whether a guest would be let in now.
func (h *Hub) Welcome(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, shared := h.shares[name]
	return shared && !h.out[name]
}

// Serve answers at a listener until ctx ends. Each replica has one of its own,
// so that the Hub knows who asks; 0 is for calls that come through a proxy.
func (h *Hub) Serve(ctx context.Context, l net.Listener, replica int) {
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if h.well(r.Context()) {
				h.serve(w, r, replica)
				return
			}
			panic(http.ErrAbortHandler) // the connection ends without an answer
		}),
	}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	_ = server.Serve(l) // it ends with ctx
}

// well waits while the Hub hangs, and reports whether it answers.
func (h *Hub) well(ctx context.Context) bool {
	for {
		h.mu.Lock()
		mood, changed := h.mood, h.changed
		h.mu.Unlock()
		if mood != Hanging {
			return mood == Well
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

func (h *Hub) serve(w http.ResponseWriter, r *http.Request, replica int) {
	below, _ := strings.CutPrefix(r.URL.Path, "/hub/")
	switch {
	case below == "api/user":
		h.user(w, r, replica)
	case below == "api/":
		_, _ = w.Write([]byte(`{"version":"5.5.1"}`))
	case strings.HasPrefix(below, "api/"), below == "logout":
		h.call(w, r, below)
	default: // its pages
		_, _ = w.Write([]byte("the hub"))
	}
}

// user answers whose a token is and what it may do, in the Hub's own form.
func (h *Hub) user(w http.ResponseWriter, r *http.Request, replica int) {
	h.mu.Lock()
	p, known := h.people[token(r)]
	scopes := []string{"access:servers!user=" + p.Name, "read:users!user=" + p.Name}
	if server, shared := h.shares[p.Name]; shared {
		scopes = append(scopes, "access:servers!server="+h.owner+"/"+server)
	}
	known = known && !h.out[p.Name]
	asked, slow := h.asked, h.slow
	h.mu.Unlock()
	if asked != nil && replica > 0 {
		asked(replica, p)
	}
	time.Sleep(slow)
	if !known {
		refuse(w, http.StatusForbidden)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{ // the replica is gone
		"kind": "user", "name": p.Name, "admin": false, "groups": []string{}, "session_id": p.Session, "scopes": scopes,
	})
}

func token(r *http.Request) string {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "token ")
	return token
}

// refuse answers as the Hub refuses.
func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "message": http.StatusText(status)})
}
