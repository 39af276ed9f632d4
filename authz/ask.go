package authz

import (
	"context"
	"errors"
	"fmt"
)

// start begins a question. The caller holds mu.
func (a *Authorizer) start(key Key, k *known, q Question) *call {
	c := &call{
		key: key, q: q, payer: a.payer(k.answer, q),
		stage: inLine, seq: a.opts.Lease.Applied(), begun: a.opts.Clock(), done: make(chan struct{}),
	}
	if a.ctx.Err() != nil {
		c.err = fmt.Errorf("%w: closed", ErrNoDecision)
		close(c.done)
		return c
	}
	if a.mayTake(k, q) {
		c.stage = looking
	}
	k.call = c
	a.asking.Go(func() { a.ask(c) })
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

// ask finds the answer to c and publishes it: what another replica left, or
// what the Hub says.
func (a *Authorizer) ask(c *call) {
	if a.take(c) {
		return
	}
	answer, mark, err := a.put(c)
	a.mu.Lock()
	k := a.finish(c)
	if err != nil {
		c.err = errors.Join(ErrNoDecision, err)
		k.failed = a.opts.Clock()
		if k.answer == nil && k.call == nil {
			delete(a.known, c.key) // nothing is known
		}
	} else {
		a.keep(k, answer)
	}
	close(c.done)
	a.mu.Unlock()
	if err == nil {
		a.leave(c.key, answer, mark)
	}
}

// finish takes c off what is known of its credential, which it returns. The caller
// holds mu.
func (a *Authorizer) finish(c *call) *known {
	k := a.known[c.key]
	if k == nil { // dropped meanwhile
		k = a.insert(c.key)
	}
	if k.call == c {
		k.call = nil
	}
	return k
}

// keep keeps an answer, unless a newer one is there. The caller holds mu.
func (a *Authorizer) keep(k *known, answer *Answer) {
	if k.answer == nil || answer.newer(k.answer) {
		k.answer = answer
	}
	a.vouch(answer.Session)
}

// put waits for the question's turn and puts it. Mark, position and time are
// read before the question leaves: whatever is changed later may be missing in
// the answer. The waits end apart, so that a question whose turn came late
// does not make the Hub look slow.
func (a *Authorizer) put(c *call) (*Answer, Mark, error) {
	turn, cancel := context.WithTimeout(a.ctx, askLimit)
	defer cancel()
	if err := a.opts.Budget.Wait(turn, c.payer); err != nil {
		return nil, Mark{}, err
	}
	mark := a.mark()
	seq, asked := a.sent(c), a.opts.Clock()
	ctx, cancel := context.WithTimeout(a.ctx, askLimit)
	defer cancel()
	answer, err := a.opts.Hub.Ask(ctx, c.q.Token)
	a.note(err)
	answer.Seq, answer.Asked = seq, asked
	return &answer, mark, err
}

// sent notes that the question leaves, and returns the position at which it
// does.
func (a *Authorizer) sent(c *call) Seq {
	a.mu.Lock()
	defer a.mu.Unlock()
	c.stage, c.seq = asked, a.opts.Lease.Applied()
	return c.seq
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
