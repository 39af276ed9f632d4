package route

import (
	"context"
	"sync/atomic"
	"time"
)

// tellEvery is how often replicas tell each other when their routes were last
// active. The Hub asks every 60 to 300 s, and what stops idle servers counts in
// minutes: that a time of another replica may be 5 s old is nothing to them.
const tellEvery = 5 * time.Second

// maxAhead is how far another replica's time may be ahead of this clock. The
// store does not protect them: a time far in the future would keep a server
// alive for ever, or have a form that the Hub cannot read.
const maxAhead = time.Hour

// Run exchanges times of activity with the other replicas until ctx ends: at
// once, then every 5 s, and once more at the end. They are Unix times by the
// clocks of their replicas, of which the latest counts: if a clock is wrong, so
// is a time by as much.
func (s *Shared) Run(ctx context.Context) {
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		s.mergeSoon(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	s.mergeSoon(context.WithoutCancel(ctx)) // what is not told now is lost
}

// mergeSoon is merge with a limit.
func (s *Shared) mergeSoon(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, shareLimit)
	defer cancel()
	s.merge(ctx)
}

// merge tells the log what was active here since the last time and takes in what
// it says of the others. If that fails, the next one tells it.
func (s *Shared) merge(ctx context.Context) {
	select {
	case s.merging <- struct{}{}:
		defer func() { <-s.merging }()
	case <-ctx.Done():
		return
	}
	seen, known := s.table.risen()
	others, err := s.ledger.MergeActivity(ctx, seen)
	if err != nil {
		s.log.DebugContext(ctx, "activity of routes is told later", "error", err)
		return
	}
	for path, ms := range seen {
		raise(known[path], ms)
	}
	s.table.touch(others, time.Now().Add(maxAhead))
}

// risen returns the times of activity that other replicas do not know, by the
// keys of the routes, and where to note that they do.
func (t *Table) risen() (seen map[string]int64, known map[string]*atomic.Int64) {
	seen, known = make(map[string]int64), make(map[string]*atomic.Int64)
	t.mu.RLock()
	defer t.mu.RUnlock()
	for key, r := range t.byKey {
		if ms := r.life.activity.Load(); ms > r.life.told.Load() {
			seen[key], known[key] = ms, &r.life.told
		}
	}
	return seen, known
}

// touch takes in what other replicas know, but for times after the limit. A
// route that is not there has no activity.
func (t *Table) touch(others map[string]int64, limit time.Time) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for key, ms := range others {
		if r := t.byKey[key]; r != nil && ms <= limit.UnixMilli() {
			raise(&r.life.told, ms)
			raise(&r.life.activity, ms)
		}
	}
}
