package proxy_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// patience is an upper limit of waiting for what must happen, far above what it
// takes: a test that meets it has failed.
const patience = 10 * time.Second

// kernel is a server with WebSockets. Each is named by the request's query, so
// that tests can look at one of several.
type kernel struct {
	t       *testing.T
	arrived chan *party
}

// party is the server's side of one WebSocket.
type party struct {
	t     *testing.T
	name  string
	conn  net.Conn
	got   chan string   // what the client sent; nothing is sent back
	ended chan struct{} // closed when nothing more can arrive
}

func newKernel(t *testing.T) *kernel {
	t.Helper()
	return &kernel{t: t, arrived: make(chan *party, 100)}
}

func (k *kernel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	p := &party{t: k.t, name: r.URL.RawQuery, conn: conn, got: make(chan string, 10_000), ended: make(chan struct{})}
	defer close(p.ended)
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: "+acceptOf(r.Header.Get("Sec-WebSocket-Key"))+"\r\n\r\n")
	k.arrived <- p
	for {
		op, payload, err := readFrame(rw.Reader)
		if err != nil || op == 0x8 {
			return
		}
		p.got <- string(payload)
	}
}

// next returns the WebSocket that was opened last.
func (k *kernel) next() *party {
	k.t.Helper()
	select {
	case p := <-k.arrived:
		return p
	case <-time.After(patience):
		k.t.Fatal("no WebSocket arrived at the server")
		return nil
	}
}

// say sends a text message to the client. It may fail: the socket may be cut.
func (p *party) say(text string) { _, _ = p.conn.Write(clearFrame(0x1, []byte(text))) }

// hear waits for the next message of the client.
func (p *party) hear() string {
	select {
	case text := <-p.got:
		return text
	case <-p.ended:
		return "end"
	case <-time.After(patience):
		return "nothing"
	}
}

// hearNothing reports whether no message came for a moment: as long as one
// takes many times over.
func (p *party) hearNothing() bool {
	select {
	case text := <-p.got:
		p.t.Errorf("%q passed", text)
		return false
	case <-time.After(50 * time.Millisecond):
		return true
	}
}

// rest waits for the end of the connection and returns what came until then.
func (p *party) rest(t *testing.T) []string {
	t.Helper()
	await(t, p.ended, "the server's side of the WebSocket ends")
	var all []string
	for len(p.got) > 0 {
		all = append(all, <-p.got)
	}
	return all
}

// rest returns what the client hears until the connection ends.
func (s *socket) rest() []string {
	var all []string
	for {
		text := s.hear()
		if text == "end" {
			return all
		}
		all = append(all, text)
	}
}

// meet opens a WebSocket and returns both of its ends.
func (r *rig) meet(k *kernel, name string, fields ...string) (*socket, *party) {
	r.t.Helper()
	s := r.open("/user/alice/api/kernels/1/channels?"+name, fields...)
	return s, k.next()
}

// chatter sends and receives numbered messages until stop is called, which
// returns how many went both ways, and an error if one was lost, doubled or out
// of order.
func chatter(s *socket, p *party) (stop func() (int, error)) {
	enough, result := make(chan struct{}), make(chan error, 1)
	n := 0
	go func() {
		for {
			text := fmt.Sprintf("message %d", n)
			if _, err := s.conn.Write(maskedFrame(0x1, []byte(text))); err != nil {
				result <- err
				return
			}
			if got := p.hear(); got != text {
				result <- fmt.Errorf("the server heard %q, want %q", got, text)
				return
			}
			p.say(text)
			if got := s.hear(); got != text {
				result <- fmt.Errorf("the client heard %q, want %q", got, text)
				return
			}
			n++
			select {
			case <-enough:
				result <- nil
				return
			default:
			}
		}
	}()
	return func() (int, error) { close(enough); err := <-result; return n, err }
}

// await waits for a channel to be closed, or to deliver.
func await[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("it did not happen in time that %s", what)
		panic("unreachable")
	}
}

// raw sends bytes as they are and returns everything that comes back.
func (r *rig) raw(request string) string {
	r.t.Helper()
	conn := r.dial()
	defer conn.Close()
	_, _ = io.WriteString(conn, strings.ReplaceAll(request, "HOST", r.addr))
	answer, _ := io.ReadAll(conn)
	return string(answer)
}

// dial connects to the proxy.
func (r *rig) dial() net.Conn {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// statusOf is the status in the first line of an answer, or what stands there.
func statusOf(answer string) string {
	line, _, _ := strings.Cut(answer, "\r\n")
	if fields := strings.Fields(line); len(fields) > 1 {
		return fields[1]
	}
	return line
}

// wireServer is alice's server as bytes: it hands over each request's head as
// it stood on the wire and answers with a fixed text, then closes.
func (r *rig) wireServer(answer string) (heads <-chan string) {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = l.Close() })
	seen := make(chan string, 100)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(patience))
				if head := readHead(conn); head != "" {
					seen <- head
					_, _ = io.WriteString(conn, answer)
				}
			}()
		}
	}()
	r.route("/user/alice", "http://"+l.Addr().String(), `"user":"alice","server_name":""`)
	return seen
}

// readHead reads byte by byte up to the empty line.
func readHead(conn io.Reader) string {
	var head strings.Builder
	b := make([]byte, 1)
	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		if _, err := conn.Read(b); err != nil {
			return ""
		}
		head.Write(b)
	}
	return head.String()
}
