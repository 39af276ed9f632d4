package stub

import (
	"bufio"
	"context"
	"crypto/sha1" //nolint:gosec // RFC 6455 section 4.2.2 wants it
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"sync"
	"time"
)

// Opcodes of RFC 6455 section 11.8 that are looked at.
const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA
)

// maxText is the longest text: what fits into a frame with the shortest head.
const maxText = 125

// NoCloseFrame is the close code of a socket that ended without one.
const NoCloseFrame = -1

// Socket is one end of a WebSocket that carries short texts. One goroutine may
// receive while others send.
type Socket struct {
	conn   net.Conn
	r      *bufio.Reader
	client bool // its frames are masked, with a key of zeros: nobody has to be fooled

	mu sync.Mutex // guards writing
}

// Dial opens a socket at a path of a host. Without one, the status is that of the
// answer, 0 if there was none.
func Dial(ctx context.Context, address, path string, head http.Header) (*Socket, int, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, 0, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	request, err := http.NewRequest(http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return nil, 0, err
	}
	maps.Copy(request.Header, head)
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", "websocket")
	request.Header.Set("Sec-WebSocket-Version", "13")
	request.Header.Set("Sec-WebSocket-Key", base64.StdEncoding.EncodeToString(make([]byte, 16)))
	s := &Socket{conn: conn, r: bufio.NewReader(conn), client: true}
	if err := request.Write(conn); err != nil {
		_ = conn.Close()
		return nil, 0, err
	}
	answer, err := http.ReadResponse(s.r, request)
	switch {
	case err != nil:
		_ = conn.Close()
		return nil, 0, err
	case answer.StatusCode != http.StatusSwitchingProtocols || !stop():
		_ = conn.Close()
		return nil, answer.StatusCode, fmt.Errorf("refused with status %d", answer.StatusCode)
	}
	return s, answer.StatusCode, nil
}

// accept answers a handshake.
func accept(w http.ResponseWriter, r *http.Request) (*Socket, error) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	_, err = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	return &Socket{conn: conn, r: buffered.Reader}, err
}

// Send writes one text of at most 125 bytes.
func (s *Socket) Send(text string) error { return s.frame(opText, []byte(text)) }

func (s *Socket) frame(opcode byte, payload []byte) error {
	if len(payload) > maxText {
		return errors.New("stub: a text that is too long")
	}
	head := []byte{0x80 | opcode, byte(len(payload))}
	if s.client {
		head[1] |= 0x80
		head = append(head, 0, 0, 0, 0)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.conn.Write(append(head, payload...))
	return err
}

// Receive returns the next text. At the end it returns the close code.
func (s *Socket) Receive() (text string, code int, err error) {
	for {
		opcode, payload, err := s.read()
		if err != nil {
			return "", NoCloseFrame, err
		}
		switch opcode {
		case opText:
			return string(payload), 0, nil
		case opPing:
			_ = s.frame(opPong, payload) // an end shows in the next read
		case opClose:
			_ = s.frame(opClose, payload)
			if len(payload) < 2 {
				return "", 1005, io.EOF // RFC 6455 section 7.1.5
			}
			return "", int(binary.BigEndian.Uint16(payload)), io.EOF
		}
	}
}

// read reads one frame with a short head.
func (s *Socket) read() (opcode byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(s.r, head[:]); err != nil {
		return 0, nil, err
	}
	length := int(head[1] & 0x7F)
	if length > maxText {
		return 0, nil, errors.New("stub: a frame that nobody here sends")
	}
	var key [4]byte
	if head[1]&0x80 != 0 {
		if _, err := io.ReadFull(s.r, key[:]); err != nil {
			return 0, nil, err
		}
	}
	payload = make([]byte, length)
	_, err = io.ReadFull(s.r, payload)
	for i := range payload {
		payload[i] ^= key[i%4]
	}
	return head[0] & 0x0F, payload, err
}

// Close ends the socket without a word.
func (s *Socket) Close() { _ = s.conn.Close() }

// every calls f again and again until it fails or done is closed.
func every(pause time.Duration, done <-chan struct{}, f func() error) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			if f() != nil {
				return
			}
		}
	}
}
