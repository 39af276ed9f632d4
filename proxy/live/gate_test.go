package live

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

func TestAGateOpensOnlyByADecisionThatAllowsAndIsLateEnough(t *testing.T) {
	denied := allowedAt(9)
	denied.Allow = false
	nobodys := allowedAt(9)
	nobodys.Answer = nil
	release := func(d authz.Decision) func(*gate) { return func(g *gate) { g.release(d) } }
	hold := func(seq authz.Seq) func(*gate) { return func(g *gate) { g.hold(seq) } }
	cutIt := func(g *gate) { g.shut(ErrRevoked) }
	for _, c := range []struct {
		name  string
		steps []func(*gate)
		want  state
	}{
		{"a new gate is held", nil, held},
		{"the zero decision does not open it", []func(*gate){release(authz.Decision{})}, held},
		{"a denial does not open it", []func(*gate){release(denied)}, held},
		{"a decision without an answer does not open it", []func(*gate){release(nobodys)}, held},
		{"a decision opens it", []func(*gate){release(allowedAt(0))}, open},
		{"a hold closes it", []func(*gate){release(allowedAt(0)), hold(5)}, held},
		{"an older decision does not open it again", []func(*gate){release(allowedAt(0)), hold(5), release(allowedAt(4))}, held},
		{"one asked for at the entry opens it again", []func(*gate){release(allowedAt(0)), hold(5), release(allowedAt(5))}, open},
		{"a hold before the first decision counts", []func(*gate){hold(5), release(allowedAt(4))}, held},
		{"an older entry does not lower what is asked for", []func(*gate){hold(5), hold(3), release(allowedAt(4))}, held},
		{"a later entry raises it", []func(*gate){hold(5), hold(7), release(allowedAt(6))}, held},
		{"an entry on a held gate raises it after a release", []func(*gate){release(allowedAt(0)), hold(5), release(allowedAt(5)), hold(6), release(allowedAt(5))}, held},
		{"a cut is final for decisions", []func(*gate){cutIt, release(allowedAt(9))}, cut},
		{"a cut is final for what is not decided", []func(*gate){cutIt, (*gate).setFree}, cut},
		{"a hold does not turn a cut into a hold", []func(*gate){cutIt, hold(5), release(allowedAt(9))}, cut},
		{"what is not decided is open", []func(*gate){(*gate).setFree}, open},
		{"what is not decided is not held", []func(*gate){(*gate).setFree, hold(5)}, open},
		{"what is not decided can be cut", []func(*gate){(*gate).setFree, cutIt}, cut},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := &gate{}
			for _, step := range c.steps {
				step(g)
			}
			if g.state != c.want {
				t.Errorf("state is %d, want %d", g.state, c.want)
			}
			if got := g.isOpen(); got != (c.want == open) {
				t.Errorf("isOpen is %v", got)
			}
		})
	}
}

func TestReleaseSaysWhetherItOpened(t *testing.T) {
	r := newRig()
	x := r.open(t, Request)
	r.hold(x, 5)
	if x.Release(allowedAt(4)) {
		t.Error("a decision asked for before the entry was taken")
	}
	if got := x.After(); got != 5 {
		t.Errorf("After is %d, want 5", got)
	}
	if !x.Release(allowedAt(6)) {
		t.Error("a decision asked for after the entry was refused")
	}
}

func TestAWriteWaitsForTheGate(t *testing.T) {
	for name, open := range map[string]func(x *Exchange){
		"until a decision comes":        func(x *Exchange) { x.Release(allowedAt(0)) },
		"until it needs none":           func(x *Exchange) { x.Free() },
		"until a later decision than 3": func(x *Exchange) { x.gate.hold(3); x.Release(allowedAt(2)); x.Release(allowedAt(3)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newRig().Open(t.Context(), Info{Server: lab})
				defer x.End()
				ours, theirs := net.Pipe()
				c := NewConn(ours)
				c.Attach(x)
				var got bytes.Buffer
				go func() { _, _ = io.Copy(&got, theirs) }()
				wrote := false
				go func() {
					if n, err := c.Write([]byte("hello")); n != 5 || err != nil {
						t.Errorf("Write returned %d, %v", n, err)
					}
					wrote = true
				}()
				synctest.Wait()
				if wrote || got.Len() > 0 {
					t.Fatalf("%q passed a gate that is held", got.String())
				}
				open(x)
				synctest.Wait()
				if !wrote || got.String() != "hello" {
					t.Errorf("after the release %q had passed, and Write had returned: %v", got.String(), wrote)
				}
				_ = c.Close()
			})
		})
	}
}

