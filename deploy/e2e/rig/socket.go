package rig

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Socket is a WebSocket whose messages are read all the time by a goroutine of its own.
type Socket struct {
	Kind string // what it is for: kernel, terminal, room, events

	conn *websocket.Conn
	stop context.CancelFunc
	done chan struct{}

	mu     sync.Mutex
	end    time.Time
	code   websocket.StatusCode
	reason string
	err    error
}

// Refused is the answer to a handshake that was not a switch of protocols.
type Refused struct{ Status int }

func (r *Refused) Error() string { return fmt.Sprintf("handshake refused with %d", r.Status) }

// Socket opens a WebSocket at a path of the server, with the person's cookies, as a browser does. The goroutine calls take
// for every message, in order.
func (v *Visit) Socket(ctx context.Context, kind, path string, take func(websocket.MessageType, []byte)) (*Socket, error) {
	head := http.Header{"Origin": {v.Hub.Public}, "Sec-Fetch-Mode": {"websocket"}, "Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"websocket"}}
	head.Set("Cookie", v.Cookies(v.Server))
	dial, cancelDial := context.WithTimeout(ctx, 20*time.Second)
	defer cancelDial()
	conn, res, err := websocket.Dial(dial, v.Hub.Public+v.Server+path, &websocket.DialOptions{HTTPHeader: head, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		if res != nil && res.StatusCode != http.StatusSwitchingProtocols {
			return nil, &Refused{Status: res.StatusCode}
		}
		return nil, err
	}
	conn.SetReadLimit(-1)
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &Socket{Kind: kind, conn: conn, stop: stop, done: make(chan struct{})}
	go s.read(run, take)
	return s, nil
}

func (s *Socket) read(ctx context.Context, take func(websocket.MessageType, []byte)) {
	defer close(s.done)
	for {
		kind, data, err := s.conn.Read(ctx)
		if err == nil {
			take(kind, data)
			continue
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.end, s.code, s.err = time.Now(), websocket.CloseStatus(err), err
		var closed websocket.CloseError
		if errors.As(err, &closed) {
			s.reason = closed.Reason
		}
		return
	}
}

// Send sends a text message.
func (s *Socket) Send(ctx context.Context, text string) error {
	return s.conn.Write(ctx, websocket.MessageText, []byte(text))
}

// SendBinary sends a binary message.
func (s *Socket) SendBinary(ctx context.Context, data []byte) error {
	return s.conn.Write(ctx, websocket.MessageBinary, data)
}

// Wait waits until the socket is closed, at most for limit, and reports whether it is.
func (s *Socket) Wait(limit time.Duration) bool {
	select {
	case <-s.done:
		return true
	case <-time.After(limit):
		return false
	}
}

// End returns when the socket ended and how: the close code (-1 without a close frame) and the reason. Only valid when Wait has reported true.
func (s *Socket) End() (at time.Time, code int, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end, int(s.code), s.reason
}

// Err returns how the socket ended, in the words of the client's library. Only valid when Wait has reported true.
func (s *Socket) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close ends the socket from the client's side.
func (s *Socket) Close() {
	s.stop()
	_ = s.conn.CloseNow()
	<-s.done
}
