package authz

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The rule of the tests is that of the program's defaults.
var defaults = Rule{Bound: time.Second, Guests: 5 * time.Second, Owners: time.Minute, Grace: 15 * time.Minute}

var (
	alices = Server{Owner: "alice"}
	bobs   = Question{Token: NewToken("bob's"), Server: alices, Client: "192.0.2.1"}
	own    = Question{Token: NewToken("alice's"), Server: alices, Client: "192.0.2.2"}

	errHub = errors.New("the hub is away")
)

func guest(scopes ...string) Answer {
	return Answer{Kind: KindUser, Name: "bob", Session: "s-bob", Access: scopes}
}

func owner() Answer {
	return Answer{Kind: KindUser, Name: "alice", Session: "s-alice", Access: []string{"access:servers!user=alice"}}
}

const shared = "access:servers!server=alice/"

// fakeHub answers from a table. What it says is what was true when the
// question came, however late it says it. It fails the test when one
// credential is asked about twice at a time, unless twice is set.
type fakeHub struct {
	t *testing.T

	mu    sync.Mutex
	says  map[string]Answer
	err   error
	hold  chan struct{} // while not nil, answers wait until it is closed
	delay time.Duration // how long each answer takes
	twice bool
	under map[string]int
	asked int
}

func (h *fakeHub) Ask(ctx context.Context, token Token) (Answer, error) {
	h.mu.Lock()
	name := token.Reveal()
	h.asked++
	h.under[name]++
	if h.under[name] > 1 && !h.twice {
		h.t.Errorf("%d questions about one credential at a time", h.under[name])
	}
	answer, err, hold, delay := h.says[name], h.err, h.hold, h.delay
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.under[name]--
	}()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return Answer{}, context.Cause(ctx)
		}
	}
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return Answer{}, context.Cause(ctx)
		}
	}
	if err != nil {
		return Answer{}, err
	}
	return answer, nil
}

// set changes the fake while questions may be under way.
func (h *fakeHub) set(change func(h *fakeHub)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(h)
}

func (h *fakeHub) say(token Token, answer Answer) {
	h.set(func(h *fakeHub) { h.says[token.Reveal()] = answer })
}

func (h *fakeHub) fail(err error) { h.set(func(h *fakeHub) { h.err = err }) }

// holdBack makes answers wait until the returned function is called.
func (h *fakeHub) holdBack() (release func()) {
	hold := make(chan struct{})
	h.set(func(h *fakeHub) { h.hold = hold })
	return func() {
		h.set(func(h *fakeHub) { h.hold = nil })
		close(hold)
	}
}

// questions returns how many there were since the last call.
func (h *fakeHub) questions() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.asked
	h.asked = 0
	return n
}

// fakeLease is a ledger of which nothing is missing but lag.
type fakeLease struct {
	clock   Clock
	mu      sync.Mutex
	applied Seq
	lag     time.Duration
	stopped bool
	frozen  Instant // what is fresh when it has stopped
}

func (l *fakeLease) Applied() Seq {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.applied
}

func (l *fakeLease) Fresh() Instant {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return l.frozen
	}
	return l.clock().Add(-l.lag)
}

// world is an Authorizer among fakes, on the clock of a synctest bubble.
type world struct {
	t     *testing.T
	hub   *fakeHub
	lease *fakeLease
	auth  *Authorizer
	clock Clock
}

// in runs test in a bubble, in a world in which bob has a share of alice's
// server.
func in(t *testing.T, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now().Add(-time.Hour)
		clock := func() Instant { return Instant(time.Since(start)) }
		w := &world{
			t: t, clock: clock, lease: &fakeLease{clock: clock},
			hub: &fakeHub{t: t, says: make(map[string]Answer), under: make(map[string]int)},
		}
		w.hub.say(bobs.Token, guest(shared))
		w.hub.say(own.Token, owner())
		w.auth = NewAuthorizer(t.Context(), Options{
			Hub: w.hub, Lease: w.lease, Clock: clock, Rule: defaults, Budget: NewBudget(clock, 50),
		})
		defer w.auth.Close()
		test(w)
	})
}

// pass lets time pass on the bubble's clock, and all that happens in it happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// entry applies a ledger entry about the subjects.
func (w *world) entry(subjects ...Subject) Seq {
	w.lease.mu.Lock()
	defer w.lease.mu.Unlock()
	w.auth.Touch(w.lease.applied+1, subjects...)
	w.lease.applied++
	return w.lease.applied
}

// result is what came of a Decide.
type result struct {
	d    Decision
	err  error
	took time.Duration
}

func (w *world) decide(q Question) result {
	start := time.Now()
	d, err := w.auth.Decide(w.t.Context(), q)
	return result{d, err, time.Since(start)}
}

// begin decides in the background.
func (w *world) begin(q Question) <-chan result {
	c := make(chan result, 1)
	go func() { c <- w.decide(q) }()
	synctest.Wait()
	return c
}

// The outcomes of a Decide.
const (
	yes     = "allow"
	no      = "deny"
	unknown = "no decision"
)

func (r result) String() string {
	switch {
	case errors.Is(r.err, ErrNoDecision) && !r.d.Allow:
		return unknown
	case r.err != nil:
		return "error " + r.err.Error()
	case r.d.Allow:
		return yes
	default:
		return no
	}
}

// want fails the test if r is not as wanted.
func (w *world) want(r result, want, when string) {
	w.t.Helper()
	if r.String() != want {
		w.t.Errorf("%s: %s (%v), want %s", when, r, r.err, want)
	}
}

// wantAsked fails the test if the Hub was not asked n times since the last look.
func (w *world) wantAsked(n int, when string) {
	w.t.Helper()
	synctest.Wait()
	if got := w.hub.questions(); got != n {
		w.t.Errorf("%s: the hub was asked %d times, want %d", when, got, n)
	}
}
