package live

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// stuckPeer returns a connection whose first write is stuck until a deadline
// is over and the test lets it return; it has then passed one byte. entered
// receives at every write.
func stuckPeer() (conn *stub, entered, let chan struct{}) {
	entered, let = make(chan struct{}, 16), make(chan struct{})
	first := true
	return newStub(func(s *stub, p []byte) (int, error) {
		entered <- struct{}{}
		if !first {
			return len(p), nil
		}
		first = false
		<-s.hit
		<-let
		return 1, os.ErrDeadlineExceeded
	}), entered, let
}

// startWrite writes two bytes and sends the outcome.
func startWrite(c *Conn, n *int) chan error {
	wrote := make(chan error, 1)
	go func() {
		var err error
		*n, err = c.Write([]byte("ab"))
		wrote <- err
	}()
	return wrote
}

func TestAHoldThatIsReleasedBeforeItSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		x := r.open(t, Request)
		conn, entered, let := stuckPeer()
		c := NewConn(conn)
		c.Attach(x)
		var n int
		wrote := startWrite(c, &n)
		<-entered
		holds := make(chan struct{})
		for range 2 {
			go func() { r.hold(x, 1); holds <- struct{}{} }()
		}
		synctest.Wait()
		if !conn.isPast() {
			t.Fatal("the write was not told to stop")
		}
		x.Release(allowedAt(1))
		<-holds // although the write has not returned yet: it may go on
		<-holds
		if conn.isPast() {
			t.Error("the release left the deadline of the hold")
		}
		close(let)
		if err := <-wrote; err != nil || n != 2 {
			t.Errorf("Write returned %d, %v", n, err)
		}
		x.End()
	})
}

func TestAHoldWaitsForWritesUnderWay(t *testing.T) {
	for name, end := range map[string]func(r *rig, x *Exchange){
		"a hold":                  func(r *rig, x *Exchange) { r.hold(x, 1) },
		"a cut":                   func(_ *rig, x *Exchange) { x.Cut(ErrRevoked) },
		"a hold of what is held":  func(r *rig, x *Exchange) { x.gate.hold(1); r.hold(x, 1) },
		"a hold of what is cut":   func(r *rig, x *Exchange) { x.gate.shut(ErrRevoked); r.hold(x, 1) },
		"a cut of what was ended": func(_ *rig, x *Exchange) { x.End(); x.Cut(ErrRevoked) },
		"a hold of a gate that closed itself over an old decision": func(r *rig, x *Exchange) {
			r.age.Store(uint32(Old))
			other := NewConn(newStub(takesAll))
			other.Attach(x)
			if _, err := other.TryWrite([]byte("x")); !Held(err) {
				panic("the gate did not close")
			}
			r.hold(x, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig()
				x := r.open(t, Request)
				conn, entered, let := stuckPeer()
				c := NewConn(conn)
				c.Attach(x)
				var n int
				wrote := startWrite(c, &n)
				<-entered
				done := false
				go func() { end(r, x); done = true }()
				synctest.Wait()
				if done {
					t.Error("it did not wait for the write that is under way")
				}
				if !conn.isPast() {
					t.Error("the write was not told to stop")
				}
				close(let)
				synctest.Wait()
				if !done {
					t.Error("it still waits after the write has returned")
				}
				if conn.isPast() {
					t.Error("it left its deadline")
				}
				x.Cut(ErrShutdown)
				if err := <-wrote; err == nil || n != 1 {
					t.Errorf("Write returned %d, %v; want the one byte that passed and a cause", n, err)
				}
			})
		})
	}
}

// All are told before the first is waited for.
func TestAHoldOfManyTellsAllBeforeItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		var xs []*Exchange
		var conns []*stub
		let := make(chan struct{})
		for range 3 {
			x := r.open(t, Request)
			c := NewConn(newStub(func(s *stub, _ []byte) (int, error) { <-s.hit; <-let; return 0, os.ErrDeadlineExceeded }))
			c.Attach(x)
			go func() { _, _ = c.Write([]byte("x")) }()
			xs, conns = append(xs, x), append(conns, c.Conn.(*stub))
		}
		synctest.Wait()
		go r.Hold(xs, 1)
		synctest.Wait()
		for i, conn := range conns {
			if !conn.isPast() {
				t.Errorf("exchange %d goes on while others are waited for", i)
			}
		}
		close(let)
		synctest.Wait()
		for _, x := range xs {
			x.Cut(ErrRevoked)
		}
	})
}

