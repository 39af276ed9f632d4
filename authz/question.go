package authz

import (
	"context"
	"fmt"
	"time"
)

// The bounds of a question.
const (
	// askLimit ends a question's wait for its turn, and then its wait for the
	// Hub: a hub that hangs shows as a 503 within the patience of a browser's
	// user.
	askLimit = 10 * time.Second
	// maxRounds ends a wait whose answers are all overtaken by entries, or are
	// too old when they arrive because the Hub needs longer than T.
	maxRounds = 4
	// patience ends a wait as a whole: a question that was overtaken, and the
	// next one.
	patience = 2 * askLimit
)

var errOvertaken = fmt.Errorf("%w: every answer was overtaken or came too late", ErrNoDecision)

// Question is a decision that is wanted.
type Question struct {
	Token  Token
	Server Server
	// Cause says what raised the question, which decides how it is paid for.
	Cause Cause
	// Client is the visitor's address, or the network that counts as one: its
	// budget pays for unknown tokens.
	Client string
	// Session is the session id that the request shows. A session that the
	// Hub named before vouches for a token that was not seen before.
	Session string
	// After refuses answers that were asked for before this position. It must
	// be applied here already.
	After Seq
}

// known is what is known about one credential.
type known struct {
	answer *Answer
	call   *call   // the question under way
	failed Instant // when the last question failed, to space the next ones
}

// call is a question under way. What another replica left may answer it
// instead of the Hub.
type call struct {
	key   Key
	q     Question // of whoever raised it
	payer Payer

	stage stage // guarded by the authorizer's mu
	seq   Seq   // a position that the answer will not be older than; ditto

	begun  Instant
	done   chan struct{}
	err    error // set when done is closed
	shared bool  // answered by another replica's answer; ditto
}

// stage of a call.
type stage uint8

const (
	asked   stage = iota // the question has left
	inLine               // it waits for its turn
	looking              // for an answer of another replica
)

// serves reports whether q may wait for c: its answer will be new enough, and
// nothing is asked sooner for q alone.
func (c *call) serves(q Question) bool {
	if c.seq >= q.After {
		return true
	}
	// Before it leaves, it is not too early yet.
	return c.stage == inLine && (c.payer.Cause == CauseRevocation || q.Cause != CauseRevocation)
}

// Decide returns the decision for q from an answer that is young enough and
// current, asking the Hub if there is none. An error wraps [ErrNoDecision] or
// is ctx's own.
func (a *Authorizer) Decide(ctx context.Context, q Question) (Decision, error) {
	key, found := q.Token.Key(), Hit
	d, c := a.lookup(key, q)
	var err error
	if c != nil {
		d, found, err = a.wait(ctx, key, q, c)
	}
	if err != nil && ctx.Err() == nil {
		d, err = a.fallback(key, q, err)
	}
	if a.opts.Observe != nil {
		a.opts.Observe(found)
	}
	return d, err
}

// wait waits for the question c and, as long as its answer may not be used,
// for the next one.
func (a *Authorizer) wait(ctx context.Context, key Key, q Question, c *call) (d Decision, found Lookup, err error) {
	came := a.opts.Clock()
	tooLong := time.NewTimer(patience)
	defer tooLong.Stop()
	for range maxRounds {
		select {
		case <-c.done:
		case <-tooLong.C:
			return Decision{}, Miss, errOvertaken
		case <-ctx.Done():
			return Decision{}, Miss, context.Cause(ctx)
		}
		if c.err != nil && came.Sub(c.begun) < askLimit/2 {
			return Decision{}, Miss, c.err
		}
		// Who came late to a question that fails asks again: the Hub may be back
		// since, and the question have been lost with a connection.
		found = Miss
		if c.shared {
			found = HitShared
		}
		if d, c = a.lookup(key, q); c == nil {
			return d, found, nil
		}
	}
	return Decision{}, Miss, errOvertaken
}

// lookup returns a decision that may be used, or the question to wait for.
func (a *Authorizer) lookup(key Key, q Question) (Decision, *call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.known[key]
	if k == nil {
		k = a.insert(key)
	}
	if d, ok := a.usable(k, q); ok {
		if a.Ripe(&d) && k.call == nil && a.opts.Clock().Sub(k.failed) > time.Second {
			q.Cause = CauseRecheck
			a.start(key, k, q)
		}
		return d, nil
	}
	// A question that began too early is not waited for; one that an entry
	// overtakes is found out by Current, and wait asks again.
	if k.call == nil || !k.call.serves(q) {
		return Decision{}, a.start(key, k, q)
	}
	return Decision{}, k.call
}

// usable computes the decision from the answer at hand, if it may be used.
func (a *Authorizer) usable(k *known, q Question) (Decision, bool) {
	if k.answer == nil || k.answer.Seq < q.After {
		return Decision{}, false
	}
	d := Decide(k.answer, q.Server)
	return d, a.Young(&d) && a.gens.Current(&d)
}

// fallback is for a question that got no answer: what was known may still do
// (an owner's grace, which begins at this failure), else there is no decision.
func (a *Authorizer) fallback(key Key, q Question, err error) (Decision, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if k := a.known[key]; k != nil {
		if d, ok := a.usable(k, q); ok {
			return d, nil
		}
	}
	return Decision{}, err
}
