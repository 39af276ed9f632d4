package history

import (
	"fmt"
	"slices"
	"time"
)

// late finds what passed while nothing may have.
func (p Promise) late(h *History) (found []Breach) {
	bans := p.bans(h, replicas(h))
	for i := range h.Passages {
		passage := &h.Passages[i]
		b, ok := covering(bans[place{passage.Who, passage.Replica}], passage.Came)
		if !ok {
			continue
		}
		switch {
		case passage.Left > b.from:
			found = append(found, p.breach(b, passage, passage.Left-b.from))
		case passage.Came-b.from > p.Margin+lost(h.Spans, passage, b.from):
			found = append(found, p.breach(b, passage, passage.Came-b.from))
		}
	}
	return found
}

func (p Promise) breach(b ban, passage *Passage, by time.Duration) Breach {
	what := map[bool]string{false: "request", true: "message"}[passage.Socket]
	where := map[bool]string{false: "from", true: "to"}[passage.Up]
	return Breach{
		Rule: "nothing passes: " + b.rule, Schedule: b.change.Schedule, Who: passage.Who, Replica: passage.Replica, At: passage.Came, By: by,
		Detail: fmt.Sprintf("%s %s the server, left %s, came %s; revoked through replica %d (change %d): sent %s, committed %s, answering %s, ended %s, status %d, said %s",
			what, where, short(passage.Left), short(passage.Came), b.change.Replica, b.change.ID, short(b.change.Sent), short(b.change.Committed),
			short(b.change.Answering), short(b.change.Ended), b.change.Status, b.change.Said),
	}
}

func short(at Instant) Instant { return at.Round(100 * time.Microsecond) }

// covering returns the ban in which at lies. Those of one place do not overlap,
// but for a second revocation of who had no access: the first counts.
func covering(bans []ban, at Instant) (ban, bool) {
	i := slices.IndexFunc(bans, func(b ban) bool { return b.from < at && at < b.to })
	if i < 0 {
		return ban{}, false
	}
	return bans[i], true
}

// lost is the time that the watcher stood still, or the replica was stopped,
// while a passage was on its way past a deadline: a chunk that was judged
// before a stop is written after it, and a watcher that stands still stamps
// late.
func lost(spans []Span, passage *Passage, deadline Instant) (sum time.Duration) {
	for _, s := range spans {
		if s.Cause == Stall || s.Cause == ReplicaPaused && s.Replica == passage.Replica {
			sum += max(0, min(s.To, passage.Came)-max(s.From, min(deadline, passage.Left)))
		}
	}
	return sum
}

func replicas(h *History) (n int) {
	for _, passage := range h.Passages {
		n = max(n, passage.Replica)
	}
	return n
}
