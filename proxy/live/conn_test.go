package live

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"time"
)

// A write that goes through somewhere else than Write would get around the
// gate: net/http and io.Copy look for these methods.
func TestAConnHasNoOtherWayOut(t *testing.T) {
	var c any = NewConn(nil)
	if _, ok := c.(io.ReaderFrom); ok {
		t.Error("a Conn has ReadFrom")
	}
	if _, ok := c.(syscall.Conn); ok {
		t.Error("a Conn gives its file descriptor away")
	}
}

func TestAConnWithoutAnExchangeWritesFreely(t *testing.T) {
	x := newRig().Open(t.Context(), Info{})
	c := NewConn(newStub(takesAll))
	c.Attach(x)
	if c.Exchange() != x {
		t.Error("Exchange is not what was attached")
	}
	c.Detach(x)
	if n, err := c.TryWrite(make([]byte, 2*chunk)); n != 2*chunk || err != nil {
		t.Errorf("TryWrite returned %d, %v", n, err)
	}
	if c.Exchange() != nil {
		t.Error("Exchange is not nil after Detach")
	}
}

func TestAHoldBreaksOffAWriteToASlowReader(t *testing.T) {
	r := newRig()
	x := r.open(t, Request)
	ours, theirs := tcpPair(t)
	m := &meter{Conn: ours}
	c := NewConn(m)
	c.Attach(x)
	const size = 8 << 20
	wrote := make(chan error, 1)
	go func() { _, err := c.Write(make([]byte, size)); wrote <- err }()
	if _, err := io.ReadFull(theirs, make([]byte, 1)); err != nil { // it has begun
		t.Fatal(err)
	}
	soon(t, "Hold", func() { r.hold(x, 1) })
	if m.inside.Load() != 0 {
		t.Error("a write is under way after Hold has returned")
	}
	before := m.passed.Load()
	if _, err := io.CopyN(io.Discard, theirs, before-1); err != nil {
		t.Fatal(err)
	}
	_ = theirs.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := theirs.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the reader got %d bytes that were written during the hold (%v)", n, err)
	}
	_ = theirs.SetReadDeadline(time.Time{})
	x.Release(allowedAt(1))
	soon(t, "the rest", func() {
		if _, err := io.CopyN(io.Discard, theirs, size-before); err != nil {
			t.Error(err)
		}
		if err := <-wrote; err != nil {
			t.Errorf("Write returned %v", err)
		}
	})
}

// pattern is what position i of the stream must be: neither a chunk nor a
// buffer that is lost, doubled or moved goes unseen.
type pattern struct{ next uint64 }

func (p *pattern) fill(b []byte) {
	for i := range b {
		b[i] = byte(p.next * 0x9E3779B97F4A7C15 >> 56)
		p.next++
	}
}

func TestHoldsLoseAndDoubleNothing(t *testing.T) {
	const size, holds = 64 << 20, 200
	r := newRig()
	x := r.open(t, Request)
	ours, theirs := tcpPair(t)
	m := &meter{Conn: ours}
	c := NewConn(m)
	c.Attach(x)
	wrote := make(chan error, 1)
	go func() {
		var p pattern
		b := make([]byte, 1<<20)
		for range size / len(b) {
			p.fill(b)
			if _, err := c.Write(b); err != nil {
				wrote <- err
				return
			}
		}
		wrote <- nil
	}()
	got, want, left := make([]byte, 256<<10), make([]byte, 256<<10), size
	var expected pattern
	for i := range holds {
		for range rand.IntN(2 * size / holds / len(got) * 2) { // the reader is somewhere, and so is the writer
			n, err := io.ReadFull(theirs, got[:min(left, rand.IntN(len(got)))])
			expected.fill(want[:n])
			left -= n
			if err != nil || !bytes.Equal(got[:n], want[:n]) {
				t.Fatalf("hold %d, %d bytes to come: what was read is not what was written (%v)", i, left, err)
			}
		}
		soon(t, "Hold", func() { r.hold(x, 0) })
		if m.inside.Load() != 0 {
			t.Fatal("a write is under way after Hold has returned")
		}
		if !x.Release(allowedAt(0)) {
			t.Fatal("Release was refused")
		}
	}
	for left > 0 {
		n, err := io.ReadFull(theirs, got[:min(left, len(got))])
		expected.fill(want[:n])
		left -= n
		if err != nil || !bytes.Equal(got[:n], want[:n]) {
			t.Fatalf("%d bytes to come: what was read is not what was written (%v)", left, err)
		}
	}
	if err := <-wrote; err != nil {
		t.Errorf("Write returned %v", err)
	}
	_ = c.Close()
	if n, err := theirs.Read(got); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("behind the end came %d bytes, %v", n, err)
	}
}

