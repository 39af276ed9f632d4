package proxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

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
