package proxy

import (
	"context"
	"sync"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
)

// enforcer keeps open exchanges covered by a decision: it holds those that an
// entry puts in doubt, asks again, and opens or cuts them by the answer.
type enforcer struct {
	auth    *authz.Authorizer
	log     ledger.Ledger // is told what entries did
	live    *live.Table
	clock   authz.Clock
	grace   time.Duration // SHARE_PROXY_REGRANT_GRACE
	limit   time.Duration // SHARE_PROXY_HOLD_LIMIT
	observe bool          // hold and cut nothing
	audit   func(ctx context.Context, message string, args ...any)

	ctx     context.Context //nolint:containedctx // ends the goroutines below
	asking  sync.WaitGroup
	effects effects

	mu    sync.Mutex // guards the field below
	ended bool       // nothing is begun any more
}

// begin runs f beside, unless the end has come: entries of other replicas are
// applied until the log is left, which comes last.
func (e *enforcer) begin(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended {
		return false
	}
	e.asking.Go(f)
	return true
}

// end begins nothing more and waits for what has begun.
func (e *enforcer) end() {
	e.mu.Lock()
	e.ended = true
	e.mu.Unlock()
	e.asking.Wait()
}

// Retries of a question that got no answer: soon at first, for a hub that
// restarts, then once a second.
const (
	firstRetry = 250 * time.Millisecond
	lastRetry  = time.Second
)

// apply puts an entry into force ([ledger.Apply]): when it returns, nothing
// passes through any exchange that the entry concerns. The answers are asked
// for after that, and settled tells when they have come.
func (e *enforcer) apply(entry ledger.Entry) {
	e.auth.Touch(entry.Seq, entry.Subjects...)
	held := e.live.Concerned(entry.Subjects)
	if !e.observe {
		e.live.Hold(held, entry.Seq)
	}
	if len(held) > 0 {
		e.audit(e.ctx, "exchanges held", "cause", "change", "subjects", names(entry.Subjects), "exchanges", len(held))
	}
	eff := e.effects.add(entry.Seq)
	eff.counts = !e.observe // else nothing is held or cut
	for _, x := range held {
		eff.count(x, 1) // also while the Hub hangs
	}
	counted := eff.held()
	for _, x := range held {
		eff.settling.Add(1)
		if !e.begin(func() {
			defer eff.settling.Done()
			e.settle(x, entry, eff)
		}) {
			eff.settling.Done()
		}
	}
	e.log.Tell(entry.Seq, counted, len(held) == 0)
	if len(held) > 0 {
		e.begin(func() {
			eff.settling.Wait()
			e.log.Tell(entry.Seq, eff.held()-counted, true)
		})
	}
}

// settle asks once about one exchange that an entry holds.
func (e *enforcer) settle(x *live.Exchange, entry ledger.Entry, eff *effect) {
	if x.Token().IsZero() {
		eff.count(x, -1)
		return // not decided yet: admit will find the entry
	}
	if entry.Everybody && e.grace > 0 {
		x.SpareUntil(e.clock().Add(e.grace))
	}
	switch {
	case e.decide(x.Context(), x, causeOf(entry)) == opened:
		eff.count(x, -1)
	case !e.observe:
		x.Recheck() // goes on asking where it could not be settled
	}
}

// causeOf says how the questions that an entry raises are paid for. Those about
// every guest there is, or about everyone, take turns: the reserve is for
// changes that somebody waits for.
func causeOf(entry ledger.Entry) authz.Cause {
	for _, s := range entry.Subjects {
		if s.Kind == authz.AboutEveryGuest || s.Kind == authz.AboutEveryone {
			return authz.CauseRecheck
		}
	}
	return authz.CauseRevocation
}

// age judges a decision for the gates ([live.Options]).
func (e *enforcer) age(d *authz.Decision) live.Age {
	switch {
	case !e.auth.Young(d):
		return live.Old
	case e.auth.Ripe(d):
		return live.Ripe
	default:
		return live.Young
	}
}

// recheck asks again until the exchange is open or cut ([live.Options]).
func (e *enforcer) recheck(x *live.Exchange) {
	if !e.begin(func() {
		defer x.Rechecked()
		e.ask(x)
	}) {
		x.Rechecked()
	}
}

func (e *enforcer) ask(x *live.Exchange) {
	ctx, cancel := context.WithTimeout(x.Context(), e.limit)
	defer cancel()
	for retry := firstRetry; ; {
		wait := retry
		switch e.decide(ctx, x, authz.CauseRecheck) {
		case opened, ended:
			return
		case spared:
			wait = x.SparedUntil().Sub(e.clock())
		case unknown:
			if x.Open() {
				return // what it has is still good
			}
			if retry == firstRetry {
				e.audit(x.Context(), "exchange held", whose(x, "cause", "no_decision")...)
			}
			if ctx.Err() != nil {
				x.Cut(live.ErrHoldLimit)
				return
			}
			retry = min(2*retry, lastRetry)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-x.Kicked():
		case <-ctx.Done():
		case <-e.ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// verdict is what became of an exchange.
type verdict uint8

const (
	unknown verdict = iota // no decision could be had
	opened
	spared // denied, but held for its grace
	ended
)

// decide asks for a decision and opens or cuts the exchange by it.
func (e *enforcer) decide(ctx context.Context, x *live.Exchange, cause authz.Cause) verdict {
	token := x.Token()
	for !token.IsZero() {
		if x.Context().Err() != nil {
			return ended
		}
		d, err := e.auth.Decide(ctx, authz.Question{
			Token: token, Server: x.Server, Cause: cause,
			Client: x.Client, Session: x.Session, After: x.After(),
		})
		if err != nil {
			return unknown
		}
		if !d.Allow {
			return e.deny(x, d)
		}
		x.Admit(token, &d)
		if e.auth.Current(&d) && x.Release(d) {
			return opened
		}
	}
	return ended
}

// deny cuts an exchange, unless its grace goes on.
func (e *enforcer) deny(x *live.Exchange, d authz.Decision) verdict {
	if e.observe {
		e.audit(x.Context(), "exchange would be cut", whose(x, "reason", d.Reason.String())...)
		return ended
	}
	if e.clock() < x.SparedUntil() {
		e.live.Hold([]*live.Exchange{x}, d.Answer.Seq)
		return spared
	}
	if d.Reason == authz.ReasonUnknown {
		x.Cut(live.ErrSignedOut)
	} else {
		x.Cut(live.ErrRevoked)
	}
	return ended
}

// sweepEvery is how often exchanges are looked at through which no byte wants
// to pass: a right that ended inside the Hub then ends their sockets too.
const sweepEvery = time.Minute

// run sweeps until ctx ends and then waits for all questions.
func (e *enforcer) run(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			for _, x := range e.live.All() {
				if !x.Token().IsZero() {
					x.Recheck()
				}
			}
		case <-ctx.Done():
			return
		}
	}
}
