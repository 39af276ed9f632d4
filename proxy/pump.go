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

	mu      sync.Mutex // guards the fields below, and writes to to
	room    sync.Cond  // on mu: the queue became shorter, or broke
	queue   [][]byte   // frames that wait for the gate; not nil while drain runs
	queued  int
	partial bool // a frame was written in part
	err     error
	drains  sync.WaitGroup
}

func newPump(x *live.Exchange, to *live.Conn, masked bool, passed func()) *pump {
	p := &pump{to: to, exchange: x, masked: masked, passed: passed}
	p.room.L = &p.mu
	return p
}

// run relays until one side ends or the exchange is cut.
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
		if err := p.send(f); err != nil {
			return err
		}
	}
}

// send writes a frame, or queues it while the gate is held.
func (p *pump) send(f frame) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.queue == nil && p.err == nil {
		n, err := p.to.TryWrite(f.wire)
		if !live.Held(err) {
			p.partial = n > 0 && n < len(f.wire)
			return err
		}
		p.partial = n > 0
		p.queue = make([][]byte, 0, 4)
		p.push(f.wire[n:])
		p.drains.Go(p.drain)
		return nil
	}
	if f.opcode == opPing && p.err == nil {
		p.back.pong(f)
		return nil
	}
	for p.queued >= queueLimit && p.err == nil {
		p.room.Wait()
	}
	if p.err != nil {
		return p.err
	}
	if p.queue == nil { // drained meanwhile
		p.queue = make([][]byte, 0, 4)
		p.drains.Go(p.drain)
	}
	p.push(f.wire)
	return nil
}

// push appends a copy to the queue; the caller holds mu.
func (p *pump) push(wire []byte) {
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
		n, err := p.to.TryWrite(p.queue[0])
		p.queued -= n
		if n == len(p.queue[0]) {
			p.partial = false
			p.queue = p.queue[1:]
			p.room.Broadcast()
			continue
		}
		p.partial = p.partial || n > 0
		p.queue[0] = p.queue[0][n:]
		if !live.Held(err) {
			return false, err
		}
		return false, nil
	}
	p.queue = nil
	return true, nil
}

// fail ends the direction for run, which may be waiting for room.
func (p *pump) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
	p.room.Broadcast()
}

// pong answers a ping that the other direction has read. Where a frame is
// under way it is left out: the next ping is not far.
func (p *pump) pong(ping frame) {
	if !p.mu.TryLock() {
		return
	}
	defer p.mu.Unlock()
	if !p.partial && p.exchange.Cause() == nil {
		_ = p.to.WriteAside(controlFrame(opPong, unmask(ping.payload, ping.key), p.masked), asideLimit)
	}
}

// goodbye writes a close frame where one fits, after a cut: it reports whether
// the other side was told.
func (p *pump) goodbye(payload []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.partial || p.to.Unsent() > 0 {
		return false
	}
	return p.to.WriteAside(controlFrame(opClose, payload, p.masked), asideLimit) == nil
}
