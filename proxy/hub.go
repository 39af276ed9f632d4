package proxy

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/head"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
)

// callLimit is the longest time that the Hub may take for a watched call:
// deleting a user stops his servers first. After an unclear end the Hub is
// asked until then, every Δ.
const callLimit = 60 * time.Second

// resolveTime is for a call that took as long as it may: its own end tells
// more than that of its announcement.
const resolveTime = 5 * time.Second

// cutHeader tells the caller of a revocation how far it has come.
const cutHeader = "Share-Proxy-Cut"

// serveHub forwards to the Hub. Calls that can change access are announced
// before they are sent, and resolved before the caller hears.
func (p *Proxy) serveHub(v *visit) error {
	v.exchange.Free()
	c, ok := watched(v.request.Method, p.belowHub(v), head.SessionID(v.head))
	if !ok {
		return p.forward(v, p.hubAnswer)
	}
	// The call goes on when its client leaves: the Hub may have done it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.request.Context()), callLimit)
	defer cancel()
	call, err := p.ledger.Begin(ctx, c.intent())
	if err != nil {
		p.log.WarnContext(ctx, "announcing a call to the hub", "error", err)
	}
	c.sockets = p.socketsOf(c)
	answered := false
	err = p.forwardWithin(ctx, v, func(v *visit, a answer) (head.Head, error) {
		if a.status < 200 {
			return a.head, nil
		}
		answered = true
		return p.resolve(ctx, a, call, outcomeOf(a.status), c), nil
	})
	switch {
	case answered:
	case v.whole.Load() && v.connected.Load():
		p.resolve(ctx, answer{}, call, ledger.Unclear, c)
	default: // the Hub acts on no call of which it has only a part, or nothing
		p.resolve(ctx, answer{}, call, ledger.Unchanged, c)
	}
	return err
}

// socketsOf returns the sockets that a change may concern.
func (p *Proxy) socketsOf(c change) []*live.Exchange {
	return slices.DeleteFunc(p.live.Concerned(c.subjects), func(x *live.Exchange) bool { return x.Kind != live.Socket })
}

// cut counts the exchanges that were cut.
func cut(xs []*live.Exchange) (n int) {
	for _, x := range xs {
		if x.Cause() != nil {
			n++
		}
	}
	return n
}

// intent announces the change.
func (c change) intent() ledger.Intent {
	return ledger.Intent{Subjects: c.subjects, Everybody: c.everybody, Limit: callLimit + resolveTime}
}

// outcomeOf reads from a status whether the Hub did it.
func outcomeOf(status int) ledger.Outcome {
	switch {
	case status >= 500:
		return ledger.Unclear
	case status >= 400:
		return ledger.Unchanged
	default:
		return ledger.Changed
	}
}

// resolve ends an announced call. When it returns, whoever lost his access is
// out; the head that it returns says so.
func (p *Proxy) resolve(ctx context.Context, a answer, call ledger.Call, o ledger.Outcome, c change) head.Head {
	seen := time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callLimit)
	defer cancel()
	gone := cut(c.sockets) // by the end of their route, before the entry
	done := p.enforceInTurn(ctx, call, o, c)
	if !done.inForce {
		return a.head
	}
	sockets := gone + done.sockets
	seenAs := "revoke seen"
	if c.grant {
		seenAs = "grant seen"
	} else {
		p.metrics.revocation.Observe(time.Since(seen).Seconds())
	}
	p.audit(ctx, seenAs, "subjects", names(c.subjects), "outcome", o.String(), "sockets", sockets)
	if o == ledger.Unclear {
		p.doubts.add(c, time.Now().Add(callLimit))
	}
	if p.observe {
		return a.head // nothing was cut, and "done" is not said without it
	}
	return append(slices.Clip(a.head), head.Field{Name: cutHeader, Value: p.cutValue(done.receipt, sockets, c)})
}

// enforced is what an entry did.
type enforced struct {
	inForce bool // there was something to enforce
	receipt ledger.Receipt
	sockets int // closed or still held
}

// enforceInTurn puts a change into force, alone or together with others.
func (p *Proxy) enforceInTurn(ctx context.Context, call ledger.Call, o ledger.Outcome, c change) enforced {
	if o == ledger.Unchanged || !c.takesTurns() {
		return p.enforce(ctx, call, o)
	}
	done, mine := p.turns.do(c.key(), func() enforced { return p.enforce(ctx, call, o) })
	if !mine { // another one's entry has done it
		p.enforce(ctx, call, ledger.Unchanged)
	}
	return done
}

// enforce appends the entry of a call and waits for what it does.
func (p *Proxy) enforce(ctx context.Context, call ledger.Call, o ledger.Outcome) enforced {
	receipt, err := p.ledger.Resolve(ctx, call, o)
	if err != nil { // in force here all the same, and the ledger has waited for Δ
		p.log.ErrorContext(ctx, "writing a change of access", "error", err)
		receipt.State = ledger.Within
	}
	if receipt.Seq == 0 {
		return enforced{inForce: err != nil && o != ledger.Unchanged, receipt: receipt}
	}
	// What is held passes nothing; waiting only makes the count exact.
	wait, cancel := context.WithTimeout(ctx, p.rule.Bound)
	defer cancel()
	return enforced{true, receipt, p.enforcer.settled(wait, receipt.Seq) + p.ledger.Told(wait, receipt)}
}

// cutValue is the value of the header, see docs/operations.md.
func (p *Proxy) cutValue(r ledger.Receipt, sockets int, c change) string {
	switch {
	case r.State == ledger.Done:
		return fmt.Sprintf("done; sockets=%d", sockets)
	case r.State == ledger.Bounded && c.aboutGuests():
		return fmt.Sprintf("bounded; replicas=%d", r.Missing)
	default: // an owner's own session needs no lease: where nobody has confirmed, it goes on
		return "within=" + strconv.FormatFloat(c.longest(p.rule).Seconds(), 'f', -1, 64) + "s"
	}
}

// hubAnswer looks for the end of a session on any page of the Hub: an
// authenticator may put its logout anywhere.
func (p *Proxy) hubAnswer(v *visit, a answer) (head.Head, error) {
	session := head.SessionID(v.head)
	if session == "" || a.status < 200 || !head.ClearsSession(a.head, time.Now()) {
		return a.head, nil
	}
	c := change{subjects: []authz.Subject{{Kind: authz.AboutSession, Name: session}}}
	ctx := v.exchange.Context()
	call, err := p.ledger.Begin(ctx, c.intent())
	if err != nil {
		p.log.WarnContext(ctx, "announcing a logout", "error", err)
	}
	return p.resolve(ctx, a, call, ledger.Changed, c), nil
}
