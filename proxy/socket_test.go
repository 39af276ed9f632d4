package proxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// switched is a 101 with the fields given.
func switched(fields ...string) string {
	return "HTTP/1.1 101 Switching Protocols\r\n" + strings.Join(append(fields, "", ""), "\r\n")
}

// accepted is the proper answer to the handshakes of these tests.
func accepted() string {
	return switched("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: "+acceptOf(socketKey))
}

// rawServer is a user server of alice that does what f does with a connection.
func (r *rig) rawServer(f func(conn net.Conn, from *bufio.Reader)) {
	r.t.Helper()
	r.userServer(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		f(conn, rw.Reader)
	})
}

// TestOnlyAProperAnswerOpensASocket (D06, D07, D08).
func TestOnlyAProperAnswerOpensASocket(t *testing.T) {
	accept := "Sec-WebSocket-Accept: " + acceptOf(socketKey)
	for _, tt := range []struct {
		name   string
		answer string
		want   int
	}{
		{"proper", accepted(), 101},
		{"no accept value", switched("Upgrade: websocket", "Connection: Upgrade"), 502},
		{"accept value of another key", switched("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: "+acceptOf("x")), 502},
		{"two accept values", switched("Upgrade: websocket", "Connection: Upgrade", accept, accept), 502},
		{"h2c", switched("Upgrade: h2c", "Connection: Upgrade", accept), 502},
		{"two upgrades", switched("Upgrade: websocket", "Upgrade: h2c", "Connection: Upgrade", accept), 502},
		{"no Connection", switched("Upgrade: websocket", accept), 502},
		{"status 099", "HTTP/1.1 099 Odd\r\n\r\n", 502},
		{"status 999", "HTTP/1.1 999 Odd\r\n\r\n", 502},
		{"no HTTP", "SSH-2.0-x\r\n\r\n", 503},
		{"nothing", "", 503},
		{"an endless head", "HTTP/1.1 101 x\r\nA: " + strings.Repeat("a", 1<<20), 502},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.rawServer(func(conn net.Conn, from *bufio.Reader) {
				_, _ = io.WriteString(conn, tt.answer)
				if tt.want == 101 {
					_, _ = io.Copy(io.Discard, from)
				}
			})
			s, res := r.handshake("/user/alice/api", as("bob"))
			if res.StatusCode != tt.want {
				t.Errorf("status %d, want %d", res.StatusCode, tt.want)
			}
			_ = s.conn.Close()
		})
	}
}

// TestBytesBehindARefusedHandshakeAreANewRequest (D05).
func TestBytesBehindARefusedHandshakeAreANewRequest(t *testing.T) {
	r := newRig(t)
	r.userServer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUpgradeRequired) })
	s, res := r.handshake("/user/alice/api", as("bob"))
	if res.StatusCode != 426 {
		t.Fatalf("status %d, want the server's 426", res.StatusCode)
	}
	_, _ = fmt.Fprintf(s.conn, "GET /user/alice/api HTTP/1.1\r\nHost: %s\r\nAuthorization: token dave\r\n\r\n", r.addr)
	res, err := http.ReadResponse(s.r, nil)
	if err != nil || res.StatusCode != 403 {
		t.Errorf("the next bytes: %v, %v; want a request of dave's, and 403", res, err)
	}
}

// TestARefusalThatStallsEndsWithTheRight: an answer that is no 101 and never
// ends is no way around the cut, and does not look complete.
func TestARefusalThatStallsEndsWithTheRight(t *testing.T) {
	for _, tt := range []struct{ name, head string }{
		{"known length", "Content-Length: 100000\r\n\r\n"},
		{"chunked", "Transfer-Encoding: chunked\r\n\r\nC350\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			ended := make(chan struct{})
			r.rawServer(func(conn net.Conn, from *bufio.Reader) {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+tt.head+strings.Repeat("x", 50000))
				_, _ = io.Copy(io.Discard, from)
				close(ended)
			})
			_, res := r.handshake("/user/alice/api", as("bob"))
			_, _ = io.ReadFull(res.Body, make([]byte, 1000))
			r.revokeBob()
			if _, err := io.Copy(io.Discard, res.Body); err == nil {
				t.Error("the answer looks complete")
			}
			<-ended
		})
	}
}

