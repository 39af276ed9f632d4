package proxy

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
)

// Opcodes that the relay looks at (RFC 6455 section 11.8).
const (
	opContinuation = 0x0
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// Bits of the first two bytes of a frame (RFC 6455 section 5.2).
const (
	bitFin     = 0x80
	bitMask    = 0x80
	maskOpcode = 0x0F
	maskLength = 0x7F
)

// fragment is the most of a message that is relayed as one frame. A larger
// frame becomes several, so that the next boundary, where a close frame fits,
// is never far. A multiple of 4: the masking key then fits every fragment.
const fragment = 16 << 10

// maxControl is the longest payload of a control frame.
const maxControl = 125

// maxHead is the longest head of a frame.
const maxHead = 14

// idleBuffer is the largest buffer that a socket keeps while it is silent: ten
// thousand idle sockets are normal.
const idleBuffer = 512

var errFrame = errors.New("malformed frame")

// frames reads one direction of a WebSocket as complete frames of at most
// fragment bytes. It is not safe for concurrent use.
type frames struct {
	r    *bufio.Reader
	buf  []byte // the frame last returned
	left uint64 // payload of the frame under way that is still to come
	rest byte   // first byte of its next fragment, without FIN
	fin  byte   // its own FIN
	mask []byte // its masking key, or nothing
	key  [4]byte
}

// frame is one frame as it goes on the wire. It is valid until the next call.
type frame struct {
	wire    []byte
	opcode  byte
	payload []byte // within wire, masked as received
	key     []byte // the masking key, or nothing
}

// next returns the next frame. Its bytes are those received, but for a large
// frame, which is cut into fragments, and for a length that was not written in
// the shortest form (RFC 6455 section 5.2 wants that). io.EOF is an end between
// frames.
func (f *frames) next() (frame, error) {
	if f.left > 0 {
		return f.emit(f.rest)
	}
	if f.r.Buffered() == 0 && cap(f.buf) > idleBuffer {
		f.buf = nil
	}
	first, err := f.r.ReadByte()
	if err != nil {
		return frame{}, err
	}
	second, err := f.r.ReadByte()
	if err != nil {
		return frame{}, unexpected(err)
	}
	if f.left, err = f.length(second & maskLength); err != nil {
		return frame{}, err
	}
	opcode := first & maskOpcode
	if opcode >= opClose && (f.left > maxControl || first&bitFin == 0) {
		return frame{}, errFrame // RFC 6455 section 5.5
	}
	f.mask = nil
	if second&bitMask != 0 {
		if _, err := io.ReadFull(f.r, f.key[:]); err != nil {
			return frame{}, unexpected(err)
		}
		f.mask = f.key[:]
	}
	f.fin = first & bitFin
	return f.emit(first &^ bitFin)
}

// length reads the extended length that small announces.
func (f *frames) length(small byte) (uint64, error) {
	size := 0
	switch small {
	case 126:
		size = 2
	case 127:
		size = 8
	default:
		return uint64(small), nil
	}
	ext, err := f.r.Peek(size)
	if err != nil {
		return 0, unexpected(err)
	}
	var length uint64
	for _, b := range ext {
		length = length<<8 | uint64(b)
	}
	_, _ = f.r.Discard(size) // it is buffered
	if length>>63 != 0 {
		return 0, errFrame
	}
	return length, nil
}

// emit returns the next piece of the payload of which left bytes are to come,
// as a frame that begins with first.
func (f *frames) emit(first byte) (frame, error) {
	n := min(f.left, fragment)
	f.left -= n
	f.rest = opContinuation // reserved bits stand on a first fragment only
	if f.left == 0 {
		first |= f.fin
	}
	if need := maxHead + int(n); cap(f.buf) < need {
		f.buf = make([]byte, max(need, idleBuffer))
	}
	head := appendHead(f.buf[:0], first, n, f.mask)
	f.buf = head[:len(head)+int(n)]
	payload := f.buf[len(head):]
	if _, err := io.ReadFull(f.r, payload); err != nil {
		return frame{}, unexpected(err)
	}
	return frame{wire: f.buf, opcode: first & maskOpcode, payload: payload, key: f.mask}, nil
}

// appendHead appends the head of a frame.
func appendHead(b []byte, first byte, length uint64, mask []byte) []byte {
	var masked byte
	if len(mask) > 0 {
		masked = bitMask
	}
	switch {
	case length < 126:
		b = append(b, first, masked|byte(length))
	case length <= 0xFFFF:
		b = append(b, first, masked|126)
		b = binary.BigEndian.AppendUint16(b, uint16(length))
	default:
		b = append(b, first, masked|127)
		b = binary.BigEndian.AppendUint64(b, length)
	}
	return append(b, mask...)
}

// controlFrame returns a control frame of our own. Towards a server it is
// masked, with a key that nobody can foresee (RFC 6455 section 5.3).
func controlFrame(opcode byte, payload []byte, masked bool) []byte {
	payload = payload[:min(len(payload), maxControl)]
	if !masked {
		return append(appendHead(nil, bitFin|opcode, uint64(len(payload)), nil), payload...)
	}
	var key [4]byte
	_, _ = rand.Read(key[:]) // never fails (crypto/rand)
	b := appendHead(nil, bitFin|opcode, uint64(len(payload)), key[:])
	return append(b, unmask(payload, key[:])...)
}

// unmask returns the payload with the key applied, which also masks it.
func unmask(payload, key []byte) []byte {
	out := make([]byte, len(payload))
	for i, c := range payload {
		out[i] = c
		if len(key) == 4 {
			out[i] ^= key[i%4]
		}
	}
	return out
}

// unexpected is the error of an end inside a frame.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
