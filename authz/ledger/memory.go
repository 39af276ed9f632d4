package ledger

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// Memory is the log of a single process. Its lease is always fresh: nobody
// else writes. What it knows of calls ends with the process, and so do all
// decisions; its records do too, unless it has a [File].
type Memory struct {
	opts    Options
	file    *File         // nil: records are kept nowhere
	loaded  chan struct{} // closed when the records of the file were kept
	applied atomic.Uint64

	mu      sync.Mutex // guards the fields below, and keeps the entries in order
	last    uint64     // number of the last call
	pending map[string]*pending
	closed  bool
	firing  sync.WaitGroup
}

// pending is an announced call.
type pending struct {
	until authz.Instant
	timer *time.Timer
}

// NewMemory returns an empty log.
func NewMemory(opts Options) *Memory {
	m := NewMemoryOn(nil, opts)
	close(m.loaded)
	return m
}

// NewMemoryOn returns a log whose records are in a file. Run reads them, and
// closes the file at its end.
func NewMemoryOn(file *File, opts Options) *Memory {
	if opts.Keep == nil {
		opts.Keep = func(Record) {}
	}
	return &Memory{opts: opts, file: file, loaded: make(chan struct{}), pending: make(map[string]*pending)}
}

// Applied implements [authz.Lease].
func (m *Memory) Applied() authz.Seq { return authz.Seq(m.applied.Load()) }

// Fresh implements [authz.Lease].
func (m *Memory) Fresh() authz.Instant { return m.opts.Clock() }

// Loaded implements [Ledger].
func (m *Memory) Loaded(ctx context.Context) error {
	select {
	case <-m.loaded:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Begin implements [Ledger]. It does not fail.
func (m *Memory) Begin(_ context.Context, in Intent) (Call, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	call := Call{id: strconv.FormatUint(m.last, 10), intent: in, begun: m.opts.Clock()}
	p := &pending{until: call.begun.Add(in.Limit)}
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
	m.opts.Apply(call.entry(seq, outcome))
	return seq
}

// entry is what becomes of a call.
func (c Call) entry(seq authz.Seq, outcome Outcome) Entry {
	return Entry{
		Seq: seq, Subjects: c.intent.Subjects, Everybody: c.intent.Everybody,
		Unclear: outcome == Unclear, Until: c.begun.Add(c.intent.Limit),
	}
}

// Write implements [Ledger]. With a file it fails if the file cannot be written.
func (m *Memory) Write(ctx context.Context, r Record) error {
	r.Unshared = false
	if m.file == nil {
		m.keep(r)
		return nil
	}
	if err := m.Loaded(ctx); err != nil { // what is loaded is older than r
		return err
	}
	return m.file.write(r, m.keep)
}

// keep is Options.Keep in the order of the log.
func (m *Memory) keep(r Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.opts.Keep(r)
}

// Tell implements [Ledger]: there is nobody to tell.
func (m *Memory) Tell(authz.Seq, int, bool) {}

// Told implements [Ledger]: there is nobody else.
func (m *Memory) Told(context.Context, Receipt) int { return 0 }

// Sync implements [Ledger]: there is nobody else.
func (m *Memory) Sync(context.Context) error { return nil }

// MergeActivity implements [Ledger]. There is nobody else but the process that
// had the file before.
func (m *Memory) MergeActivity(_ context.Context, seen map[string]int64) (map[string]int64, error) {
	if m.file == nil {
		return nil, nil
	}
	return m.file.mergeActivity(seen)
}

// Run implements [Ledger].
func (m *Memory) Run(ctx context.Context) {
	if m.file != nil {
		m.file.load(m.keep)
		close(m.loaded)
	}
	<-ctx.Done()
	m.mu.Lock()
	m.closed = true
	for _, p := range m.pending {
		if p.timer.Stop() {
			m.firing.Done()
		}
	}
	m.mu.Unlock()
	m.firing.Wait()
	if m.file != nil {
		_ = m.file.Close() // what was written is on the disk
	}
}
