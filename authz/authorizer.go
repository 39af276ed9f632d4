package authz

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// Asker asks the Hub about a credential. It returns the Answer "nobody" (the
// zero Answer) for a credential that the Hub does not know; an error means
// that the Hub gave no answer, and never that it said no. It must be safe for
// concurrent use and must return soon after ctx ended. Asked and Seq of the
// Answer are set by the caller.
type Asker interface {
	Ask(ctx context.Context, token Token) (Answer, error)
}

// Lease is what the authorizer needs to know of the ledger. Both methods must
// be cheap and safe for concurrent use.
type Lease interface {
	// Applied is the position of the last entry that is applied here.
	Applied() Seq
	// Fresh is an instant before which no entry is missing here.
	Fresh() Instant
}

// ErrNoDecision is wrapped by every error of [Authorizer.Decide]: it could not
// be found out. It never means "no".
var ErrNoDecision = errors.New("no decision")

// Lookup says where the answer to a question was found.
type Lookup uint8

// The places. Miss, the zero Lookup, is also a question without an answer.
const (
	Miss      Lookup = iota // the Hub was asked
	Hit                     // in memory
	HitShared               // another replica had left it
)

// String returns the place as it stands in metrics.
func (l Lookup) String() string {
	switch l {
	case Miss:
		return "miss"
	case Hit:
		return "hit"
	case HitShared:
		return "shared"
	}
	return "miss"
}

// Options of an [Authorizer]. All fields are required but Shared and Observe.
type Options struct {
	Hub    Asker
	Lease  Lease
	Clock  Clock
	Rule   Rule
	Budget *Budget
	// Shared is where the replicas leave answers for each other; nil if there
	// is one process.
	Shared Shared
	// Observe, if set, is told once per Decide where the answer was. It must
	// not block.
	Observe func(Lookup)
}

// Authorizer keeps the Hub's answers and computes decisions from them. One
// question per credential is under way at a time, and its answer serves all
// who wait and all servers. It is safe for concurrent use. Close it to end its
// questions.
type Authorizer struct {
	opts Options
	gens Generations

	ctx    context.Context //nolint:containedctx // ends the questions, which outlive their askers
	cancel context.CancelFunc
	asking sync.WaitGroup
	taking chan struct{} // has room for those who look for a shared answer

	answered atomic.Int64 // Instant at which the Hub last answered a question
	failed   atomic.Int64 // Instant at which it last failed to

	mu       sync.Mutex // guards the fields below
	known    map[Key]*known
	sessions map[string]struct{} // session ids that the Hub named in an answer
}

// NewAuthorizer returns an Authorizer that knows nothing yet.
func NewAuthorizer(ctx context.Context, opts Options) *Authorizer {
	ctx, cancel := context.WithCancel(ctx)
	return &Authorizer{
		opts: opts, ctx: ctx, cancel: cancel,
		gens:     Generations{Horizon: max(opts.Rule.Guests, opts.Rule.Owners), Clock: opts.Clock},
		taking:   make(chan struct{}, maxTaking),
		known:    make(map[Key]*known),
		sessions: make(map[string]struct{}),
	}
}

// Close ends the questions under way and waits for them. What is asked after
// it gets no decision.
func (a *Authorizer) Close() {
	a.mu.Lock()
	a.cancel() // under mu, so that no question begins after it
	a.mu.Unlock()
	a.asking.Wait()
}

// Touch makes all answers that concern one of the subjects and were asked
// before seq unusable, see [Generations.Touch].
func (a *Authorizer) Touch(seq Seq, subjects ...Subject) { a.gens.Touch(seq, subjects...) }

// Current reports whether no entry that concerns d was applied since its
// answer was asked for.
func (a *Authorizer) Current(d *Decision) bool { return a.gens.Current(d) }

// Young reports whether d is young enough to let a byte pass now.
func (a *Authorizer) Young(d *Decision) bool { return a.opts.Rule.Young(d, a.view()) }

// Ripe reports whether the credential behind d should be asked about again
// without making anybody wait.
func (a *Authorizer) Ripe(d *Decision) bool { return a.opts.Rule.Ripe(d, a.view()) }

// Leased reports whether the view of the ledger is younger than Δ.
func (a *Authorizer) Leased() bool { return a.opts.Rule.Leased(a.view()) }

func (a *Authorizer) view() View {
	return View{Now: a.opts.Clock(), Fresh: a.opts.Lease.Fresh(), HubAway: a.HubAway()}
}

// HubAway reports whether the last question to the Hub got no answer.
func (a *Authorizer) HubAway() bool { return a.failed.Load() > a.answered.Load() }
