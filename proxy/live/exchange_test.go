package live

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

func TestAnExchangeKnowsWhoseItIs(t *testing.T) {
	x := newRig().Open(t.Context(), Info{Server: lab})
	if !x.Token().IsZero() || x.Relation() != authz.Anonymous || x.Answer() != nil {
		t.Error("an exchange that was not admitted is somebody's")
	}
	d := allowedAt(3)
	x.Admit(bob, &d)
	if x.Token() != bob || x.Relation() != authz.Guest || x.Answer() != d.Answer {
		t.Errorf("it is %v's, a %v's, by %v", x.Token(), x.Relation(), x.Answer())
	}
	if x.SparedUntil() != 0 {
		t.Error("it has a grace from the start")
	}
	x.SpareUntil(42)
	if got := x.SparedUntil(); got != 42 {
		t.Errorf("its grace ends at %d, want 42", got)
	}
}

func TestACutIsTheLastThingBeforeTheContextEnds(t *testing.T) {
	var x *Exchange
	told := 0
	table := NewTable(Options{
		Age:     func(*authz.Decision) Age { return Young },
		Recheck: func(*Exchange) {},
		Cut: func(of *Exchange, cause error) {
			told++
			if of != x || !errors.Is(cause, ErrSignedOut) {
				t.Errorf("told of %p, %v; want %p, %v", of, cause, x, ErrSignedOut)
			}
			if x.Context().Err() != nil {
				t.Error("the context ended before the cut was told of")
			}
			if len(x.table.All()) != 0 {
				t.Error("the exchange is still in the table")
			}
		},
	})
	x = table.Open(t.Context(), Info{Server: lab})
	if x.Cause() != nil || x.Context().Err() != nil {
		t.Error("it is cut from the start")
	}
	if !x.Cut(ErrSignedOut) {
		t.Error("Cut says that it was not this call")
	}
	if x.Cut(ErrRevoked) {
		t.Error("a second Cut says that it was this one")
	}
	x.End()
	if !errors.Is(x.Cause(), ErrSignedOut) || !errors.Is(context.Cause(x.Context()), ErrSignedOut) {
		t.Errorf("causes are %v and %v, want %v", x.Cause(), context.Cause(x.Context()), ErrSignedOut)
	}
	if told != 1 {
		t.Errorf("the cut was told of %d times", told)
	}
}

func TestAnExchangeThatEndedWasNotCut(t *testing.T) {
	r := newRig()
	x := r.open(t, Request)
	x.End()
	x.End()
	if x.Cut(ErrRevoked) || x.Cause() != nil || len(r.cuts) != 0 {
		t.Errorf("an exchange that had ended was cut, for %v", x.Cause())
	}
	if !errors.Is(context.Cause(x.Context()), ErrEnded) {
		t.Errorf("its context ended with %v", context.Cause(x.Context()))
	}
	if x.Release(allowedAt(9)) || x.Open() {
		t.Error("it was opened again")
	}
}

func TestCausesHaveNames(t *testing.T) {
	for cause, want := range map[error]string{
		ErrRevoked: "revoked", ErrSignedOut: "signed_out", ErrServerStopped: "server_stopped",
		ErrHoldLimit: "hold_limit", ErrShutdown: "shutdown", ErrEnded: "ended", nil: "ended",
		context.Canceled:                      "ended",
		fmt.Errorf("wrapped: %w", ErrRevoked): "revoked",
	} {
		if got := CauseName(cause); got != want {
			t.Errorf("CauseName(%v) is %q, want %q", cause, got, want)
		}
	}
	if Request.String() != "request" || Socket.String() != "socket" {
		t.Errorf("kinds are %q and %q", Request, Socket)
	}
}

func TestRecheckKicksWhoIsAskingAlready(t *testing.T) {
	r := newRig()
	x := r.open(t, Socket)
	began := func(want int64) {
		t.Helper()
		if got := r.rechecks.Load(); got != want {
			t.Fatalf("%d rechecks began, want %d", got, want)
		}
	}
	x.Recheck()
	began(1)
	for range 3 {
		x.Recheck()
	}
	began(1)
	select {
	case <-x.Kicked():
	default:
		t.Fatal("who is asking was not kicked")
	}
	x.Rechecked()
	began(1) // the kick was seen
	x.Recheck()
	began(2)
	x.Recheck()
	x.Rechecked()
	began(3) // the kick was not seen
	x.Recheck()
	began(3) // it is under way: Rechecked began it
	x.Rechecked()
	began(4)
	x.Rechecked()
	began(4)
}

// Whoever calls Recheck has changed something before; somebody must look at it
// afterwards.
func TestNoRecheckIsLost(t *testing.T) {
	for range 3000 {
		var changes, seen atomic.Int64
		var all sync.WaitGroup
		table := NewTable(Options{
			Age: func(*authz.Decision) Age { return Young },
			Recheck: func(x *Exchange) {
				patient := rand.IntN(2) == 0
				all.Go(func() {
					defer x.Rechecked()
					seen.Store(changes.Load())
					for patient {
						select {
						case <-x.Kicked():
							seen.Store(changes.Load())
						default:
							return
						}
					}
				})
			},
		})
		x := table.Open(t.Context(), Info{})
		for range 4 {
			all.Go(func() {
				for range 3 {
					changes.Add(1)
					x.Recheck()
				}
			})
		}
		all.Wait()
		if seen.Load() != changes.Load() {
			t.Fatalf("the last look was at change %d of %d", seen.Load(), changes.Load())
		}
		x.End()
	}
}
