package proxy

import (
	"slices"
	"sync"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
)

// queueLimit bounds what is read from one side of a socket while it is held.
const queueLimit = 64 << 10

// pump relays one direction of a WebSocket, frame by frame, through the gate.
// While the gate is held it goes on reading, up to queueLimit, and answers
// pings itself: a server that gets no answer would close within its own
// time-out, and a hold must lose nothing.
type pump struct {
	from     frames
	to       *live.Conn
	exchange *live.Exchange
	back     *pump  // the other direction: where answers to pings go
	masked   bool   // frames towards to are masked: to is the server
	passed   func() // called for each frame of data that was read
	closed   bool   // a close frame was read; run's alone

	mu      sync.Mutex // guards the fields below, and writes to to
	room    sync.Cond  // on mu: the queue became shorter, or broke
	queue   [][]byte   // frames that wait for the gate; not nil while drain runs
	queued  int
	partial bool  // a frame was written in part
	err     error // why drain gave up; queue is not nil then
	drains  sync.WaitGroup
}

func newPump(x *live.Exchange, to *live.Conn, masked bool, passed func()) *pump {
	p := &pump{to: to, exchange: x, masked: masked, passed: passed}
	p.room.L = &p.mu
	return p
}

// run relays until one side ends or the exchange is cut. What was read before
// an end has been written when it returns.
func (p *pump) run() error {
	defer p.drains.Wait()
	for {
		f, err := p.from.next()
		if err != nil {
			return err
		}
		if f.opcode < opClose {
			p.passed()
		}
		p.closed = p.closed || f.opcode == opClose
		if err := p.send(f); err != nil {
			return err
		}
	}
}

// discard reads on after a cut, until the side's close frame or its end:
// nothing of it passes.
func (p *pump) discard() {
	for !p.closed {
		f, err := p.from.next()
		if err != nil {
			return
		}
		p.closed = f.opcode == opClose
	}
}

// send writes a frame, or queues it while the gate is held.
func (p *pump) send(f frame) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	rest := f.wire
	if p.queue == nil {
		n, err := p.to.TryWrite(rest)
		p.partial = n > 0 && n < len(rest)
		if !live.Held(err) {
			return err
		}
		rest = rest[n:]
	}
	if f.opcode == opPing && len(rest) == len(f.wire) {
		p.back.pong(f)
		return nil
	}
	for p.queued >= queueLimit && p.err == nil {
		p.room.Wait()
	}
	if p.err != nil {
		return p.err
	}
	p.push(rest)
	return nil
}

// push appends a copy to the queue, and sees to it that somebody empties it;
// the caller holds mu.
func (p *pump) push(wire []byte) {
	if p.queue == nil {
		p.queue = make([][]byte, 0, 4)
		p.drains.Go(p.drain)
	}
	p.queue = append(p.queue, slices.Clone(wire))
	p.queued += len(wire)
}

// drain writes the queue as soon as the gate opens, and ends when it is empty.
func (p *pump) drain() {
	for {
		if err := p.exchange.Await(); err != nil {
			p.fail(err)
			return
		}
		done, err := p.flush()
		if err != nil {
			p.fail(err)
			return
		}
		if done {
			return
		}
	}
}

// flush writes of the queue what the gate lets pass.
func (p *pump) flush() (done bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) > 0 {
		first := p.queue[0]
		n, err := p.to.TryWrite(first)
		p.queued -= n
		if n < len(first) {
			p.partial = p.partial || n > 0
			p.queue[0] = first[n:]
			if live.Held(err) {
				return false, nil
			}
			return false, err
		}
		p.partial, p.queue = false, p.queue[1:]
		p.room.Signal()
	}
	p.queue = nil
	return true, nil
}

// fail ends the direction for run, which may be waiting for room.
func (p *pump) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
	p.room.Signal()
}

// pong answers a ping that the other direction has read; the caller holds that
// one's lock, so this one's is only tried. Where it does not fit the answer is
// left out: the next ping is not far, and who does not read misses nothing. A
// ping's payload goes back to whom it came from, so no byte passes.
func (p *pump) pong(ping frame) {
	if !p.mu.TryLock() {
		return
	}
	defer p.mu.Unlock()
	if p.exchange.Cause() == nil && p.fits() {
		_ = p.to.WriteAside(controlFrame(opPong, unmask(ping.payload, ping.key), p.masked), asideLimit)
	}
}

// goodbye writes a close frame where one fits, after a cut: it reports whether
// the other side was told.
func (p *pump) goodbye(payload []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fits() && p.to.WriteAside(controlFrame(opClose, payload, p.masked), asideLimit) == nil
}

// fits reports whether a frame of our own can be written now, beside the gate;
// the caller holds mu. The kernel must have nothing left to send: it then takes
// a control frame whole and at once, so that no part of one remains, and a
// deadline that a hold sets or clears meanwhile makes no difference.
func (p *pump) fits() bool { return !p.partial && p.to.Unsent() == 0 }
