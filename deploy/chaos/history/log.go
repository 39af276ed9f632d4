package history

import (
	"sync"
	"time"
)

// Log writes a history down. It is safe for concurrent use.
type Log struct {
	begin time.Time

	mu sync.Mutex // guards the field below
	h  History
}

// NewLog begins a history now.
func NewLog() *Log { return &Log{begin: time.Now()} }

// Now returns the time since the run began.
func (l *Log) Now() Instant { return time.Since(l.begin) }

// Pass notes what got through.
func (l *Log) Pass(p Passage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h.Passages = append(l.h.Passages, p)
}

// Refuse notes who was not served.
func (l *Log) Refuse(r Refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h.Refusals = append(l.h.Refusals, r)
}

// Begin notes a change that is about to be made, once for each credential that
// it concerns, and returns its number.
func (l *Log) Begin(c Change, whom ...string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.ID = len(l.h.Changes) + 1
	for _, who := range whom {
		c.Who = who
		l.h.Changes = append(l.h.Changes, c)
	}
	return c.ID
}

// Edit tells more of a change: edit is called for all of its parts.
func (l *Log) Edit(id int, edit func(*Change)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := id - 1; i >= 0 && i < len(l.h.Changes) && l.h.Changes[i].ID == id; i++ {
		edit(&l.h.Changes[i])
	}
}

// Span notes that something was the matter from a moment until now.
func (l *Log) Span(cause Cause, replica int, from Instant) {
	to := l.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h.Spans = append(l.h.Spans, Span{cause, replica, from, to})
}

// Recover notes what was found after a schedule.
func (l *Log) Recover(r Recovery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h.Recoveries = append(l.h.Recoveries, r)
}

// Breach notes a breach that was seen as such.
func (l *Log) Breach(b Breach) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h.Breaches = append(l.h.Breaches, b)
}

// History returns what was written down; nothing may be added any more.
func (l *Log) History() *History {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &l.h
}

// Watch notes when the watching process stands still, until done is closed.
// Half of the time at which other things are noted is precise enough.
func (l *Log) Watch(done <-chan struct{}, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for last := l.Now(); ; {
		select {
		case <-done:
			return
		case <-tick.C:
			if now := l.Now(); now-last > 3*every {
				l.Span(Stall, 0, last+every)
			}
			last = l.Now()
		}
	}
}
