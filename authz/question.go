package authz

import (
	"context"
	"errors"
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

// Decide returns the decision for q from an answer that is young enough and
// current, asking the Hub if there is none. An error wraps [ErrNoDecision] or
// is ctx's own.
func (a *Authorizer) Decide(ctx context.Context, q Question) (Decision, error) {
	key := q.Token.Key()
	d, c := a.lookup(key, q)
	if a.opts.Observe != nil {
		a.opts.Observe(c == nil)
	}
	if c == nil {
		return d, nil
	}
	return a.wait(ctx, key, q, c)
}

// wait waits for the question c and, as long as its answer may not be used,
// for the next one.
func (a *Authorizer) wait(ctx context.Context, key Key, q Question, c *call) (Decision, error) {
	tooLong := time.NewTimer(patience)
	defer tooLong.Stop()
	for range maxRounds {
		select {
		case <-c.done:
		case <-tooLong.C:
			return a.fallback(key, q, errOvertaken)
		case <-ctx.Done():
			return Decision{}, context.Cause(ctx)
		}
		if c.err != nil {
			return a.fallback(key, q, c.err)
		}
		var d Decision
		if d, c = a.lookup(key, q); c == nil {
			return d, nil
		}
	}
	return a.fallback(key, q, errOvertaken)
}

// lookup returns a decision that may be used, or the question to wait for.
func (a *Authorizer) lookup(key Key, q Question) (Decision, *call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.entries[key]
	if e == nil {
		e = a.insert(key)
	}
	if d, ok := a.usable(e, q); ok {
		if a.Ripe(&d) && e.call == nil && a.opts.Clock().Sub(e.failed) > time.Second {
			q.Cause = CauseRecheck
			a.start(key, e, q)
		}
		return d, nil
	}
	// A question that began too early is not waited for; one that an entry
	// overtakes is found out by Current, and wait asks again.
	if e.call == nil || e.call.seq < q.After {
		return Decision{}, a.start(key, e, q)
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
func (a *Authorizer) start(key Key, e *entry, q Question) *call {
	c := &call{done: make(chan struct{}), seq: a.opts.Lease.Applied()}
	if a.ctx.Err() != nil {
		c.err = fmt.Errorf("%w: closed", ErrNoDecision)
		close(c.done)
		return c
	}
	e.call = c
	payer := a.payer(e.answer, q)
	a.asking.Go(func() { a.ask(key, c, q.Token, payer) })
	return c
}

// payer finds out who pays for q, given what was known before. The caller
// holds mu.
func (a *Authorizer) payer(before *Answer, q Question) Payer {
	p := Payer{Cause: q.Cause, Client: q.Client}
	if _, named := a.sessions[q.Session]; named {
		// An account of its own: it goes first, but not for ever. One for each
		// address, because the servers that a session visits learn its id.
		p.Client = "session " + q.Session + " from " + q.Client
	}
	known := before != nil && before.Kind != KindNobody
	switch {
	case known:
		p.User = before.Name
		if q.Cause == CauseFirst {
			p.Cause = CauseRecheck // only its age is the question
		}
	case q.Cause == CauseRecheck:
		p.Cause = CauseFirst // strangers have no share in the turns of users
	}
	return p
}

// ask puts one question to the Hub and publishes what came of it.
func (a *Authorizer) ask(key Key, c *call, token Token, payer Payer) {
	answer, err := a.put(token, payer)
	a.mu.Lock()
	defer a.mu.Unlock()
	defer close(c.done)
	e := a.entries[key]
	if e == nil { // dropped meanwhile
		e = a.insert(key)
	}
	if e.call == c {
		e.call = nil
	}
	if err != nil {
		c.err = errors.Join(ErrNoDecision, err)
		e.failed = a.opts.Clock()
		if e.answer == nil && e.call == nil {
			delete(a.entries, key) // nothing is known
		}
		return
	}
	if e.answer == nil || answer.newer(e.answer) {
		e.answer = answer
	}
	a.vouch(answer.Session)
}

// put waits for the question's turn and puts it. Position and time are read
// before the question leaves: whatever is changed later may be missing in the
// answer. The waits end apart, so that a question whose turn came late does
// not make the Hub look slow.
func (a *Authorizer) put(token Token, payer Payer) (*Answer, error) {
	turn, cancel := context.WithTimeout(a.ctx, askLimit)
	defer cancel()
	if err := a.opts.Budget.Wait(turn, payer); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(a.ctx, askLimit)
	defer cancel()
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