func TestACutSocketWithNothingPendingHasAGoodbye(t *testing.T) {
	r := newRig()
	x := r.open(t, Socket)
	ours, theirs := tcpPair(t)
	c := NewConn(ours)
	c.Attach(x)
	if _, err := c.Write([]byte("data")); err != nil {
		t.Fatal(err)
	}
	x.Cut(ErrRevoked)
	if err := c.WriteAside([]byte("goodbye"), time.Second); err != nil {
		t.Errorf("WriteAside returned %v", err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Errorf("CloseWrite returned %v", err)
	}
	got, err := io.ReadAll(theirs)
	if string(got) != "datagoodbye" || err != nil {
		t.Errorf("the client read %q, %v", got, err)
	}
}

func TestAGoodbyeThatIsStuckIsThrownAway(t *testing.T) {
	r := newRig()
	x := r.open(t, Socket)
	ours, theirs := tcpPair(t)
	c := NewConn(ours)
	c.Attach(x)
	x.Cut(ErrRevoked)
	err := c.WriteAside(make([]byte, 64<<20), 5*time.Millisecond)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("WriteAside returned %v, want that its time was over", err)
	}
	_ = c.Close()
	if _, err := io.Copy(io.Discard, theirs); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the reader's end is %v, want a reset", err)
	}
}

func TestARequestThatHadNoAnswerStaysToBeTold(t *testing.T) {
	r := newRig()
	x := r.open(t, Request)
	ours, theirs := tcpPair(t)
	client, upstream := NewConn(ours), NewConn(newStub(takesAll))
	client.Attach(x)
	upstream.Attach(x)
	if _, err := upstream.Write([]byte("an upload")); err != nil {
		t.Fatal(err)
	}
	x.Cut(ErrRevoked)
	if !upstream.Conn.(*stub).isClosed() {
		t.Error("the upstream's side is still open")
	}
	client.Detach(x)
	if _, err := client.Write([]byte("403")); err != nil {
		t.Errorf("telling the client failed: %v", err)
	}
	_ = client.Close()
	if got, err := io.ReadAll(theirs); string(got) != "403" || err != nil {
		t.Errorf("the client read %q, %v", got, err)
	}
}

func TestWriteAsideGoesBesideTheGate(t *testing.T) {
	x := newRig().Open(t.Context(), Info{Kind: Socket})
	ours, theirs := tcpPair(t)
	c := NewConn(ours)
	c.Attach(x)
	if err := c.WriteAside([]byte("pong"), time.Second); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(theirs, got); err != nil || string(got) != "pong" {
		t.Errorf("the peer read %q, %v", got, err)
	}
	_ = c.WriteAside(make([]byte, 64<<20), time.Millisecond)
	x.Free()
	wrote := make(chan error, 1)
	go func() { _, err := c.Write([]byte("later")); wrote <- err }()
	go func() { _, _ = io.Copy(io.Discard, theirs) }()
	if err := <-wrote; err != nil {
		t.Errorf("its deadline is still there: %v", err)
	}
}

// An error that is not ours ends the write, in a gate that was held too.
func TestErrorsOfTheConnectionAreNotSwallowed(t *testing.T) {
	broken := errors.New("connection reset")
	for name, c := range map[string]struct {
		err  error
		hold bool
	}{
		"an error":                          {broken, false},
		"an error during a hold":            {broken, true},
		"a deadline that somebody else set": {os.ErrDeadlineExceeded, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig()
			x := r.open(t, Request)
			conn := NewConn(newStub(func(*stub, []byte) (int, error) {
				if c.hold {
					x.gate.hold(1)
				}
				return 3, c.err
			}))
			conn.Attach(x)
			if n, err := conn.Write([]byte("hello")); n != 3 || !errors.Is(err, c.err) {
				t.Errorf("Write returned %d, %v; want 3, %v", n, err, c.err)
			}
		})
	}
}

func TestACloseWithoutACutLosesNothing(t *testing.T) {
	x := newRig().open(t, Request)
	ours, theirs := tcpPair(t)
	c := NewConn(ours)
	c.Attach(x)
	if _, err := c.TryWrite(make([]byte, 8<<10)); err != nil {
		t.Fatal(err)
	}
	x.End() // by itself: that is no cut
	_ = c.Close()
	if n, err := io.Copy(io.Discard, theirs); n != 8<<10 || err != nil {
		t.Errorf("the peer read %d bytes and %v, want all and the end", n, err)
	}
}
