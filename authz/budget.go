package authz

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Cause says why the Hub is asked; it decides who goes first.
type Cause uint8

// The causes. CauseFirst, the zero Cause, is a credential on a request.
const (
	CauseFirst      Cause = iota
	CauseRecheck          // an answer grew old
	CauseRevocation       // an entry of the ledger put an answer in doubt
)

// Payer says whose budget a question is taken from.
type Payer struct {
	Cause  Cause
	User   User   // of the last answer, for turns
	Client string // the account that pays for an unknown credential: an address or a session
}

// ErrBudget means that a question waited too long for its turn.
var ErrBudget = errors.New("the budget of questions to the hub is used up")

// Budget limits how much the Hub is asked. First questions of known sessions
// go at once, and a revocation's from a reserve; re-checks share a rate and
// take turns by user, as do a revocation's questions that find the reserve
// empty; unknown credentials are paid for by their address. It is safe for
// concurrent use. Use [NewBudget]: the zero Budget has nothing to give.
type Budget struct {
	clock Clock
	rate  float64 // re-checks per second

	mu       sync.Mutex // guards the fields below
	rechecks bucket
	urgent   bucket          // for revocations
	waiting  []*turn         // re-checks in line, by turn
	served   map[User]uint64 // number of the last turn of a user in line
	round    uint64
	pump     *time.Timer
	clients  clients
	deferred uint64
}

// turn is a re-check that waits.
type turn struct {
	number uint64
	ready  chan struct{}
}

// reserved is how many questions revocations may cause at once: a call that
// takes a server from 200 guests, each with a laptop and a phone, holds nobody
// for longer than the Hub needs. The reserve fills up at the rate of the
// re-checks, so that the Hub is asked about known credentials at twice that
// rate at most, whatever changes are made and by whom.
const reserved = 500

// NewBudget returns a budget of perSecond re-checks, with a burst of one
// second.
func NewBudget(clock Clock, perSecond int) *Budget {
	return &Budget{
		clock: clock, rate: float64(perSecond),
		rechecks: bucket{tokens: float64(perSecond), at: clock()},
		urgent:   bucket{tokens: reserved, at: clock()},
		served:   make(map[User]uint64),
		clients:  make(clients),
	}
}

// Deferred returns how many questions had to wait for their turn so far.
func (b *Budget) Deferred() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.deferred
}

// Wait returns nil when the question may be put, or an error that wraps
// [ErrBudget] when ctx ended before its turn came.
func (b *Budget) Wait(ctx context.Context, p Payer) error {
	switch {
	case b.clock == nil:
		return ErrBudget
	case p.Cause == CauseFirst:
		return b.waitClient(ctx, p.Client)
	case p.Cause == CauseRevocation && b.takeReserved():
		return nil
	default:
		return b.waitTurn(ctx, p.User)
	}
}

func (b *Budget) takeReserved() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.urgent.take(b.clock(), b.rate, reserved)
}

// waitTurn queues a question about a known credential. A user with many credentials gets his next turn
// only after everybody else in line had one.
func (b *Budget) waitTurn(ctx context.Context, user User) error {
	b.mu.Lock()
	if len(b.waiting) == 0 && b.rechecks.take(b.clock(), b.rate, b.rate) {
		b.mu.Unlock()
		return nil
	}
	b.deferred++
	t := &turn{number: max(b.round, b.served[user]) + 1, ready: make(chan struct{})}
	b.served[user] = t.number
	b.enqueue(t)
	b.arm()
	b.mu.Unlock()
	select {
	case <-t.ready:
		return nil
	case <-ctx.Done():
		b.leave(t)
		return errors.Join(ErrBudget, context.Cause(ctx))
	}
}

// enqueue keeps the line sorted by turn; equal turns in order of arrival.
func (b *Budget) enqueue(t *turn) {
	i := len(b.waiting)
	for i > 0 && b.waiting[i-1].number > t.number {
		i--
	}
	b.waiting = append(b.waiting, nil)
	copy(b.waiting[i+1:], b.waiting[i:])
	b.waiting[i] = t
}

func (b *Budget) leave(t *turn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, w := range b.waiting {
		if w == t {
			b.waiting = append(b.waiting[:i], b.waiting[i+1:]...)
			return
		}
	}
}

// arm makes sure that somebody serves the line; the caller holds mu.
func (b *Budget) arm() {
	if b.pump == nil && b.rate > 0 {
		b.pump = time.AfterFunc(time.Duration(float64(time.Second)/b.rate), b.serve)
	}
}

// serve lets as many in as the rate allows.
func (b *Budget) serve() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pump = nil
	for len(b.waiting) > 0 && b.rechecks.take(b.clock(), b.rate, b.rate) {
		t := b.waiting[0]
		b.waiting = b.waiting[1:]
		b.round = t.number
		close(t.ready)
	}
	if len(b.waiting) == 0 {
		clear(b.served)
		b.round = 0
		return
	}
	b.arm()
}
