package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
)

// leaseRig is an enforcer in virtual time, with a lease that can stop and a Hub
// that can go away, and two exchanges: a guest's and the owner's.
type leaseRig struct {
	t        *testing.T
	enforcer *enforcer
	auth     *authz.Authorizer
	start    time.Time
	writing  sync.WaitGroup

	mu      sync.Mutex
	stopped bool
	frozen  authz.Instant
	applied authz.Seq
	away    error
	denied  bool
	asked   int
}

// The rule of the leaseRig is the default one.
var leaseRule = authz.Rule{Bound: time.Second, Guests: 5 * time.Second, Owners: time.Minute, Grace: 15 * time.Minute}

const leaseHold = 60 * time.Second

var (
	leased  = authz.Server{Owner: "alice"}
	answers = map[string]authz.Answer{
		"alice": {Kind: authz.KindUser, Name: "alice", Session: "s", Access: []string{"access:servers!server=alice/"}},
		"bob":   {Kind: authz.KindUser, Name: "bob", Access: []string{"access:servers!server=alice/"}},
	}
	errHubAway = errors.New("the hub is away")
)

// inLease runs test in a bubble.
func inLease(t *testing.T, test func(r *leaseRig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &leaseRig{t: t, start: time.Now().Add(-time.Hour)}
		ctx, cancel := context.WithCancel(t.Context())
		e := &enforcer{clock: r.clock, limit: leaseHold, ctx: ctx, audit: func(context.Context, string, ...any) {}}
		e.log = ledger.NewMemory(ledger.Options{Clock: r.clock, Apply: e.apply})
		e.live = live.NewTable(live.Options{Age: e.age, Recheck: e.recheck})
		e.auth = authz.NewAuthorizer(ctx, authz.Options{
			Hub: r, Lease: r, Clock: r.clock, Rule: leaseRule, Budget: authz.NewBudget(r.clock, 50),
		})
		r.enforcer, r.auth = e, e.auth
		defer func() {
			for _, x := range e.live.All() {
				x.End()
			}
			cancel()
			e.auth.Close()
			e.asking.Wait()
			r.writing.Wait()
		}()
		test(r)
	})
}

func (r *leaseRig) clock() authz.Instant { return authz.Instant(time.Since(r.start)) }

// Applied and Fresh implement [authz.Lease].
func (r *leaseRig) Applied() authz.Seq {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.applied
}

func (r *leaseRig) Fresh() authz.Instant {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return r.frozen
	}
	return r.clock()
}

// Ask implements [authz.Asker].
func (r *leaseRig) Ask(_ context.Context, token authz.Token) (authz.Answer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	a := answers[token.Reveal()]
	if r.denied && a.Name == "bob" {
		a.Access = nil
	}
	return a, r.away
}

func (r *leaseRig) set(change func(r *leaseRig)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(r)
}

// stop stops the lease, or lets it go on.
func (r *leaseRig) stop(stopped bool) {
	r.set(func(r *leaseRig) { r.stopped, r.frozen = stopped, r.clock() })
}

// questions returns how many there were since the last call.
func (r *leaseRig) questions() (n int) {
	synctest.Wait()
	r.set(func(r *leaseRig) { n, r.asked = r.asked, 0 })
	return n
}

// writer is an exchange through which a byte wants to pass every 50 ms.
type writer struct {
	x      *live.Exchange
	mu     sync.Mutex
	passed time.Time // the last one
	err    error
}

// begin opens an exchange for a token and writes through it until it ends.
func (r *leaseRig) begin(token string) *writer {
	r.t.Helper()
	near, far := net.Pipe()
	r.writing.Go(func() { _, _ = io.Copy(io.Discard, far) })
	w := &writer{x: r.enforcer.live.Open(r.t.Context(), live.Info{Kind: live.Socket, Server: leased})}
	d, err := r.auth.Decide(r.t.Context(), authz.Question{Token: authz.NewToken(token), Server: leased})
	if err != nil {
		r.t.Fatal(err)
	}
	w.x.Admit(authz.NewToken(token), &d)
	w.x.Release(d)
	c := live.NewConn(near)
	c.Attach(w.x)
	r.writing.Go(func() {
		defer func() { _ = c.Close() }()
		for {
			_, err := c.Write([]byte("x"))
			w.mu.Lock()
			if w.err = err; err == nil {
				w.passed = time.Now()
			}
			w.mu.Unlock()
			if err != nil {
				return
			}
			<-time.After(50 * time.Millisecond)
		}
	})
	return w
}

// after lets time pass and returns for how long no byte has passed.
func (w *writer) after(d time.Duration) time.Duration {
	<-time.After(d)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Since(w.passed)
}

