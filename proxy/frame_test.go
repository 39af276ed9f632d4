package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"
)

// plainFrame is a frame as the plain reader below sees it.
type plainFrame struct {
	first   byte // FIN, reserved bits and opcode
	masked  bool
	key     [4]byte
	payload []byte // unmasked
	wire    []byte
}

// readPlain reads RFC 6455 section 5.2 in the plainest way. Its error is nil at
// an end between frames.
func readPlain(b []byte) (list []plainFrame, err error) {
	for len(b) > 0 {
		f, n, err := readOne(b)
		if err != nil {
			return list, err
		}
		list, b = append(list, f), b[n:]
	}
	return list, nil
}

func readOne(b []byte) (f plainFrame, n int, err error) {
	r := bytes.NewReader(b)
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return f, 0, io.ErrUnexpectedEOF
	}
	f.first, f.masked = head[0], head[1] >= 128
	length := uint64(head[1] % 128)
	var short uint16
	switch length {
	case 126:
		err = binary.Read(r, binary.BigEndian, &short)
		length = uint64(short)
	case 127:
		err = binary.Read(r, binary.BigEndian, &length)
	}
	if err != nil {
		return f, 0, io.ErrUnexpectedEOF
	}
	if length > 1<<63-1 || f.first&8 != 0 && (length > 125 || f.first < 128) {
		return f, 0, errFrame
	}
	if f.masked {
		if _, err := io.ReadFull(r, f.key[:]); err != nil {
			return f, 0, io.ErrUnexpectedEOF
		}
	}
	if uint64(r.Len()) < length {
		return f, 0, io.ErrUnexpectedEOF
	}
	f.payload = make([]byte, length)
	_, _ = io.ReadFull(r, f.payload)
	for i := range f.payload {
		f.payload[i] ^= f.key[i%4]
	}
	n = len(b) - r.Len()
	f.wire = b[:n]
	return f, n, nil
}

// relayed reads all frames of a stream as the relay does.
func relayed(t *testing.T, r io.Reader) (wire [][]byte, err error) {
	t.Helper()
	f := frames{r: bufio.NewReaderSize(r, 16)}
	for {
		got, err := f.next()
		if cap(f.buf) > 2*fragment {
			t.Fatalf("the buffer has grown to %d bytes", cap(f.buf))
		}
		if errors.Is(err, io.EOF) {
			return wire, nil
		}
		if err != nil {
			return wire, err
		}
		if got.opcode >= opClose && !bytes.Equal(unmask(got.payload, got.key), mustRead(t, got.wire).payload) {
			t.Fatalf("payload of %#x is said to be %q", got.wire, unmask(got.payload, got.key))
		}
		wire = append(wire, slices.Clone(got.wire))
	}
}

// mustRead reads exactly one frame.
func mustRead(t *testing.T, wire []byte) plainFrame {
	t.Helper()
	f, n, err := readOne(wire)
	if err != nil || n != len(wire) {
		t.Fatalf("relayed frame %.20x of %d bytes: %d read, %v", wire, len(wire), n, err)
	}
	return f
}

// checkPieces takes from pieces what has become of f, and returns the others.
func checkPieces(t *testing.T, f plainFrame, pieces [][]byte) [][]byte {
	t.Helper()
	var payload []byte
	for i := 0; ; i++ {
		if len(pieces) == 0 {
			t.Fatalf("frame %#x of %d bytes is missing behind %d", f.first, len(f.payload), len(payload))
		}
		p := mustRead(t, pieces[0])
		if len(f.payload) <= fragment && shortest(f) && !bytes.Equal(p.wire, f.wire) {
			t.Fatalf("relayed %.40x, want it as it came: %.40x", p.wire, f.wire)
		}
		payload, pieces = append(payload, p.payload...), pieces[1:]
		last := len(payload) >= len(f.payload)
		want := f.first
		if i > 0 {
			want &= 0x80 // a continuation, without reserved bits
		}
		if !last {
			want &= 0x7F
		}
		if p.first != want || p.masked != f.masked || p.key != f.key || len(p.payload) > fragment {
			t.Fatalf("piece %d: first byte %#x, key %x, %d bytes; want %#x, key %x", i, p.first, p.key, len(p.payload), want, f.key)
		}
		if last {
			break
		}
	}
	if !bytes.Equal(payload, f.payload) {
		t.Fatalf("payload of a frame of %d bytes changed", len(f.payload))
	}
	return pieces
}

// shortest reports whether the length was written in its shortest form.
func shortest(f plainFrame) bool {
	head := len(f.wire) - len(f.payload)
	if f.masked {
		head -= 4
	}
	switch n := len(f.payload); {
	case n < 126:
		return head == 2
	case n < 1<<16:
		return head == 4
	default:
		return head == 10
	}
}

// plainWire writes a frame.
func plainWire(first byte, size int, key []byte) []byte {
	b := appendHead(nil, first, uint64(size), key)
	for i := range size {
		b = append(b, byte(i*i>>3))
	}
	return b
}