// Many hold, release and write at once: synctest fails the test if anybody
// waits for ever.
func TestHoldsAndReleasesFromEverywhere(t *testing.T) {
	const sides, holders, rounds, size = 3, 4, 150, 2 << 20
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		x := r.open(t, Socket)
		var writers, readers, holding sync.WaitGroup
		for side := range sides {
			ours, theirs := net.Pipe()
			c := NewConn(ours)
			c.Attach(x)
			writers.Go(func() {
				var p pattern
				for left := size; left > 0; {
					b := make([]byte, min(left, 1+rand.IntN(3*chunk)))
					p.fill(b)
					if n, err := c.Write(b); n != len(b) || err != nil {
						t.Errorf("side %d: Write returned %d, %v", side, n, err)
						break
					}
					left -= len(b)
				}
				_ = c.Close()
			})
			readers.Go(func() { readPattern(t, theirs, size) })
		}
		var seq atomic.Uint64
		for range holders {
			holding.Go(func() {
				for range rounds {
					at := authz.Seq(seq.Add(1))
					r.hold(x, at)
					runtime.Gosched()
					x.Release(allowedAt(at)) // refused if another hold came: its release will do
				}
			})
		}
		holding.Wait()
		x.Release(allowedAt(authz.Seq(seq.Load())))
		writers.Wait()
		readers.Wait()
		x.End()
	})
}

// readPattern reads a pattern of that size and its end.
func readPattern(t *testing.T, from io.Reader, size int) {
	var p pattern
	got, want := make([]byte, 8<<10), make([]byte, 8<<10)
	total := 0
	for {
		n, err := from.Read(got[:1+rand.IntN(len(got))])
		p.fill(want[:n])
		total += n
		if string(got[:n]) != string(want[:n]) {
			t.Errorf("after %d bytes: what was read is not what was written", total)
			return
		}
		if err != nil {
			break
		}
	}
	if total != size {
		t.Errorf("%d bytes were read, want %d", total, size)
	}
}

func TestCutsFromEverywhere(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			r := newRig()
			x := r.open(t, Request)
			ours, theirs := net.Pipe()
			m := &meter{Conn: ours}
			c := NewConn(m)
			c.Attach(x)
			var all sync.WaitGroup
			all.Go(func() {
				if _, err := c.Write(make([]byte, 1<<20)); !errors.Is(err, ErrRevoked) {
					t.Errorf("Write returned %v, want the cause of the cut", err)
				}
			})
			go func() { _, _ = io.CopyN(io.Discard, theirs, rand.Int64N(256<<10)) }()
			var firsts atomic.Int64
			for i := range 6 {
				all.Go(func() {
					switch {
					case i < 3:
						if x.Cut(ErrRevoked) {
							firsts.Add(1)
						}
						if m.inside.Load() != 0 {
							t.Error("a write is under way after Cut has returned")
						}
					case i < 5:
						r.hold(x, 1)
					default:
						x.Release(allowedAt(1))
					}
				})
			}
			all.Wait()
			_ = c.Close()
			if firsts.Load() != 1 || len(r.cuts) != 1 {
				t.Errorf("%d calls say that they cut it, and %d were told of; want 1 and 1", firsts.Load(), len(r.cuts))
			}
		})
	}
}

// What has passed is known before a cut looks for it.
func TestACutEndsEveryAnswerThatHasBegun(t *testing.T) {
	for range 3000 {
		x := newRig().open(t, Request)
		m := &meter{Conn: newStub(takesAll)}
		c := NewConn(m)
		c.Attach(x)
		began := make(chan struct{})
		go func() {
			close(began)
			_, _ = c.Write([]byte("x"))
		}()
		<-began
		x.Cut(ErrRevoked)
		if m.passed.Load() > 0 && !m.Conn.(*stub).isClosed() {
			t.Fatal("a byte had passed, and the connection is open")
		}
	}
}
