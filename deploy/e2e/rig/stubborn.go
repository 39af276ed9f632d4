package rig

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Stubborn is a WebSocket client that never answers a close frame and never closes by itself: it only reads.
type Stubborn struct {
	conn net.Conn
	done chan time.Time
}

// OpenStubborn opens such a socket at a path of the server.
func (v *Visit) OpenStubborn(ctx context.Context, path string) (*Stubborn, error) {
	address := strings.TrimPrefix(v.Hub.Public, "http://")
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-Fetch-Mode: websocket\r\nOrigin: %s\r\nCookie: %s\r\n\r\n",
		v.Server+path, address, v.Hub.Public, v.Cookies(v.Server))
	if err != nil {
		conn.Close()
		return nil, err
	}
	reader := bufio.NewReader(conn)
	res, err := http.ReadResponse(reader, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		conn.Close()
		return nil, fmt.Errorf("handshake: %v %w", res, err)
	}
	s := &Stubborn{conn: conn, done: make(chan time.Time, 1)}
	go func() {
		_, _ = io.Copy(io.Discard, reader)
		s.done <- time.Now()
	}()
	return s, nil
}

// End waits until the proxy has closed the connection, and returns when; false when it did not within limit.
func (s *Stubborn) End(limit time.Duration) (time.Time, bool) {
	defer s.conn.Close()
	select {
	case at := <-s.done:
		return at, true
	case <-time.After(limit):
		return time.Time{}, false
	}
}