// TestARefusalThatBreaksOffIsNotComplete (J19).
func TestARefusalThatBreaksOffIsNotComplete(t *testing.T) {
	r := newRig(t)
	r.rawServer(func(conn net.Conn, _ *bufio.Reader) {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nC350\r\n"+strings.Repeat("x", 40000))
	})
	_, res := r.handshake("/user/alice/api", as("bob"))
	if body, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("%d bytes look complete", len(body))
	}
}

// TestAHandshakeSaysNothingOfItsOwn: the server sees the client's head.
func TestAHandshakeSaysNothingOfItsOwn(t *testing.T) {
	r := newRig(t)
	heads := make(chan http.Header, 1)
	r.userServer(func(_ http.ResponseWriter, req *http.Request) { heads <- req.Header })
	r.handshake("/user/alice/api", as("bob"))
	got := <-heads
	for _, name := range []string{"User-Agent", "Accept-Encoding"} {
		if got.Values(name) != nil {
			t.Errorf("the server sees %s %q, which nobody sent", name, got.Values(name))
		}
	}
}

// revokeBob takes bob's share away through the proxy.
func (r *rig) revokeBob() *http.Response {
	r.t.Helper()
	r.hub.set("bob", "bob", "s-bob")
	return r.do("PATCH", "/hub/api/shares/alice/", as("alice"))
}

