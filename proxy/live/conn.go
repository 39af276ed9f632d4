package live

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// chunk is the most that is written to the kernel under one question to the
// gate: a process that was stopped for a minute wakes up with bytes queued,
// and may pass this much of them.
const chunk = 64 << 10

// Conn is a connection whose writes pass the gate of the exchange that it is
// attached to. Without one it writes freely (our own answers, the Hub). Reads
// are not gated: what is read and not written has not passed.
//
// One goroutine writes at a time, as package net/http does.
type Conn struct {
	net.Conn
	mu       sync.Mutex // makes one step of a change of exchange
	exchange atomic.Pointer[Exchange]
	broken   atomic.Bool // a deadline of ours is set
	narrow   atomic.Bool
	passed   atomic.Bool // bytes of the exchange were written
}

// NewConn wraps a connection.
func NewConn(c net.Conn) *Conn { return &Conn{Conn: c} }

// Attach puts the connection under the gate of x, in the place of another one.
// What becomes of the other exchange from then on does not touch it. No write
// may be under way.
func (c *Conn) Attach(x *Exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.exchange.Load(); old != nil {
		old.gate.detach(c)
	}
	c.passed.Store(false)
	c.exchange.Store(x)
	x.gate.attach(c)
}

// Detach takes the connection out of the gate of x, if it is there: a pooled
// connection may serve somebody else by now. No write may be under way.
func (c *Conn) Detach(x *Exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.exchange.Load() == x {
		x.gate.detach(c)
		c.exchange.Store(nil)
	}
}

// Exchange returns the exchange that the connection is attached to, or nil.
func (c *Conn) Exchange() *Exchange { return c.exchange.Load() }

// Write writes p, waiting while the gate is held. It returns the cause of a
// cut.
func (c *Conn) Write(p []byte) (int, error) { return c.write(p, true) }

// TryWrite writes p, and stops where the gate is held: the number of bytes
// that passed and Held(err). The rest is the caller's to write later.
func (c *Conn) TryWrite(p []byte) (int, error) { return c.write(p, false) }

// Held reports whether a write stopped because the gate is held.
func Held(err error) bool { return errors.Is(err, errHeld) }

func (c *Conn) write(p []byte, wait bool) (n int, err error) {
	x := c.exchange.Load()
	if x == nil {
		return c.Conn.Write(p)
	}
	for n < len(p) {
		ticket, err := x.gate.enter(wait, x.check)
		if err != nil {
			return n, err
		}
		m, err := c.Conn.Write(p[n:min(n+chunk, len(p))])
		n += m
		if m > 0 {
			c.passed.Store(true)
		}
		broken := x.gate.leave(ticket)
		if err != nil && (!broken || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return n, err
		}
	}
	return n, nil
}

// WriteAside writes p beside the gate, within a deadline: a close frame, an
// answer to a ping. Only the goroutine that writes to the connection may call
// it, or anybody after a cut.
func (c *Conn) WriteAside(p []byte, within time.Duration) error {
	_ = c.Conn.SetWriteDeadline(time.Now().Add(within)) // a dead connection shows at the write
	_, err := c.Conn.Write(p)
	_ = c.Conn.SetWriteDeadline(time.Time{})
	return err
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// breakOff ends a write that is under way. Where a deadline cannot be set, here
// and below, the connection is closed: no write is under way then.
func (c *Conn) breakOff() {
	c.broken.Store(true)
	_ = c.Conn.SetWriteDeadline(past)
}

// mend lets writes take their time again.
func (c *Conn) mend() {
	if c.broken.CompareAndSwap(true, false) {
		_ = c.Conn.SetWriteDeadline(time.Time{})
	}
}

// CloseWrite ends our direction, so that a refused upload still reads its
// answer (net/http looks for this method).
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close closes the connection. If its exchange was cut, what the kernel still
// has of it is thrown away: a close that waits for it let three more MiB
// through to a slow reader.
func (c *Conn) Close() error {
	if x := c.exchange.Load(); x != nil && x.Cause() != nil {
		c.Discard()
	}
	return c.Conn.Close()
}

// Discard makes the next close throw away what the kernel still has to send.
func (c *Conn) Discard() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails on a closed connection only
	}
}

// abandon is for a connection whose exchange was cut: what the kernel still
// has to send of it is thrown away. A client that has had no byte of an answer
// stays, to be told; a socket's sides stay while nothing is pending, because
// they have a goodbye of their own.
func (c *Conn) abandon(kind Kind) {
	if kind == Socket && c.Unsent() == 0 || !c.passed.Load() {
		return
	}
	c.Discard()
	_ = c.Conn.Close()
}

// Unsent returns how many bytes the kernel has taken from us and not yet sent,
// because the peer does not read; 0 where that cannot be known.
func (c *Conn) Unsent() int {
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return 0
	}
	return unsent(tcp)
}

// Narrow bounds what the kernel takes from us before it can send it: while a
// guest's exchange is held, that much may still go out to a slow reader.
func (c *Conn) Narrow() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok && c.narrow.CompareAndSwap(false, true) {
		narrow(tcp)
	}
}

// guestUnsent bounds a guest's unsent bytes. It does not bound what is under
// way to a client that reads, so that long distances stay fast.
const guestUnsent = 16 << 10
