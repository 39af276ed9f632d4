// Package fault is a way between two programs that can be disturbed: bytes
// wait, in one direction or both, connections end, nobody is there.
//
// A link that is held loses nothing, as a network that comes back does: what
// was sent meanwhile arrives then, late. That is the nastier case for a log:
// a command that its sender has given up is executed all the same.
package fault

import (
	"errors"
	"io"
	"net"
	"sync"
)

// State is what a link does. The zero State passes everything.
type State struct {
	HoldUp, HoldDown bool // nothing passes towards the target, or back
	Cut              bool // connections end at once, and so do new ones
}

// Hold holds both directions.
var Hold = State{HoldUp: true, HoldDown: true}

// Link passes connections on to a target. It is safe for concurrent use. Use
// Listen.
type Link struct {
	target   string
	swap     swap
	listener net.Listener
	running  sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	changed *sync.Cond
	state   State
	conns   map[net.Conn]struct{}
	closed  bool
}

// Listen passes connections to address on to target. In what comes back, from
// is replaced by to, which is as long: a program that tells others where a third
// one is then names another place. An empty from replaces nothing.
func Listen(address, target, from, to string) (*Link, error) {
	if len(from) != len(to) {
		return nil, errors.New("fault: a replacement of another length")
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	l := &Link{target: target, swap: swap{[]byte(from), []byte(to)}, listener: listener, conns: make(map[net.Conn]struct{})}
	l.changed = sync.NewCond(&l.mu)
	l.running.Go(l.accept)
	return l, nil
}

// Set changes what the link does.
func (l *Link) Set(s State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = s
	if s.Cut {
		l.cut()
	}
	l.changed.Broadcast()
}

// Break ends all connections; new ones pass.
func (l *Link) Break() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut()
	l.changed.Broadcast()
}

// Close ends the link and waits for its goroutines.
func (l *Link) Close() {
	_ = l.listener.Close()
	l.mu.Lock()
	l.closed = true
	l.cut()
	l.changed.Broadcast()
	l.mu.Unlock()
	l.running.Wait()
}

// cut closes all connections. The caller holds mu.
func (l *Link) cut() {
	for conn := range l.conns {
		_ = conn.Close()
	}
	clear(l.conns)
}

func (l *Link) accept() {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.running.Go(func() { l.serve(conn) })
	}
}

func (l *Link) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	if !l.add(client) || !l.pass(client, true) { // a target is not called while the way to it is held
		return
	}
	server, err := net.Dial("tcp", l.target)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	if !l.add(server) {
		return
	}
	defer l.remove(client, server)
	var both sync.WaitGroup
	both.Go(func() { l.pump(server, client, true) })
	l.pump(client, server, false)
	_ = client.Close()
	both.Wait()
}

// add registers a connection; it reports whether that may begin.
func (l *Link) add(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.state.Cut {
		return false
	}
	l.conns[conn] = struct{}{}
	return true
}

func (l *Link) remove(conns ...net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range conns {
		delete(l.conns, conn)
	}
}

// pass waits until a direction is not held, and reports whether conn is still
// wanted then.
func (l *Link) pass(conn net.Conn, up bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if _, wanted := l.conns[conn]; !wanted {
			return false
		}
		if up && !l.state.HoldUp || !up && !l.state.HoldDown {
			return true
		}
		l.changed.Wait()
	}
}

// pump copies from src to dst until one of them ends, and closes both.
func (l *Link) pump(dst, src net.Conn, up bool) {
	defer func() { _, _ = dst.Close(), src.Close() }()
	buf := make([]byte, 32<<10)
	kept := 0 // what may be the beginning of a match
	for {
		n, err := src.Read(buf[kept:])
		if err != nil && !errors.Is(err, io.EOF) || !l.pass(src, up) {
			return
		}
		chunk := buf[:kept+n]
		kept = 0
		if !up {
			chunk, kept = l.swap.apply(chunk, err != nil)
		}
		if _, werr := dst.Write(chunk); werr != nil || err != nil {
			return
		}
		copy(buf, buf[len(chunk):len(chunk)+kept])
	}
}
