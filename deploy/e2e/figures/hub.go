package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// hub is as much of a Hub as the proxy asks for, and the server of alice. A token is the name of its user; shares are those of
// alice's server.
type hub struct {
	address string
	server  *http.Server
	asked   atomic.Int64 // questions about a token

	mu       sync.Mutex
	guests   map[string]bool
	answered time.Time // when the last call that changes shares was carried out
}

func newHub() *hub {
	h := &hub{guests: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hub/api/user", h.user)
	mux.HandleFunc("/hub/api/shares/alice/", h.share)
	mux.HandleFunc("/user/alice/socket", h.socket)
	mux.HandleFunc("/user/alice/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	h.server = &http.Server{Handler: mux}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	h.address = l.Addr().String()
	go func() { _ = h.server.Serve(l) }()
	return h
}

func (h *hub) close() { _ = h.server.Close() }

// user is GET /user: who somebody is, and which servers are open to him.
func (h *hub) user(w http.ResponseWriter, r *http.Request) {
	h.asked.Add(1)
	name := strings.TrimPrefix(r.Header.Get("Authorization"), "token ")
	scopes := []string{"access:servers!user=" + name}
	h.mu.Lock()
	if h.guests[name] {
		scopes = append(scopes, "access:servers!server=alice/")
	}
	h.mu.Unlock()
	_ = json.NewEncoder(w).Encode(map[string]any{"kind": "user", "name": name, "groups": []string{}, "scopes": scopes, "session_id": nil})
}

// share grants (POST), takes from one (PATCH) or from all (DELETE).
func (h *hub) share(w http.ResponseWriter, r *http.Request) {
	var body struct{ User string }
	_ = json.NewDecoder(r.Body).Decode(&body)
	h.mu.Lock()
	defer h.mu.Unlock()
	switch r.Method {
	case http.MethodPost:
		for _, name := range strings.Split(body.User, ",") {
			h.guests[name] = true
		}
	case http.MethodPatch:
		delete(h.guests, body.User)
	case http.MethodDelete:
		h.guests = map[string]bool{}
		w.WriteHeader(http.StatusNoContent)
	}
	h.answered = time.Now()
	if r.Method != http.MethodDelete {
		fmt.Fprint(w, "{}")
	}
}

// changed returns when the last call that changes shares was carried out.
func (h *hub) changed() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.answered
}

// socket sends the time of its clock once a second until its client leaves.
func (h *hub) socket(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	ctx := conn.CloseRead(r.Context())
	for {
		if conn.Write(ctx, websocket.MessageText, fmt.Append(nil, time.Now().UnixNano())) != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}