// end returns why it ended, or nil.
func (w *writer) end() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// flows is the longest time between two bytes of one that is not held.
const flows = 50 * time.Millisecond

// TestWithoutALeaseAGuestIsAskedAboutEveryBoundAndNotHeld, as docs/model.md says
// under "What happens when the log is away".
func TestWithoutALeaseAGuestIsAskedAboutEveryBoundAndNotHeld(t *testing.T) {
	inLease(t, func(r *leaseRig) {
		bob, alice := r.begin("bob"), r.begin("alice")
		<-time.After(2 * time.Second)
		r.stop(true)
		r.questions()
		for range 200 {
			if quiet := bob.after(50 * time.Millisecond); quiet > flows {
				r.t.Fatalf("the guest is held for %v", quiet)
			}
		}
		if n := r.questions(); n < 10 || n > 14 {
			r.t.Errorf("%d questions in 10 s, want one in about 0.8 s, for the guest alone", n)
		}
		if quiet := alice.after(0); quiet > flows {
			r.t.Errorf("the owner is held for %v", quiet)
		}
		r.stop(false)
		bob.after(time.Second)
		r.questions()
		bob.after(3 * time.Second)
		if n := r.questions(); n > 1 {
			r.t.Errorf("%d questions in 3 s with a lease again, want one at most", n)
		}
	})
}

// TestWithoutALeaseAChangeIsFoundOutWithinTheBound.
func TestWithoutALeaseAChangeIsFoundOutWithinTheBound(t *testing.T) {
	inLease(t, func(r *leaseRig) {
		bob := r.begin("bob")
		r.stop(true)
		<-time.After(3 * time.Second)
		r.set(func(r *leaseRig) { r.denied = true })
		bob.after(leaseRule.Bound)
		if err := bob.end(); !errors.Is(err, live.ErrRevoked) {
			r.t.Errorf("after Δ: %v, want the guest out", err)
		}
	})
}

// TestWithoutTheHubAGuestIsHeldAfterTOrAfterTheBound, with a lease and without.
// What is held goes on by itself, or ends at the hold limit.
func TestWithoutTheHubAGuestIsHeldAfterTOrAfterTheBound(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lease bool
		want  time.Duration
	}{{"with a lease", true, leaseRule.Guests}, {"without", false, leaseRule.Bound}} {
		t.Run(tt.name, func(t *testing.T) {
			inLease(t, func(r *leaseRig) {
				bob, alice := r.begin("bob"), r.begin("alice")
				r.stop(!tt.lease)
				r.set(func(r *leaseRig) { r.away = errHubAway })
				if quiet := bob.after(tt.want - flows); quiet > flows {
					r.t.Errorf("held for %v before %v", quiet, tt.want)
				}
				if quiet := bob.after(2 * flows); quiet < flows {
					r.t.Errorf("a byte passed after %v", tt.want)
				}
				if quiet := alice.after(10 * time.Second); quiet > flows {
					r.t.Errorf("the owner is held for %v", quiet)
				}
				r.set(func(r *leaseRig) { r.away = nil })
				if quiet := bob.after(lastRetry + flows); quiet > flows {
					r.t.Errorf("held for %v after the hub came back", quiet)
				}
				r.set(func(r *leaseRig) { r.away = errHubAway })
				bob.after(tt.want + leaseHold + 2*lastRetry)
				if err := bob.end(); !errors.Is(err, live.ErrHoldLimit) {
					r.t.Errorf("after the hold limit: %v, want the guest's exchange cut for it", err)
				}
				if err := alice.end(); err != nil {
					r.t.Errorf("the owner's exchange ended: %v", err)
				}
			})
		})
	}
}

// TestARevocationFromElsewhereHoldsAtOnce, and the answer that was there opens
// nothing: also while the lease is old.
func TestARevocationFromElsewhereHoldsAtOnce(t *testing.T) {
	inLease(t, func(r *leaseRig) {
		bob, alice := r.begin("bob"), r.begin("alice")
		r.stop(true)
		r.set(func(r *leaseRig) { r.away = errHubAway; r.applied++ })
		r.enforcer.apply(ledger.Entry{Seq: 1, Subjects: []authz.Subject{{Kind: authz.AboutEveryGuest}}})
		if quiet := bob.after(300 * time.Millisecond); quiet < 300*time.Millisecond-flows {
			r.t.Errorf("a byte passed %v ago, after the entry", quiet)
		}
		r.set(func(r *leaseRig) { r.away = nil })
		if quiet := bob.after(time.Second); quiet > flows {
			r.t.Errorf("held for %v after the hub was asked", quiet)
		}
		if quiet := alice.after(0); quiet > flows {
			r.t.Errorf("the owner was held for %v", quiet)
		}
	})
}
