package live

import (
	"slices"
	"sync"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// state of a gate. The zero state is held: nothing passes before a decision.
type state uint8

const (
	held state = iota
	open
	cut
)

// gate is the valve of one exchange, asked before every write to the kernel.
type gate struct {
	mu       sync.Mutex // guards the fields below
	state    state
	decision authz.Decision // what it was opened by
	free     bool           // not decided: open until it is cut
	after    authz.Seq      // decisions asked for earlier do not open it
	cause    error          // of a cut
	conns    []*Conn        // the sides of the exchange
	writing  int            // writes under way
	breaks   uint64         // how often writes were told to stop
	change   chan struct{}  // closed at the next change, if somebody waits

	gone <-chan struct{} // closed when the exchange's context ends; not changed
}

// enter waits until a chunk may be written and registers the write; leave must
// follow, with the ticket. It returns the cause of a cut, or errHeld instead of
// waiting if wait is false. check says whether the decision may still be used;
// where it does not, the gate holds itself. Who waits when the exchange's
// context ends (its client has left) gets ErrEnded.
func (g *gate) enter(wait bool, check func(*authz.Decision) bool) (ticket uint64, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		if g.state == open && !g.free && !check(&g.decision) {
			g.state = held
		}
		switch {
		case g.state == open:
			g.writing++
			return g.breaks, nil
		case g.state == cut:
			return 0, g.cause
		case !wait:
			return 0, errHeld
		}
		if !g.pause(g.gone) && g.state != cut {
			return 0, ErrEnded
		}
	}
}

// pause waits, without mu, which the caller holds. It reports whether there was
// a change, and not the end of done.
func (g *gate) pause(done <-chan struct{}) (change bool) {
	if g.change == nil {
		g.change = make(chan struct{})
	}
	next := g.change
	g.mu.Unlock()
	defer g.mu.Lock()
	select {
	case <-next:
		return true
	case <-done:
		return false
	}
}

// await waits until a chunk could be written, without writing one.
func (g *gate) await(check func(*authz.Decision) bool) error {
	ticket, err := g.enter(true, check)
	if err == nil {
		g.leave(ticket)
	}
	return err
}

// leave ends a write. It reports whether the write may have been broken off by
// a hold or a cut since, so that a deadline's error means nothing.
func (g *gate) leave(ticket uint64) (broken bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.writing--
	if g.writing == 0 {
		g.changed()
	}
	return g.breaks != ticket
}

// hold closes the gate until a decision asked for at after, or later, opens
// it. The writes under way are told to stop; settle waits for them. They are
// told in a gate that is held already, too: one that has closed itself over an
// old decision has told nobody.
func (g *gate) hold(after authz.Seq) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.after = max(g.after, after)
	if g.state != cut && !g.free {
		g.state = held
		g.stop()
	}
}

// shut cuts the gate. It reports whether it was not cut before.
func (g *gate) shut(cause error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state == cut {
		return false
	}
	g.state, g.cause = cut, cause
	g.stop()
	g.changed()
	return true
}

// release opens the gate by d. It reports false when d was asked for too
// early, or the gate is cut.
func (g *gate) release(d authz.Decision) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state == cut || !d.Allow || d.Answer == nil || d.Answer.Seq < g.after {
		return false
	}
	if g.state == held {
		g.mend() // a hold that is still settling has told writes to stop
	}
	g.state, g.decision = open, d
	g.changed()
	return true
}

// setFree opens the gate until it is cut, for what is not decided.
func (g *gate) setFree() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state != cut {
		g.state, g.free = open, true
		g.changed()
	}
}

// settle returns when no write is under way any more that began before the
// gate was closed, and lets the next ones take their time again. It does not
// wait for anything once the gate is open again.
func (g *gate) settle() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.writing > 0 && g.state != open {
		g.pause(nil)
	}
	g.mend()
}

// mend takes back what stop did; the caller holds mu.
func (g *gate) mend() {
	for _, c := range g.conns {
		c.mend()
	}
}

// stop breaks off the writes under way; the caller holds mu.
func (g *gate) stop() {
	if g.writing == 0 {
		return
	}
	g.breaks++
	for _, c := range g.conns {
		c.breakOff()
	}
}

// changed wakes who waits; the caller holds mu.
func (g *gate) changed() {
	if g.change != nil {
		close(g.change)
		g.change = nil
	}
}

// isOpen reports whether a write would not wait, as far as is known.
func (g *gate) isOpen() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state == open
}

// abandon throws away what the kernel still has of a cut exchange.
func (g *gate) abandon(kind Kind) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.conns {
		c.abandon(kind)
	}
}

// attach and detach tell the gate which connections write through it.
func (g *gate) attach(c *Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.Contains(g.conns, c) {
		g.conns = append(g.conns, c)
	}
}

func (g *gate) detach(c *Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.conns, c); i >= 0 {
		g.conns = slices.Delete(g.conns, i, i+1)
		c.mend() // a pooled connection must not keep a deadline of ours
	}
}
