package redistest

import (
	"net"
	"sync"
	"time"
)

// Proxy passes TCP connections on to one address, and has faults. As in a
// network that loses packets for a while, bytes that meet a black hole are
// passed on when it is gone, if their connection still exists then.
//
// Safe for concurrent use.
type Proxy struct {
	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu      sync.Mutex
	changed chan struct{} // closed with every change of the faults
	faults  faults
	conns   map[net.Conn]struct{}
	age     int // of new connections: those of a lower one are forgotten
	closed  bool
}

// faults are what is wrong at a moment.
type faults struct {
	hole   [2]bool // by direction
	refuse bool
	delay  time.Duration
}

// The directions of bytes.
const (
	toTarget = iota
	toClient
)

// Listen starts a proxy on a free port of 127.0.0.1.
func Listen(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{target: target, listener: l, changed: make(chan struct{}), conns: make(map[net.Conn]struct{})}
	p.running.Go(p.accept)
	return p, nil
}

// Addr is where the proxy listens: host and port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Pass ends all faults.
func (p *Proxy) Pass() { p.change(func(f *faults) { *f = faults{} }) }

// BlackHole lets nothing through, in both directions; nobody is told.
func (p *Proxy) BlackHole() { p.change(func(f *faults) { f.hole = [2]bool{true, true} }) }

// BlackHoleRequests lets nothing through to the target; answers pass.
func (p *Proxy) BlackHoleRequests() { p.change(func(f *faults) { f.hole = [2]bool{toTarget: true} }) }

// BlackHoleAnswers lets nothing through to the client: what it asks is done,
// but it never hears so.
func (p *Proxy) BlackHoleAnswers() { p.change(func(f *faults) { f.hole = [2]bool{toClient: true} }) }

// Delay passes bytes on that much later, in each direction.
func (p *Proxy) Delay(d time.Duration) { p.change(func(f *faults) { f.delay = d }) }

// Refuse closes all connections, and new ones at once.
func (p *Proxy) Refuse() {
	p.change(func(f *faults) { f.refuse = true })
	p.Cut()
}

// Forget lets nothing through any more on the connections that there are, as a
// firewall that has lost its table; nobody is told. New ones pass.
func (p *Proxy) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.age++
}

// Cut closes all connections; new ones pass.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// Close ends the proxy and its connections, and waits for them.
func (p *Proxy) Close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Pass()
	p.Cut()
	p.running.Wait()
}

func (p *Proxy) change(f func(*faults)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.faults)
	close(p.changed)
	p.changed = make(chan struct{})
}

// now returns the faults, for connections of an age, and what is closed when
// they change.
func (p *Proxy) now(age int) (faults, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.faults
	if age < p.age && !p.closed {
		f.hole = [2]bool{true, true}
	}
	return f, p.changed
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		age, ok := p.keep(client)
		if !ok {
			_ = client.Close()
			continue
		}
		p.running.Go(func() { p.serve(client, age) })
	}
}

// keep notes a connection for Cut and returns its age; false if there are to be
// none.
func (p *Proxy) keep(c net.Conn) (age int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.faults.refuse {
		return 0, false
	}
	p.conns[c] = struct{}{}
	return p.age, true
}

func (p *Proxy) drop(c net.Conn) {
	_ = c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// serve passes one connection on until one side ends it.
func (p *Proxy) serve(client net.Conn, age int) {
	defer p.drop(client)
	target, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer p.drop(target)
	if _, ok := p.keep(target); !ok {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.pump(target, client, toTarget, age) })
	both.Go(func() { p.pump(client, target, toClient, age) })
	both.Wait()
}

// pump passes bytes in one direction.
func (p *Proxy) pump(to, from net.Conn, direction, age int) {
	// One end ends the other: half-open connections are no fault of this proxy.
	defer func() { _ = to.Close(); _ = from.Close() }()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			p.wait(direction, age)
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			p.wait(direction, age) // nobody hears of an end through a black hole
			return
		}
	}
}

// wait returns when bytes may pass in a direction of a connection.
func (p *Proxy) wait(direction, age int) {
	for {
		f, changed := p.now(age)
		if !f.hole[direction] {
			<-time.After(f.delay)
			return
		}
		<-changed
	}
}
