package live

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// Kind says what an exchange is: a closed set, fit for a metric's label.
type Kind uint8

// The kinds.
const (
	Request Kind = iota // a request and its answer, of any length
	Socket              // a WebSocket
)

// String returns the kind as it stands in logs and metrics.
func (k Kind) String() string {
	if k == Socket {
		return "socket"
	}
	return "request"
}

// Info says what an exchange is about. It is not changed after [Table.Open].
type Info struct {
	Kind   Kind
	Server authz.Server // zero for routes that are not decided
	// Client and Session are the visitor's address or network, and the session
	// id that the request showed: they say who pays for a question to the Hub
	// (authz.Question).
	Client, Session string
}

// Exchange is anything through which bytes pass. Its context ends with it, and
// the context's cause says why.
type Exchange struct {
	Info
	table  *Table
	ctx    context.Context //nolint:containedctx // the exchange is the lifetime
	cancel context.CancelCauseFunc
	gate   gate

	holder   atomic.Pointer[holder]       // nil before Admit
	ripe     atomic.Pointer[authz.Answer] // the answer that is being renewed
	grace    atomic.Int64                 // Instant until which a denial only holds
	subjects []authz.Subject              // under which it is indexed; guarded by table.mu
	guest    bool                         // depends on AboutEveryGuest; guarded by table.mu

	mu     sync.Mutex    // guards the field below, and makes one step of it and a kick
	asking bool          // the decision is being asked for again
	kick   chan struct{} // has room for one: asked for once more meanwhile
}

// Context is the exchange's life.
func (x *Exchange) Context() context.Context { return x.ctx }

// Cause returns why the exchange was cut, or nil if it was not: also when it
// ended by itself.
func (x *Exchange) Cause() error {
	x.gate.mu.Lock()
	defer x.gate.mu.Unlock()
	if x.gate.state != cut || errors.Is(x.gate.cause, ErrEnded) {
		return nil
	}
	return x.gate.cause
}

// holder is whose exchange it is, as last decided.
type holder struct {
	token    authz.Token
	relation authz.Relation
	answer   *authz.Answer
}

// Token returns the credential that opened the exchange, or the zero Token.
func (x *Exchange) Token() authz.Token {
	if h := x.holder.Load(); h != nil {
		return h.token
	}
	return authz.Token{}
}

// Relation returns what the visitor is to the server, as last decided.
func (x *Exchange) Relation() authz.Relation {
	if h := x.holder.Load(); h != nil {
		return h.relation
	}
	return authz.Anonymous
}

// Answer returns what the Hub last said of the credential, or nil.
func (x *Exchange) Answer() *authz.Answer {
	if h := x.holder.Load(); h != nil {
		return h.answer
	}
	return nil
}

// Admit indexes the exchange under everything that d depends on. It must come
// before the check whether d is current, and that before Release: an entry
// then finds the exchange, or the check finds the entry.
func (x *Exchange) Admit(token authz.Token, d *authz.Decision) {
	x.holder.Store(&holder{token, d.Relation, d.Answer})
	x.table.reindex(x, d)
}

// Release opens the gate by d, which must allow. It reports false when an
// entry has held the gate since d was asked for, or the exchange ended.
func (x *Exchange) Release(d authz.Decision) bool { return x.gate.release(d) }

// Free opens the gate for good, for what is not decided: routes without an
// owner, and the login of somebody without a credential.
func (x *Exchange) Free() { x.gate.setFree() }

// Open reports whether the gate is open right now.
func (x *Exchange) Open() bool { return x.gate.isOpen() }

// Await returns nil as soon as the gate is open, or the cause of its cut.
func (x *Exchange) Await() error { return x.gate.await(x.check) }

// After is the position at or after which a decision must be asked for to open
// the gate.
func (x *Exchange) After() authz.Seq {
	x.gate.mu.Lock()
	defer x.gate.mu.Unlock()
	return x.gate.after
}

// Cut ends the exchange. When it returns nothing more is written. It reports
// whether it was this call that ended it.
func (x *Exchange) Cut(cause error) bool {
	first := x.gate.shut(cause)
	x.gate.settle()
	if first {
		x.gate.abandon(x.Kind)
		x.table.forget(x)
		if x.table.opts.Cut != nil {
			x.table.opts.Cut(x, cause)
		}
		x.cancel(cause)
	}
	return first
}

// End is for an exchange that is over: all has passed, or a side has left.
// Further writes fail.
func (x *Exchange) End() {
	if x.gate.shut(ErrEnded) {
		x.table.forget(x)
		x.cancel(ErrEnded)
	}
}

// Recheck has the decision asked for again. Where it is being asked for
// already, whoever does so is told that he has to look once more.
func (x *Exchange) Recheck() {
	x.mu.Lock()
	begin := !x.asking
	x.asking = true
	if !begin {
		select {
		case x.kick <- struct{}{}:
		default:
		}
	}
	x.mu.Unlock()
	if begin {
		x.table.opts.Recheck(x)
	}
}

// Kicked receives when Recheck was called while one was under way.
func (x *Exchange) Kicked() <-chan struct{} { return x.kick }

// Rechecked ends what Recheck began. A kick that came too late to be seen
// begins it again: a gate that has closed meanwhile would stay closed.
func (x *Exchange) Rechecked() {
	x.mu.Lock()
	select {
	case <-x.kick:
	default:
		x.asking = false
	}
	again := x.asking
	x.mu.Unlock()
	if again {
		x.table.opts.Recheck(x)
	}
}

// SpareUntil makes denials hold instead of cut until that instant.
func (x *Exchange) SpareUntil(until authz.Instant) { x.grace.Store(int64(until)) }

// SparedUntil returns what SpareUntil set, or 0.
func (x *Exchange) SparedUntil() authz.Instant { return authz.Instant(x.grace.Load()) }

// check is asked for every chunk. It is called under the gate's lock.
func (x *Exchange) check(d *authz.Decision) bool {
	switch x.table.opts.Age(d) {
	case Young:
		return true
	case Ripe:
		// Once per answer: a hub that is away must not be asked per chunk.
		if x.ripe.Swap(d.Answer) != d.Answer {
			x.Recheck()
		}
		return true
	default:
		x.Recheck()
		return false
	}
}
