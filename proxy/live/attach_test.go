package live

import (
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAPooledConnectionIsLeftAloneByItsOldExchange(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(r *rig, old *Exchange)
	}{
		{"that is cut", func(_ *rig, old *Exchange) { old.Cut(ErrRevoked) }},
		{"that is held", func(r *rig, old *Exchange) { r.hold(old, 1) }},
		{"that ends", func(_ *rig, old *Exchange) { old.End() }},
	} {
		for _, detached := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				r := newRig()
				old, next := r.open(t, Request), r.open(t, Request)
				conn := NewConn(newStub(takesAll))
				conn.Attach(old)
				if _, err := conn.Write([]byte("old")); err != nil {
					t.Fatal(err)
				}
				if detached {
					conn.Detach(old)
				}
				conn.Attach(next)
				conn.Detach(old) // comes late: the pool tells after it has lent
				c.end(r, old)
				if conn.Exchange() != next {
					t.Error("the connection lost its new exchange")
				}
				if _, err := conn.Write([]byte("new")); err != nil {
					t.Errorf("a write of the new exchange got %v", err)
				}
				if s := conn.Conn.(*stub); s.isClosed() || s.isPast() {
					t.Errorf("closed: %v, told to stop: %v; want neither", s.isClosed(), s.isPast())
				}
				r.hold(next, 1)
				if _, err := conn.TryWrite([]byte("new")); !Held(err) {
					t.Errorf("the new exchange is held, a write got %v", err)
				}
			})
		}
	}
}

// A connection that has passed nothing of the new exchange is not closed by
// its cut, whatever it passed of the old one.
func TestWhatPassedIsCountedPerExchange(t *testing.T) {
	r := newRig()
	old, next := r.open(t, Request), r.open(t, Request)
	conn := NewConn(newStub(takesAll))
	conn.Attach(old)
	if _, err := conn.Write([]byte("old")); err != nil {
		t.Fatal(err)
	}
	conn.Attach(next)
	next.Cut(ErrRevoked)
	if conn.Conn.(*stub).isClosed() {
		t.Error("a client that has had no byte of its answer was cut off")
	}
}

// While a hold waits for one side, the other side leaves: it must not keep the
// deadline.
func TestAConnectionThatLeavesDuringAHoldKeepsNoDeadline(t *testing.T) {
	for name, leave := range map[string]func(c *Conn, old, next *Exchange){
		"by Detach": func(c *Conn, old, _ *Exchange) { c.Detach(old) },
		"by Attach": func(c *Conn, _, next *Exchange) { c.Attach(next) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig()
				old, next := r.open(t, Request), r.open(t, Request)
				conn, entered, let := stuckPeer()
				busy, idle := NewConn(conn), NewConn(newStub(takesAll))
				busy.Attach(old)
				idle.Attach(old)
				var n int
				wrote := startWrite(busy, &n)
				<-entered
				go r.hold(old, 1)
				synctest.Wait()
				leave(idle, old, next)
				if idle.Conn.(*stub).isPast() {
					t.Error("it kept the deadline of the hold")
				}
				close(let)
				synctest.Wait()
				old.Cut(ErrRevoked)
				<-wrote
			})
		})
	}
}

// lent is a connection that fails the test if an exchange touches it that it
// was lent by before.
type lent struct {
	stub
	t     *testing.T
	taken atomic.Bool // Attach to the new exchange has returned
}

func (l *lent) Close() error {
	if l.taken.Load() {
		l.t.Error("closed by the cut of another exchange")
	}
	return nil
}

func (l *lent) SetWriteDeadline(at time.Time) error {
	if l.taken.Load() && !at.IsZero() {
		l.t.Error("told to stop by another exchange")
	}
	return l.stub.SetWriteDeadline(at)
}

func TestLendingAConnectionRacesWithTheCutOfItsOldExchange(t *testing.T) {
	for range 3000 {
		r := newRig()
		old, next := r.open(t, Request), r.open(t, Request)
		conn := &lent{t: t}
		conn.write, conn.hit = takesAll, make(chan struct{}, 64)
		c := NewConn(conn)
		c.Attach(old)
		busy := NewConn(newStub(func(s *stub, p []byte) (int, error) { <-s.hit; return 0, os.ErrDeadlineExceeded }))
		busy.Attach(old)
		if _, err := c.Write([]byte("old")); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		all.Go(func() { _, _ = busy.Write([]byte("x")) }) // so that a hold has whom to tell
		all.Go(func() { r.hold(old, 1); old.Cut(ErrRevoked) })
		all.Go(func() { c.Detach(old) })
		all.Go(func() {
			c.Attach(next)
			conn.taken.Store(true)
			if conn.isPast() {
				t.Error("lent with a deadline that is over")
			}
			if n, err := c.Write([]byte("new")); n != 3 || err != nil {
				t.Errorf("Write returned %d, %v", n, err)
			}
		})
		all.Wait()
		if c.Exchange() != next || len(next.gate.conns) != 1 || len(old.gate.conns) > 1 {
			t.Fatal("the gates do not know which connection is whose")
		}
		if t.Failed() {
			return
		}
	}
}
