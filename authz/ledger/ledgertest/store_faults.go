package ledgertest

import (
	"context"
	"errors"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// Errors of faults. The zero Client has none.
var (
	errRefused = errors.New("ledgertest: refused")
	errLost    = errors.New("ledgertest: reply lost")
)

// faults of one client.
type faults struct {
	frozen, blackHole, refuse      bool
	loseReplies, deaf, unconfirmed bool
	beforeStep, afterStep          time.Duration
	frozenCalls                    []func(*Data)
	pausesBefore, pausesAfter      map[string]*Pause
	calls                          map[string]int
}

// hears reports whether messages reach the client; the caller holds mu.
func (c *Client) hears() bool {
	f := &c.faults
	return !f.deaf && !f.frozen && !f.blackHole && !f.refuse
}

// Freeze stops the store for this client: calls wait. Those whose callers gave
// up meanwhile are done all the same when it is thawed, as a server does that
// finds them in its sockets.
func (c *Client) Freeze() { c.set(func(f *faults) { f.frozen = true }) }

// Thaw ends Freeze and does what waits, in order.
func (c *Client) Thaw() {
	c.set(func(f *faults) {
		for _, call := range f.frozenCalls {
			call(c.data)
		}
		f.frozen, f.frozenCalls = false, nil
	})
}

// BlackHole has calls vanish: they last until their context ends.
func (c *Client) BlackHole(on bool) { c.set(func(f *faults) { f.blackHole = on }) }

// Refuse has calls fail at once.
func (c *Client) Refuse(on bool) { c.set(func(f *faults) { f.refuse = on }) }

// LoseReplies has calls fail at once although they are done.
func (c *Client) LoseReplies(on bool) { c.set(func(f *faults) { f.loseReplies = on }) }

// LoseMessages has no message arrive.
func (c *Client) LoseMessages(on bool) { c.set(func(f *faults) { f.deaf = on }) }

// Unconfirmed has calls that must be confirmed fail with
// [ledger.ErrUnconfirmed] although they are done.
func (c *Client) Unconfirmed(on bool) { c.set(func(f *faults) { f.unconfirmed = on }) }

// Delay has calls take time, before and after their step.
func (c *Client) Delay(before, after time.Duration) {
	c.set(func(f *faults) { f.beforeStep, f.afterStep = before, after })
}

// Calls returns how often a method was called.
func (c *Client) Calls(method string) (n int) {
	c.set(func(f *faults) { n = f.calls[method] })
	return n
}

// Pause is a call that is stopped as if its whole process were: deadlines do
// not end it.
type Pause struct{ reached, released chan struct{} }

// PauseBefore stops the next call of a method before it reaches the store.
func (c *Client) PauseBefore(method string) *Pause {
	p := newPause()
	c.set(func(f *faults) { f.pausesBefore[method] = p })
	return p
}

// PauseAfter stops the next call of a method that was done before it returns.
func (c *Client) PauseAfter(method string) *Pause {
	p := newPause()
	c.set(func(f *faults) { f.pausesAfter[method] = p })
	return p
}

func newPause() *Pause {
	return &Pause{reached: make(chan struct{}), released: make(chan struct{})}
}

// Reached is closed when a call is stopped.
func (p *Pause) Reached() <-chan struct{} { return p.reached }

// Release lets the call go on. Called once.
func (p *Pause) Release() { close(p.released) }

// wait stops the call that reaches the pause.
func (p *Pause) wait() {
	if p != nil {
		close(p.reached)
		<-p.released
	}
}

// set changes the faults.
func (c *Client) set(change func(*faults)) {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	if c.faults.calls == nil {
		c.faults.calls = make(map[string]int)
		c.faults.pausesBefore, c.faults.pausesAfter = make(map[string]*Pause), make(map[string]*Pause)
	}
	change(&c.faults)
}

// take removes a pause from those that wait for their method.
func take(pauses map[string]*Pause, method string) *Pause {
	p := pauses[method]
	delete(pauses, method)
	return p
}

// result is what a step returned.
type result[T any] struct {
	value T
	err   error
}

// do does one step with the client's faults.
func do[T any](ctx context.Context, c *Client, method string, step func(*Data) (T, error)) (T, error) {
	var none T
	var pause *Pause
	var delay time.Duration
	c.set(func(f *faults) {
		f.calls[method]++
		pause, delay = take(f.pausesBefore, method), f.beforeStep
	})
	pause.wait()
	if err := wait(ctx, delay); err != nil && pause == nil {
		return none, err
	}
	r, err := reach(ctx, c, step)
	if err != nil {
		return none, err
	}
	var after faults
	c.set(func(f *faults) {
		after = *f
		pause = take(f.pausesAfter, method)
	})
	pause.wait()
	if err := wait(ctx, after.afterStep); err != nil && pause == nil {
		return none, err
	}
	switch {
	case after.loseReplies:
		return none, errLost
	case after.unconfirmed && r.err == nil && (method == "Turn" || method == "Create" || method == "Announce"):
		return none, ledger.ErrUnconfirmed
	}
	return r.value, r.err
}

// reach has the step done, now or when the store is thawed. The error is that
// of the way there.
func reach[T any](ctx context.Context, c *Client, step func(*Data) (T, error)) (result[T], error) {
	done := make(chan result[T], 1)
	err := errRefused
	c.set(func(f *faults) {
		run := func(d *Data) {
			value, err := step(d)
			done <- result[T]{value, err}
		}
		switch {
		case f.refuse:
			return
		case f.blackHole:
		case f.frozen:
			f.frozenCalls = append(f.frozenCalls, run)
		default:
			run(c.data)
		}
		err = nil
	})
	if err != nil {
		return result[T]{}, err
	}
	select {
	case r := <-done:
		return r, nil
	default:
	}
	select {
	case r := <-done:
		return r, nil
	case <-ctx.Done():
		return result[T]{}, ctx.Err()
	}
}

// wait waits for a delay, or for the end of ctx if that comes first.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
