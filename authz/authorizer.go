package authz

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
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

// askLimit ends a question: who waits longer gets "no decision", so that a hub
// that hangs shows as a 503 within the patience of a browser's user.
const askLimit = 10 * time.Second

// maxAnswers bounds the answers that are kept: 200 bytes to 1 KB each. Beyond
// it any one is dropped and asked again when it is needed.
const maxAnswers = 50_000

// Options of an [Authorizer]. All fields are required but Observe.
type Options struct {
	Hub    Asker
	Lease  Lease
	Clock  Clock
	Rule   Rule
	Budget *Budget
	// Observe, if set, is told about every look-up: whether the answer was
	// at hand. It must not block.
	Observe func(hit bool)
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

	answered atomic.Int64 // Instant at which the Hub last answered a question
	failed   atomic.Int64 // Instant at which it last failed to

	mu       sync.Mutex // guards the fields below
	entries  map[Key]*entry
	sessions map[string]struct{} // session ids that the Hub named in an answer
}

// entry is what is known about one credential.
type entry struct {
	answer *Answer
	call   *call   // the question under way
	failed Instant // when the last question failed, to space the next ones
}

// call is a question under way; err is set when done is closed.
type call struct {
	seq  Seq // a position that the answer will not be older than
	done chan struct{}
	err  error
}

// NewAuthorizer returns an Authorizer that knows nothing yet.
func NewAuthorizer(ctx context.Context, opts Options) *Authorizer {
	ctx, cancel := context.WithCancel(ctx)
	return &Authorizer{
		opts: opts, ctx: ctx, cancel: cancel,
		entries:  make(map[Key]*entry),
		sessions: make(map[string]struct{}),
	}
}

// Close ends the questions under way and waits for them.
func (a *Authorizer) Close() {
	a.cancel()
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

func (a *Authorizer) view() View {
	return View{Now: a.opts.Clock(), Fresh: a.opts.Lease.Fresh(), HubAway: a.HubAway()}
}

// HubAway reports whether the last question to the Hub got no answer.
func (a *Authorizer) HubAway() bool { return a.failed.Load() > a.answered.Load() }

// Question is a decision that is wanted.
type Question struct {
	Token  Token
	Server Server
	// Cause says what raised the question, which decides how it is paid for.
	Cause Cause
	// Client is the visitor's address; its budget pays for unknown tokens.
	Client string
	// Session is the session id that the request shows. A session that the
	// Hub named before vouches for a token that was not seen before.
	Session string
	// After refuses answers that were asked for before this position.
	After Seq
}

// Decide returns the decision for q from an answer that is young enough and
// current, asking the Hub if there is none. An error wraps [ErrNoDecision] or
// is ctx's own.
func (a *Authorizer) Decide(ctx context.Context, q Question) (Decision, error) {
	key := q.Token.Key()
	for first := true; ; first = false {
		d, c := a.lookup(key, q)
		if first && a.opts.Observe != nil {
			a.opts.Observe(c == nil)
		}
		if c == nil {
			return d, nil
		}
		select {
		case <-c.done:
		case <-ctx.Done():
			return Decision{}, context.Cause(ctx)
		}
		if c.err != nil {
			return a.fallback(key, q, c.err)
		}
	}
}

// lookup returns a decision that may be used, or the question to wait for.
func (a *Authorizer) lookup(key Key, q Question) (Decision, *call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.entries[key]
	if e == nil {
		a.makeRoom()
		e = &entry{}
		a.entries[key] = e
	}
	if d, ok := a.usable(e, q); ok {
		if a.Ripe(&d) && e.call == nil && a.opts.Clock().Sub(e.failed) > time.Second {
			a.start(key, e, q, CauseRecheck)
		}
		return d, nil
	}
	// A question that began too early is not waited for; one that an entry
	// overtakes is found out by Current, and the loop asks again.
	if e.call == nil || e.call.seq < q.After {
		a.start(key, e, q, q.Cause)
	}
	return Decision{}, e.call
}

// usable computes the decision from the answer at hand, if it may be used.
func (a *Authorizer) usable(e *entry, q Question) (Decision, bool) {
	if e.answer == nil || e.answer.Seq < q.After {
		return Decision{}, false
	}
	d := Decide(e.answer, q.Server)
	return d, a.Young(&d) && a.gens.Current(&d)
}

// fallback is for a question that got no answer: what was known may still do
// (an owner's grace, which begins at this failure), else there is no decision.
func (a *Authorizer) fallback(key Key, q Question, err error) (Decision, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.entries[key]; e != nil {
		if d, ok := a.usable(e, q); ok {
			return d, nil
		}
	}
	return Decision{}, err
}

// start begins a question. The caller holds mu.
func (a *Authorizer) start(key Key, e *entry, q Question, cause Cause) {
	c := &call{done: make(chan struct{}), seq: a.opts.Lease.Applied()}
	e.call = c
	payer := Payer{Cause: cause, Client: q.Client}
	if e.answer != nil && e.answer.Kind != KindNobody && cause == CauseFirst {
		payer.Cause = CauseRecheck // known: only its age is the question
	}
	if e.answer != nil {
		payer.User = e.answer.Name
	}
	_, payer.Known = a.sessions[q.Session]
	a.asking.Go(func() { a.ask(key, c, q.Token, payer) })
}

// ask puts one question to the Hub and publishes what came of it.
func (a *Authorizer) ask(key Key, c *call, token Token, payer Payer) {
	ctx, cancel := context.WithTimeout(a.ctx, askLimit)
	defer cancel()
	answer, err := a.put(ctx, token, payer)
	a.mu.Lock()
	defer a.mu.Unlock()
	defer close(c.done)
	e := a.entries[key]
	if e == nil { // dropped meanwhile to make room
		e = &entry{}
		a.entries[key] = e
	}
	if e.call == c {
		e.call = nil
	}
	if err != nil {
		c.err = errors.Join(ErrNoDecision, err)
		e.failed = a.opts.Clock()
		return
	}
	if e.answer == nil || answer.Asked >= e.answer.Asked {
		e.answer = answer
	}
	if answer.Session != "" {
		if len(a.sessions) >= maxAnswers {
			clear(a.sessions)
		}
		a.sessions[answer.Session] = struct{}{}
	}
}

// put waits for the question's turn and puts it. Position and time are read
// before the question leaves: whatever is changed later may be missing in the
// answer.
func (a *Authorizer) put(ctx context.Context, token Token, payer Payer) (*Answer, error) {
	if err := a.opts.Budget.Wait(ctx, payer); err != nil {
		return nil, err
	}
	seq, asked := a.opts.Lease.Applied(), a.opts.Clock()
	answer, err := a.opts.Hub.Ask(ctx, token)
	a.note(err)
	answer.Seq, answer.Asked = seq, asked
	return &answer, err
}

// note keeps whether the Hub is there. A question ended by ourselves says
// nothing about it.
func (a *Authorizer) note(err error) {
	switch {
	case err == nil:
		a.answered.Store(int64(a.opts.Clock()) + 1)
	case a.ctx.Err() == nil:
		a.failed.Store(int64(a.opts.Clock()) + 1)
	}
}

// makeRoom drops any answer when there are too many; the caller holds mu.
// Which one does not matter: a dropped one costs a question.
func (a *Authorizer) makeRoom() {
	if len(a.entries) < maxAnswers {
		return
	}
	for key, e := range a.entries {
		if e.call == nil {
			delete(a.entries, key)
			return
		}
	}
}