// FuzzFrames: whatever a side sends, in whatever pieces it arrives, the relay
// sends the same messages on, or fails where a plain reader does.
func FuzzFrames(f *testing.F) {
	key := []byte{1, 2, 3, 4}
	f.Add(byte(0x82), uint32(3*fragment+5), true, []byte{}, byte(7))
	f.Add(byte(0xC1), uint32(fragment+1), false, plainWire(0x89, 4, key), byte(1))
	f.Add(byte(0x41), uint32(200_000), true, append(plainWire(0x8A, 0, nil), plainWire(0x80, 130, key)...), byte(100))
	f.Add(byte(0x01), uint32(fragment), true, []byte{0x88, 126, 0, 126}, byte(0))
	f.Add(byte(0x08), uint32(1), false, []byte{}, byte(3))
	f.Add(byte(0x82), uint32(0), false, []byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}, byte(3))
	f.Add(byte(0x82), uint32(0), false, []byte{0x82, 127, 0x7F, 0, 0, 0, 0, 0, 0, 0, 'x'}, byte(3))
	f.Add(byte(0x82), uint32(0), false, []byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0, 1, 'x', 0x81, 126, 0, 1, 'y'}, byte(3))
	f.Fuzz(func(t *testing.T, first byte, size uint32, masked bool, tail []byte, chunk byte) {
		mask := key
		if !masked {
			mask = nil
		}
		stream := append(plainWire(first, int(size%(4*fragment)), mask), tail...)
		want, wantErr := readPlain(stream)
		got, gotErr := relayed(t, &pieces{stream, int(chunk) + 1})
		if (gotErr == nil) != (wantErr == nil) || errors.Is(gotErr, errFrame) != errors.Is(wantErr, errFrame) {
			t.Fatalf("ended with %v, want %v", gotErr, wantErr)
		}
		for _, f := range want {
			got = checkPieces(t, f, got)
		}
		if gotErr == nil && len(got) > 0 {
			t.Errorf("%d frames more than came", len(got))
		}
	})
}

// pieces reads in pieces of varying size, up to limit.
type pieces struct {
	b     []byte
	limit int
}

func (p *pieces) Read(to []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(to[:min(len(to), 1+len(p.b)*7%p.limit)], p.b)
	p.b = p.b[n:]
	return n, nil
}

func TestMalformedFramesAreErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []byte
		want error
	}{
		{"control frame of 126 bytes", append([]byte{0x89, 126, 0, 126}, make([]byte, 126)...), errFrame},
		{"fragmented control frame", []byte{0x08, 0}, errFrame},
		{"length of 64 bits with the top bit", []byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 1, 0}, errFrame},
		{"end inside the first two bytes", []byte{0x82}, io.ErrUnexpectedEOF},
		{"end inside a length", []byte{0x82, 126, 0}, io.ErrUnexpectedEOF},
		{"end inside a key", []byte{0x82, 0x81, 1, 2}, io.ErrUnexpectedEOF},
		{"end before a key", []byte{0x82, 0x81}, io.ErrUnexpectedEOF},
		{"end before a payload", []byte{0x82, 1}, io.ErrUnexpectedEOF},
		{"end inside a payload", []byte{0x82, 2, 'x'}, io.ErrUnexpectedEOF},
		{"end between fragments of ours", append([]byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}, make([]byte, fragment)...), io.ErrUnexpectedEOF},
		{"end between frames", []byte{0x82, 0}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := relayed(t, iotest.OneByteReader(bytes.NewReader(tt.in))); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// TestOnlyBusySocketsHaveLargeBuffers: a buffer lives as long as there is more
// to read, so that reading costs no allocation per frame and silence no memory.
func TestOnlyBusySocketsHaveLargeBuffers(t *testing.T) {
	large := plainWire(0x82, fragment, []byte{1, 2, 3, 4})
	source := &pieces{limit: 1 << 30}
	f := frames{r: bufio.NewReader(source)}
	source.b = bytes.Repeat(large, 4)
	if _, err := f.next(); err != nil || cap(f.buf) < fragment {
		t.Fatalf("first frame: %v, buffer of %d bytes", err, cap(f.buf))
	}
	for err := error(nil); err == nil; {
		_, err = f.next()
	}
	if cap(f.buf) > idleBuffer {
		t.Errorf("a silent socket keeps %d bytes, want at most %d", cap(f.buf), idleBuffer)
	}
	for _, size := range []int{100, 3 * fragment} {
		wire := plainWire(0x82, size, []byte{1, 2, 3, 4})
		one := frames{r: bufio.NewReader(&again{b: wire})}
		_, _ = one.next() // makes the buffer
		if n := testing.AllocsPerRun(1000, func() { _, _ = one.next() }); n != 0 {
			t.Errorf("a frame of %d bytes costs %v allocations, want 0", size, n)
		}
	}
}

// again reads the same bytes for ever.
type again struct {
	b []byte
	n int
}

func (a *again) Read(to []byte) (int, error) {
	if a.n == len(a.b) {
		a.n = 0
	}
	n := copy(to, a.b[a.n:])
	a.n += n
	return n, nil
}