// TestNoByteAroundTheHandshakeIsLost: a client that sends behind its handshake
// without waiting, a server whose first frames come with its answer.
func TestNoByteAroundTheHandshakeIsLost(t *testing.T) {
	for _, early := range []int{0, 1, 5000, 400_000} /* the last is more than a head may have */ {
		t.Run(fmt.Sprintf("%d bytes early", early), func(t *testing.T) {
			r := newRig(t)
			r.rawServer(func(conn net.Conn, from *bufio.Reader) {
				hello := append([]byte(accepted()), clearFrame(0x1, []byte("hello"))...)
				_, _ = conn.Write(append(hello, clearFrame(0x2, bytes.Repeat([]byte("h"), 10_000))...))
				for {
					op, payload, err := readFrame(from)
					if err != nil {
						return
					}
					_, _ = conn.Write(clearFrame(op, payload))
				}
			})
			conn, err := net.Dial("tcp", r.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			message := maskedFrame(0x2, bytes.Repeat([]byte("x"), early))
			go func() {
				_, _ = conn.Write(append([]byte(handshakeOf(r, "bob")), message...))
				_, _ = conn.Write(maskedFrame(0x1, []byte("last")))
			}()
			s := &socket{t: t, conn: conn, r: bufio.NewReader(conn)}
			if res, err := http.ReadResponse(s.r, nil); err != nil || res.StatusCode != 101 {
				t.Fatalf("handshake: %v, %v", res, err)
			}
			if got := s.hear(); got != "hello" {
				t.Errorf("first %q, want what came with the answer", got)
			}
			if got := len(s.hear()); got != 10_000 {
				t.Errorf("then %d bytes, want 10000", got)
			}
			var echoed int
			for got := s.hear(); got != "last"; got = s.hear() {
				if got == "end" {
					t.Fatal("the socket ended")
				}
				echoed += len(got)
			}
			if echoed != early {
				t.Errorf("%d bytes came back, want %d", echoed, early)
			}
		})
	}
}

// handshakeOf is the head of a handshake.
func handshakeOf(r *rig, token string) string {
	return fmt.Sprintf("GET /user/alice/api HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s\r\n\r\n", r.addr, socketKey, as(token))
}

// TestEachSideMayEndFirst: the other one's last words still arrive.
func TestEachSideMayEndFirst(t *testing.T) {
	normal := string([]byte{0x03, 0xE8}) // 1000
	t.Run("the client, without waiting for an answer", func(t *testing.T) {
		r := newRig(t)
		r.rawServer(func(conn net.Conn, from *bufio.Reader) {
			_, _ = io.WriteString(conn, accepted())
			_, _, _ = readFrame(from)
			_, _ = io.Copy(io.Discard, from) // the client's end has arrived
			_, _ = conn.Write(clearFrame(0x1, []byte("saved")))
			_, _ = conn.Write(clearFrame(0x8, []byte(normal)))
		})
		s := r.open("/user/alice/api", as("bob"))
		_, _ = s.conn.Write(maskedFrame(0x8, []byte(normal)))
		_ = s.conn.(*net.TCPConn).CloseWrite()
		if got := []string{s.hear(), s.hear(), s.hear()}; !slices.Equal(got, []string{"saved", "close 1000 ", "end"}) {
			t.Errorf("the client heard %q", got)
		}
	})
	t.Run("the server", func(t *testing.T) {
		r := newRig(t)
		answer := make(chan string, 1)
		r.rawServer(func(conn net.Conn, from *bufio.Reader) {
			_, _ = io.WriteString(conn, accepted())
			_, _ = conn.Write(clearFrame(0x8, []byte(normal)))
			_ = conn.(*net.TCPConn).CloseWrite()
			_, payload, _ := readFrame(from)
			answer <- string(payload)
		})
		s := r.open("/user/alice/api", as("bob"))
		if got := s.hear(); got != "close 1000 " {
			t.Errorf("the client heard %q", got)
		}
		_, _ = s.conn.Write(maskedFrame(0x8, []byte(normal)))
		if got := <-answer; got != normal {
			t.Errorf("the server got the answer %q", got)
		}
		if got := s.hear(); got != "end" {
			t.Errorf("then %q, want the end", got)
		}
	})
	t.Run("the client vanishes", func(t *testing.T) {
		r := newRig(t)
		gone := make(chan struct{})
		r.rawServer(func(conn net.Conn, from *bufio.Reader) {
			_, _ = io.WriteString(conn, accepted())
			_, _ = io.Copy(io.Discard, from)
			close(gone)
		})
		s := r.open("/user/alice/api", as("bob"))
		_ = s.conn.(*net.TCPConn).SetLinger(0)
		_ = s.conn.Close()
		<-gone
	})
	t.Run("the server vanishes", func(t *testing.T) {
		r := newRig(t)
		r.rawServer(func(conn net.Conn, from *bufio.Reader) {
			_, _ = io.WriteString(conn, accepted())
			_, _, _ = readFrame(from)
			_ = conn.(*net.TCPConn).SetLinger(0)
		})
		s := r.open("/user/alice/api", as("bob"))
		s.say("die")
		if got := s.hear(); got != "end" {
			t.Errorf("the client heard %q, want the end", got)
		}
	})
}

// TestASocketThatOpensWhileItsRightEndsIsRefused: the revocation comes while
// the server takes its time to accept; the client gets an answer, not a reset.
func TestASocketThatOpensWhileItsRightEndsIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		method string // PATCH cuts at once, DELETE holds for the grace first
		answer string
	}{
		{"then accepts", "PATCH", accepted()},
		{"never answers", "PATCH", ""},
		{"accepts while held", "DELETE", accepted()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			asked, revoked := make(chan struct{}), make(chan struct{})
			r.rawServer(func(conn net.Conn, from *bufio.Reader) {
				close(asked)
				<-revoked
				_, _ = io.WriteString(conn, tt.answer)
				_, _ = io.Copy(io.Discard, from)
			})
			status := make(chan int)
			go func() {
				conn, err := net.Dial("tcp", r.addr)
				if err != nil {
					status <- 0
					return
				}
				defer conn.Close()
				_, _ = io.WriteString(conn, handshakeOf(r, "bob"))
				res, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					status <- 0
					return
				}
				status <- res.StatusCode
			}()
			<-asked
			r.hub.set("bob", "bob", "s-bob")
			revoke := make(chan struct{})
			go func() {
				defer close(revoke)
				r.do(tt.method, "/hub/api/shares/alice/", as("alice"))
				close(revoked)
			}()
			if got := <-status; got != 403 {
				t.Errorf("the handshake got %d, want 403", got)
			}
			<-revoke
		})
	}
}

// TestASlowReaderIsResetWithWhatHeHasNotRead: bytes that wait for him go with
// the connection.
func TestASlowReaderIsResetWithWhatHeHasNotRead(t *testing.T) {
	r := newRig(t)
	full := make(chan struct{})
	r.rawServer(func(conn net.Conn, _ *bufio.Reader) {
		_, _ = io.WriteString(conn, accepted())
		frame := clearFrame(0x2, make([]byte, 16<<10))
		for {
			_ = conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
			if _, err := conn.Write(frame); err != nil {
				close(full) // the way to the client is full
				return
			}
		}
	})
	s := r.open("/user/alice/api", as("bob"))
	<-full
	r.revokeBob()
	// What his own kernel has is his; then comes a reset, no orderly end.
	if n, err := io.Copy(io.Discard, s.r); err == nil {
		t.Errorf("after %d bytes an orderly end, want a reset", n)
	}
}

