package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// echo is a WebSocket server: it accepts, sends every frame back unmasked, and
// tells what it got.
func echo(got chan<- string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: "+acceptOf(r.Header.Get("Sec-WebSocket-Key"))+"\r\n\r\n")
		for {
			op, payload, err := readFrame(rw.Reader)
			if err != nil {
				return
			}
			if got != nil {
				got <- string(payload)
			}
			if _, err := conn.Write(clearFrame(op, payload)); err != nil {
				return
			}
		}
	}
}

// socket is a client's WebSocket.
type socket struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

const socketKey = "dGhlIHNhbXBsZSBub25jZQ=="

// handshake sends a handshake and returns the answer.
func (r *rig) handshake(path string, fields ...string) (*socket, *http.Response) {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nOrigin: http://%s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s\r\n", path, r.addr, r.addr, socketKey,
		strings.Join(append(slices.Clone(fields), ""), "\r\n"))
	s := &socket{t: r.t, conn: conn, r: bufio.NewReader(conn)}
	res, err := http.ReadResponse(s.r, nil)
	if err != nil {
		r.t.Fatalf("handshake: %v", err)
	}
	return s, res
}

// open opens a WebSocket.
func (r *rig) open(path string, fields ...string) *socket {
	r.t.Helper()
	s, res := r.handshake(path, fields...)
	if res.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(res.Body)
		r.t.Fatalf("handshake: %s %s", res.Status, body)
	}
	return s
}

// say sends a text message.
func (s *socket) say(text string) {
	s.t.Helper()
	if _, err := s.conn.Write(maskedFrame(0x1, []byte(text))); err != nil {
		s.t.Fatalf("sending %q: %v", text, err)
	}
}

// hear returns the next frame; a close frame is "close <code> <reason>", the
// end of the connection is "end".
func (s *socket) hear() string {
	op, payload, err := readFrame(s.r)
	switch {
	case err != nil:
		return "end"
	case op == 0x8 && len(payload) >= 2:
		return fmt.Sprintf("close %d %s", int(payload[0])<<8|int(payload[1]), payload[2:])
	}
	return string(payload)
}

// quiet fails if anything arrives within d.
func (s *socket) quiet(d time.Duration) {
	s.t.Helper()
	_ = s.conn.SetReadDeadline(time.Now().Add(d))
	if b, err := s.r.Peek(1); err == nil {
		s.t.Errorf("something passed while held: %#x", b)
	}
	_ = s.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
}
