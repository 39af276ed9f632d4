package stub

import (
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/history"
)

// Fields of requests to a server, by which what arrives can be assigned.
const (
	FieldWho     = "Chaos-Who"     // the credential
	FieldReplica = "Chaos-Replica" // that it was sent to
	FieldLeft    = "Chaos-Left"    // when it was sent, in nanoseconds
)

// Tick is the time between two messages of a socket: how fine a leak is seen.
const Tick = 20 * time.Millisecond

// Server is a user server. It stamps what arrives, and answers with stamps: a
// request with one, a socket with one every [Tick], to which the stamp of the
// last message that arrived is added.
type Server struct {
	Log *history.Log
	// Visited is told of every request and handshake; it may be nil.
	Visited func(who string, replica int)
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	replica, _ := strconv.Atoi(r.Header.Get(FieldReplica))
	p := history.Passage{Who: r.Header.Get(FieldWho), Replica: replica, Up: true, Left: Stamp(r.Header.Get(FieldLeft)), Came: s.Log.Now()}
	s.Log.Pass(p)
	if s.Visited != nil {
		s.Visited(p.Who, replica)
	}
	if r.Header.Get("Upgrade") == "" {
		_, _ = fmt.Fprint(w, int64(s.Log.Now())) // the client is gone
		return
	}
	socket, err := accept(w, r)
	if err != nil {
		return
	}
	defer socket.Close()
	p.Socket = true
	s.talk(socket, p)
}

// talk stamps what comes until the socket ends, and sends stamps meanwhile.
func (s *Server) talk(socket *Socket, p history.Passage) {
	var last atomic.Int64
	done := make(chan struct{})
	defer close(done)
	go every(Tick, done, func() error {
		return socket.Send(fmt.Sprintf("%d %d", s.Log.Now(), last.Load()))
	})
	for {
		text, _, err := socket.Receive()
		if err != nil {
			return
		}
		p.Left, p.Came = Stamp(text), s.Log.Now()
		s.Log.Pass(p)
		last.Store(int64(p.Left))
	}
}

// Stamp reads a time as it is sent: nanoseconds since the run began.
func Stamp(text string) history.Instant {
	n, _ := strconv.ParseInt(text, 10, 64) // 0 is long ago
	return history.Instant(n)
}
