package live

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

var (
	bob = authz.NewToken("bob's token")
	lab = authz.Server{Owner: "alice", Name: "lab"}
)

// rig is a table whose clock is in the hands of the test.
type rig struct {
	*Table
	age      atomic.Uint32 // Age of every decision
	rechecks atomic.Int64
	mu       sync.Mutex // guards the field below
	cuts     []error
}

func newRig() *rig {
	r := &rig{}
	r.age.Store(uint32(Young))
	r.Table = NewTable(Options{
		Age:     func(*authz.Decision) Age { return Age(r.age.Load()) },
		Recheck: func(*Exchange) { r.rechecks.Add(1) },
		Cut: func(_ *Exchange, cause error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.cuts = append(r.cuts, cause)
		},
	})
	return r
}

// open returns an exchange of a guest with its gate open.
func (r *rig) open(t testing.TB, kind Kind) *Exchange {
	t.Helper()
	x := r.Open(t.Context(), Info{Kind: kind, Server: lab})
	d := allowedAt(0)
	x.Admit(bob, &d)
	if !x.Release(d) {
		t.Fatal("a fresh gate was not opened by a decision that allows")
	}
	return x
}

// hold holds a single exchange.
func (r *rig) hold(x *Exchange, seq authz.Seq) { r.Hold([]*Exchange{x}, seq) }

// allowedAt is a decision that was asked for at seq.
func allowedAt(seq authz.Seq) authz.Decision {
	return authz.Decision{
		Allow: true, Reason: authz.ReasonScope, Relation: authz.Guest, Server: lab,
		Answer: &authz.Answer{Kind: authz.KindUser, Name: "bob", Seq: seq},
	}
}

// patience is how long anything may take that should be done at once: the
// machine may be busy, and a failure waits for ever.
const patience = 20 * time.Second

// soon calls f and fails the test if it does not return.
func soon(t testing.TB, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s did not return", what)
	}
}

// meter is a connection that knows how many bytes were handed to the kernel,
// and whether somebody is handing some over.
type meter struct {
	net.Conn
	inside atomic.Int64
	passed atomic.Int64
}

func (m *meter) Write(p []byte) (int, error) {
	m.inside.Add(1)
	defer m.inside.Add(-1)
	n, err := m.Conn.Write(p)
	m.passed.Add(int64(n))
	return n, err
}

// tcpPair returns both ends of a connection through the kernel, with small
// buffers, so that a writer is soon stuck on a reader that does not read.
func tcpPair(t testing.TB) (ours, theirs *net.TCPConn) {
	t.Helper()
	ours, theirs = connect(t, func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			// Before the handshake: a window that was promised is not taken back.
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10)
		})
	})
	_ = ours.SetWriteBuffer(16 << 10)
	return ours, theirs
}

// wideTCPPair is tcpPair with the buffers that the system gives.
func wideTCPPair(t testing.TB) (ours, theirs *net.TCPConn) { t.Helper(); return connect(t, nil) }

func connect(t testing.TB, control func(network, address string, c syscall.RawConn) error) (ours, theirs *net.TCPConn) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialer := net.Dialer{Control: control}
	dialed, err := dialer.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dialed.Close(); _ = accepted.Close() })
	return accepted.(*net.TCPConn), dialed.(*net.TCPConn)
}

// stub is a connection whose writes do what the test says. It keeps the write
// deadline as the kernel would.
type stub struct {
	net.Conn
	write func(s *stub, p []byte) (int, error)

	mu     sync.Mutex // guards the fields below
	past   bool       // the write deadline is over
	hit    chan struct{}
	closed bool
}

func newStub(write func(s *stub, p []byte) (int, error)) *stub {
	return &stub{write: write, hit: make(chan struct{}, 16)}
}

// takesAll is what a peer does that reads fast.
func takesAll(s *stub, p []byte) (int, error) { return len(p), nil }

func (s *stub) Write(p []byte) (int, error) { return s.write(s, p) }

func (s *stub) SetWriteDeadline(at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.past = !at.IsZero() && at.Before(time.Now())
	if s.past {
		s.hit <- struct{}{}
	}
	return nil
}

func (s *stub) isPast() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.past
}

func (s *stub) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

func (s *stub) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}