// TestSocketsOpenAndSpeakUnderChanges has many sockets begin while calls about
// their user go through: none ends, nothing is lost.
func TestSocketsOpenAndSpeakUnderChanges(t *testing.T) {
	r := newRig(t)
	r.userServer(echo(nil))
	stop := make(chan struct{})
	var changes, sockets sync.WaitGroup
	changes.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				r.status("PATCH", "/hub/api/shares/alice/", as("alice"))
			}
		}
	})
	for range 4 {
		sockets.Go(func() {
			for i := range 40 {
				who := []string{"alice", "bob"}[i%2]
				s := r.open("/user/alice/api/kernels/1/channels", as(who))
				text := fmt.Sprint("first message ", i)
				s.say(text)
				if got := s.hear(); got != text {
					t.Errorf("%s heard %q, want %q", who, got, text)
				}
				_ = s.conn.Close()
			}
		})
	}
	sockets.Wait()
	close(stop)
	changes.Wait()
}

// many are open sockets of which the client's end is in this process, without
// a goroutine, and so is the server's.
type many struct {
	clients, servers []net.Conn
}

// openMany opens n sockets of bob's. They cost the process almost nothing but
// what the proxy needs for them.
func (r *rig) openMany(n int) *many {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	m := &many{}
	r.t.Cleanup(func() {
		_ = l.Close()
		for _, c := range append(m.clients, m.servers...) {
			_ = c.Close()
		}
	})
	r.route("/user/alice", "http://"+l.Addr().String(), `"user":"alice","server_name":"","jupyterhub":true`)
	buf := make([]byte, 4<<10)
	for range n {
		client, err := net.Dial("tcp", r.addr)
		if err != nil {
			r.t.Fatal(err)
		}
		_, _ = io.WriteString(client, handshakeOf(r, "bob"))
		server, err := l.Accept()
		if err != nil {
			r.t.Fatal(err)
		}
		_, _ = server.Read(buf) // the handshake is one packet
		_, _ = io.WriteString(server, accepted())
		if n, err := client.Read(buf); err != nil || !bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 101")) {
			r.t.Fatalf("handshake: %q, %v", buf[:n], err)
		}
		m.clients, m.servers = append(m.clients, client), append(m.servers, server)
	}
	return m
}

// BenchmarkIdleSocket prints what an open, silent socket costs the process, of
// which about 1 KiB are the benchmark's own two ends.
func BenchmarkIdleSocket(b *testing.B) {
	const n = 2000
	for b.Loop() {
		r := newRig(b)
		r.openMany(1) // what is made once
		before := inUse()
		m := r.openMany(n)
		after := inUse()
		b.ReportMetric(float64(after.HeapInuse-before.HeapInuse)/n, "heap-B/socket")
		b.ReportMetric(float64(after.StackInuse-before.StackInuse)/n, "stack-B/socket")
		runtime.KeepAlive(m)
	}
}

func inUse() (m runtime.MemStats) {
	runtime.GC() // shrinks stacks, too
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}

// BenchmarkRevokeOfManySockets prints how long after the call of a revoke its
// answer came, and how long until 1,000 sockets were closed on both sides.
func BenchmarkRevokeOfManySockets(b *testing.B) {
	for b.Loop() {
		r := newRig(b)
		m := r.openMany(1000)
		began := time.Now()
		answered := make(chan string, 1)
		go func() {
			answered <- r.revokeBob().Header.Get("Share-Proxy-Cut")
			b.ReportMetric(float64(time.Since(began).Microseconds())/1000, "ms-to-answer")
		}()
		var closed sync.WaitGroup
		for _, c := range append(m.clients, m.servers...) {
			closed.Go(func() { _, _ = io.Copy(io.Discard, c); _ = c.Close() })
		}
		if got := <-answered; got != "done; sockets=1000" {
			b.Errorf("the answer says %q", got)
		}
		closed.Wait()
		b.ReportMetric(float64(time.Since(began).Microseconds())/1000, "ms-to-all-closed")
	}
}
