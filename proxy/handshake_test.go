package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
)

// shaken is a handshake with a server at the end of a pipe.
func shaken(ctx context.Context, f func(server net.Conn)) (took time.Duration, err error) {
	near, far := net.Pipe()
	began, over := time.Now(), make(chan struct{})
	defer func() { <-over }()
	go func() {
		defer close(over)
		defer far.Close()
		_, _ = far.Read(make([]byte, 4<<10))
		f(far)
	}()
	out := &http.Request{Method: http.MethodGet, Host: "h", Header: http.Header{}, URL: &url.URL{Scheme: "http", Host: "h", Opaque: "/x"}}
	up, _, err := shake(ctx, live.NewConn(near), out)
	took = time.Since(began)
	if err == nil {
		_, err = io.ReadAll(up.reader) // the connection is usable, for as long as one likes
		_ = up.conn.Close()
	}
	return took, err
}

// TestAServerMayTakeAMinuteToAccept: a kernel's first socket waits until the
// kernel runs. Once accepted, nothing is limited.
func TestAServerMayTakeAMinuteToAccept(t *testing.T) {
	const answer = "HTTP/1.1 101 Switching Protocols\r\n\r\n"
	for _, tt := range []struct {
		name  string
		after time.Duration
		took  time.Duration
		want  error
	}{
		{"nearly a minute", handshakeLimit - time.Second, handshakeLimit - time.Second, nil},
		{"too long", handshakeLimit + time.Second, handshakeLimit, context.DeadlineExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				took, err := shaken(t.Context(), func(server net.Conn) {
					<-time.After(tt.after)
					_, _ = io.WriteString(server, answer)
					<-time.After(24 * time.Hour)
				})
				if took != tt.took || !errors.Is(err, tt.want) {
					t.Errorf("after %v: %v, want %v: %v", took, err, tt.took, tt.want)
				}
			})
		})
	}
}

func TestAHandshakeEndsWithItsExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			<-time.After(time.Second)
			cancel(live.ErrRevoked)
		}()
		took, err := shaken(ctx, func(server net.Conn) { _, _ = server.Read(make([]byte, 1)) })
		if took != time.Second || !errors.Is(err, live.ErrRevoked) {
			t.Errorf("after %v: %v, want the cause of the cut after 1s", took, err)
		}
	})
}

// TestBothSidesAreWatchedByKeepAlive: a peer that vanished without a word is
// noticed by the kernel.
func TestBothSidesAreWatchedByKeepAlive(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Listen(inner)
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	side, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer side.Close()
	if !keepsAlive(t, gated(side)) {
		t.Error("the client's side has no keep-alive")
	}
	ps := newPools()
	up, err := ps.dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	if !keepsAlive(t, gated(up)) {
		t.Error("the server's side has no keep-alive")
	}
}

func keepsAlive(t *testing.T, c *live.Conn) (on bool) {
	t.Helper()
	raw, err := c.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		n, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE)
		on = err == nil && n != 0
	})
	return on
}
