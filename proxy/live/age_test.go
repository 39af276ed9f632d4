package live

import (
	"testing"
	"testing/synctest"
)

func TestADecisionThatGrewOldStopsTheNextChunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		x := r.open(t, Request)
		conn := newStub(takesAll)
		c := NewConn(conn)
		c.Attach(x)
		r.age.Store(uint32(Old))
		done := false
		for range 2 { // two sides find out, and ask once
			go func() {
				if err := x.Await(); err != nil {
					t.Errorf("Await returned %v", err)
				}
			}()
		}
		go func() {
			if _, err := c.Write([]byte("x")); err != nil {
				t.Errorf("Write returned %v", err)
			}
			done = true
		}()
		synctest.Wait()
		if done || x.Open() {
			t.Fatal("a byte passed under an old decision")
		}
		if got := r.rechecks.Load(); got != 1 {
			t.Errorf("the decision was asked for %d times, want once", got)
		}
		r.age.Store(uint32(Young))
		x.Release(allowedAt(0))
		synctest.Wait()
		if !done {
			t.Error("the write did not go on after the release")
		}
		x.End()
	})
}

// A process that was stopped for an hour wakes up in the middle of a write.
func TestAProcessThatWasStoppedPassesOneChunk(t *testing.T) {
	r := newRig()
	x := r.open(t, Request)
	passed := 0
	c := NewConn(newStub(func(_ *stub, p []byte) (int, error) {
		r.age.Store(uint32(Old)) // the check was before the pause
		passed += len(p)
		return len(p), nil
	}))
	c.Attach(x)
	n, err := c.TryWrite(make([]byte, 1<<20))
	if !Held(err) || n != passed {
		t.Errorf("TryWrite returned %d, %v", n, err)
	}
	if passed > 64<<10 {
		t.Errorf("%d bytes passed after the pause, want at most 64 KiB", passed)
	}
}

func TestARipeDecisionIsRenewedOncePerAnswer(t *testing.T) {
	r := newRig()
	x := r.open(t, Request)
	c := NewConn(newStub(takesAll))
	c.Attach(x)
	r.age.Store(uint32(Ripe))
	for round := range 3 {
		if _, err := c.Write(make([]byte, 4*chunk)); err != nil {
			t.Fatal(err)
		}
		if got, want := r.rechecks.Load(), int64(round+1); got != want {
			t.Fatalf("asked %d times, want %d", got, want)
		}
		select {
		case <-x.Kicked():
			t.Fatal("who renews it was told to look again")
		default:
		}
		x.Rechecked()
		x.Release(allowedAt(0)) // another answer
	}
}

func TestWhatIsFreeHasNoAge(t *testing.T) {
	r := newRig()
	x := r.Open(t.Context(), Info{})
	x.Free()
	r.age.Store(uint32(Old))
	if err := x.Await(); err != nil || r.rechecks.Load() != 0 {
		t.Errorf("Await returned %v after %d questions, want none", err, r.rechecks.Load())
	}
}
