package ledger

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// Memory is the log of a single process. Its lease is always fresh: nobody
// else writes. What it holds ends with the process, and so do all decisions.
type Memory struct {
	clock   authz.Clock
	apply   Apply
	applied atomic.Uint64

	mu      sync.Mutex // guards the fields below, and keeps the entries in order
	last    uint64     // id of the last call
	pending map[uint64]*pending
	closed  bool
	firing  sync.WaitGroup
}

// pending is an announced call.
type pending struct {
	intent Intent
	until  authz.Instant
	timer  *time.Timer
}

// NewMemory returns an empty log that puts its entries into force by apply.
func NewMemory(clock authz.Clock, apply Apply) *Memory {
	return &Memory{clock: clock, apply: apply, pending: make(map[uint64]*pending)}
}

// Applied implements [authz.Lease].
func (m *Memory) Applied() authz.Seq { return authz.Seq(m.applied.Load()) }

// Fresh implements [authz.Lease].
func (m *Memory) Fresh() authz.Instant { return m.clock() }

// Begin implements [Ledger]. It does not fail.
func (m *Memory) Begin(_ context.Context, in Intent) (Call, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	call := Call{m.last}
	p := &pending{intent: in, until: m.clock().Add(in.Limit)}
	m.firing.Add(1)
	p.timer = time.AfterFunc(in.Limit, func() {
		defer m.firing.Done()
		m.end(call, Unclear)
	})
	m.pending[call.id] = p
	return call, nil
}

// Resolve implements [Ledger]. It does not fail.
func (m *Memory) Resolve(_ context.Context, call Call, outcome Outcome) (Receipt, error) {
	return Receipt{Seq: m.end(call, outcome), State: Done}, nil
}

// end takes the call off the list and appends its entry.
func (m *Memory) end(call Call, outcome Outcome) authz.Seq {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.pending[call.id]
	if p == nil || m.closed {
		return 0
	}
	delete(m.pending, call.id)
	if p.timer.Stop() {
		m.firing.Done()
	}
	if outcome == Unchanged {
		return 0
	}
	seq := authz.Seq(m.applied.Add(1))
	m.apply(Entry{
		Seq: seq, Subjects: p.intent.Subjects, Everybody: p.intent.Everybody,
		Unclear: outcome == Unclear, Until: p.until,
	})
	return seq
}

// Close implements [Ledger].
func (m *Memory) Close() {
	m.mu.Lock()
	m.closed = true
	for _, p := range m.pending {
		if p.timer.Stop() {
			m.firing.Done()
		}
	}
	m.mu.Unlock()
	m.firing.Wait()
}
