package proxy

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/route"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/target"
)

// relayRig is a relay with both of its ends, and its gate.
type relayRig struct {
	t      testing.TB
	table  *live.Table
	x      *live.Exchange
	seq    authz.Seq
	client net.Conn // the client's own end
	server net.Conn // the server's own end
	over   chan struct{}
}

// newRelay runs a relay with an open gate; ends makes the connections.
func newRelay(t testing.TB, ends func() (near, far net.Conn)) *relayRig {
	t.Helper()
	r := &relayRig{t: t, over: make(chan struct{})}
	r.table = live.NewTable(live.Options{
		Age:     func(*authz.Decision) live.Age { return live.Young },
		Recheck: func(x *live.Exchange) { x.Rechecked() },
	})
	r.x = r.table.Open(t.Context(), live.Info{Kind: live.Socket})
	var clientSide, serverSide net.Conn
	clientSide, r.client = ends()
	serverSide, r.server = ends()
	v := &visit{exchange: r.x, conn: live.NewConn(clientSide)}
	up := upstream{conn: live.NewConn(serverSide)}
	up.reader = bufio.NewReader(up.conn)
	var err error
	if v.route, err = route.New("/user/alice", "http://127.0.0.1:1", nil, time.Now()); err != nil {
		t.Fatal(err)
	}
	if v.target, err = target.Parse("/user/alice/api/kernels/1/channels", ""); err != nil {
		t.Fatal(err)
	}
	v.consumed = 2
	v.conn.Attach(r.x)
	up.conn.Attach(r.x)
	r.release()
	go func() {
		defer close(r.over)
		relay(v, bufio.NewReader(v.conn), up)
		r.x.End()
		_ = up.conn.Close()
		_ = v.conn.Close()
	}()
	return r
}

func (r *relayRig) hold() {
	r.seq++
	r.table.Hold([]*live.Exchange{r.x}, r.seq)
}

func (r *relayRig) release() {
	r.x.Release(authz.Decision{Allow: true, Answer: &authz.Answer{Seq: r.seq}})
}

// send writes a text frame in the background: over a pipe that waits for its
// reader.
func (r *relayRig) send(to net.Conn, first byte, payload string) {
	go func() { _, _ = to.Write(r.wire(to, first, payload)) }()
}

// wire is a frame as its sender writes it.
func (r *relayRig) wire(to net.Conn, first byte, payload string) []byte {
	if to == r.server {
		return append(appendHead(nil, first, uint64(len(payload)), nil), payload...)
	}
	key := []byte{9, 8, 7, 6}
	return append(appendHead(nil, first, uint64(len(payload)), key), unmask([]byte(payload), key)...)
}

// listen reads frames of an end as "opcode payload" until it ends.
func listen(conn net.Conn) <-chan string {
	heard := make(chan string, 10_000)
	go func() {
		defer close(heard)
		f := frames{r: bufio.NewReader(conn)}
		for {
			got, err := f.next()
			if err != nil {
				return
			}
			side := "clear"
			if got.key != nil {
				side = "masked"
			}
			heard <- fmt.Sprintf("%s %x %s", side, got.opcode, unmask(got.payload, got.key))
		}
	}()
	return heard
}

// take returns what was heard so far.
func take(heard <-chan string) (list []string) {
	for {
		select {
		case s, ok := <-heard:
			if !ok {
				return append(list, "end")
			}
			list = append(list, s)
		default:
			return list
		}
	}
}

// pipeTest runs f with a relay over pipes, in a bubble whose goroutines must
// all have ended when f returns: also those of the relay.
func pipeTest(t *testing.T, f func(t *testing.T, r *relayRig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRelay(t, func() (net.Conn, net.Conn) { return net.Pipe() })
		f(t, r)
		_, _ = r.client.Close(), r.server.Close()
		r.x.Cut(live.ErrRevoked)
		<-r.over
	})
}

func wantHeard(t *testing.T, who string, heard <-chan string, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := take(heard); !slices.Equal(got, want) {
		t.Errorf("the %s heard %q, want %q", who, got, want)
	}
}