func TestWhoWaitsIsTold(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(x *Exchange, leave context.CancelFunc)
		want error
	}{
		{"the cause of a cut", func(x *Exchange, _ context.CancelFunc) { x.Cut(ErrSignedOut) }, ErrSignedOut},
		{"that the exchange is over", func(x *Exchange, _ context.CancelFunc) { x.End() }, ErrEnded},
		{"that the client has left", func(_ *Exchange, leave context.CancelFunc) { leave() }, ErrEnded},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				x := newRig().Open(ctx, Info{Server: lab})
				conn := NewConn(newStub(takesAll))
				conn.Attach(x)
				errs := make(chan error, 2)
				go func() { _, err := conn.Write([]byte("x")); errs <- err }()
				go func() { errs <- x.Await() }()
				synctest.Wait()
				c.end(x, leave)
				for range 2 {
					if err := <-errs; !errors.Is(err, c.want) {
						t.Errorf("got %v, want %v", err, c.want)
					}
				}
			})
		})
	}
}

func TestWhatIsFreeGoesOnWhenItsClientLeaves(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	x := newRig().Open(ctx, Info{Server: lab})
	x.Free()
	c := NewConn(newStub(takesAll))
	c.Attach(x)
	leave()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Errorf("a write through an open gate got %v", err)
	}
}

func TestAwaitDoesNotCountAsAWrite(t *testing.T) {
	r := newRig()
	x := r.open(t, Socket)
	if err := x.Await(); err != nil {
		t.Fatal(err)
	}
	soon(t, "Hold", func() { r.hold(x, 1) })
}

func TestTryWriteStopsWhereTheGateCloses(t *testing.T) {
	r := newRig()
	x := r.open(t, Socket)
	c := NewConn(newStub(func(_ *stub, p []byte) (int, error) {
		x.gate.hold(1)
		return len(p), nil
	}))
	c.Attach(x)
	n, err := c.TryWrite(make([]byte, 3*chunk))
	if n != chunk || !Held(err) {
		t.Errorf("TryWrite returned %d, %v; want one chunk and held", n, err)
	}
	if Held(os.ErrDeadlineExceeded) || Held(nil) {
		t.Error("Held takes other errors for a held gate")
	}
	x.Cut(ErrRevoked)
	if _, err := c.TryWrite([]byte("x")); !errors.Is(err, ErrRevoked) || Held(err) {
		t.Errorf("after the cut TryWrite returned %v", err)
	}
}

func TestAReleaseTakesBackWhatAHoldDid(t *testing.T) {
	x := newRig().open(t, Request)
	c := NewConn(newStub(takesAll))
	c.Attach(x)
	if _, err := x.gate.enter(true, x.check); err != nil { // a write is under way
		t.Fatal(err)
	}
	x.gate.hold(1)
	if !c.Conn.(*stub).isPast() {
		t.Fatal("the write was not told to stop")
	}
	x.Release(allowedAt(1)) // nobody has settled: the next write must not run into the deadline
	if c.Conn.(*stub).isPast() {
		t.Error("the release left the deadline of the hold")
	}
}

func TestACutWakesWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{}
		errs := make(chan error, 1)
		go func() { errs <- g.await(nil) }()
		synctest.Wait()
		g.shut(ErrRevoked)
		if err := <-errs; !errors.Is(err, ErrRevoked) {
			t.Errorf("who waits got %v, want the cause of the cut", err)
		}
	})
}

func TestWhoWaitsIsToldOfACutBeforeTheEndOfTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := make(chan struct{})
		g := &gate{gone: gone}
		errs := make(chan error, 1)
		go func() { errs <- g.await(nil) }()
		synctest.Wait()
		g.mu.Lock()
		close(gone) // who waits wakes up, and finds the gate cut
		g.state, g.cause = cut, ErrRevoked
		g.mu.Unlock()
		if err := <-errs; !errors.Is(err, ErrRevoked) {
			t.Errorf("who waits got %v, want the cause of the cut", err)
		}
	})
}
