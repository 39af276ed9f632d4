package history

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Promise is what a proxy with these settings promises.
type Promise struct {
	Bound  time.Duration // Δ
	Guests time.Duration // T for guests
	// Hop is how long the Hub's answer may be on its way to the proxy, on a busy
	// machine: Δ begins when it is seen, and known is when it was sent. A replica
	// that is stopped then sees it later. What passes after the proxy's own
	// answer is held to that, without a margin.
	Hop time.Duration
	// Margin is for what left its sender in time: how long it may lie in the
	// buffers of the kernel and of its receiver.
	Margin time.Duration
	// Settle is how long after the answer to a grant a refusal may still be
	// the end of what was before.
	Settle time.Duration
	// Recover is the time in which everything works again after a fault.
	Recover time.Duration
}

// Breach is a promise that was not kept.
type Breach struct {
	Rule     string
	Schedule string
	Who      string
	Replica  int
	At       Instant
	By       time.Duration // how late
	Detail   string
}

// String returns one line.
func (b Breach) String() string {
	return fmt.Sprintf("%s: %s, %s on replica %d at %s, late by %s: %s", b.Schedule, b.Rule, b.Who, b.Replica,
		b.At.Round(time.Millisecond), b.By.Round(10*time.Microsecond), b.Detail)
}

// Check returns the breaches in h, by time.
func (p Promise) Check(h *History) []Breach {
	found := slices.Clone(h.Breaches)
	found = append(found, p.late(h)...)
	found = append(found, p.refused(h)...)
	for _, r := range h.Recoveries {
		if r.Took > p.Recover || len(r.Missing) > 0 {
			found = append(found, Breach{
				Rule: "whole again", Schedule: r.Schedule, Who: "all", At: r.Ended + r.Took, By: r.Took - p.Recover,
				Detail: fmt.Sprintf("after %s, missing %q", r.Took, r.Missing),
			})
		}
	}
	slices.SortStableFunc(found, func(a, b Breach) int { return cmp.Compare(a.At, b.At) })
	return found
}

// never is later than everything.
const never = Instant(math.MaxInt64)

// ban is a time in which nothing of a credential may pass through one replica.
type ban struct {
	change   *Change
	rule     string
	from, to Instant
}

// bans returns the times in which nothing may pass, for each credential and
// replica, in order.
func (p Promise) bans(h *History, replicas int) map[place][]ban {
	bans := make(map[place][]ban)
	for who, changes := range committed(h) {
		for i, c := range changes {
			if c.Grant {
				continue
			}
			to := granted(changes[i+1:])
			for replica := 1; replica <= replicas; replica++ {
				from, rule := p.deadline(h, c, replica)
				if from < to {
					at := place{who, replica}
					bans[at] = append(bans[at], ban{c, rule, from, to})
				}
			}
		}
	}
	return bans
}

// place is a credential at a replica.
type place struct {
	who     string
	replica int
}

// committed returns the changes that the Hub made, by credential, in the
// order in which it made them.
func committed(h *History) map[string][]*Change {
	by := make(map[string][]*Change)
	for i := range h.Changes {
		if c := &h.Changes[i]; c.Committed > 0 {
			by[c.Who] = append(by[c.Who], c)
		}
	}
	for _, changes := range by {
		slices.SortFunc(changes, func(a, b *Change) int { return cmp.Compare(a.Committed, b.Committed) })
	}
	return by
}

// granted returns when the next grant was sent: from then on it may be in
// force.
func granted(changes []*Change) Instant {
	for _, c := range changes {
		if c.Grant {
			return c.Sent
		}
	}
	return never
}

// deadline returns the time from which nothing may pass through a replica
// after a revocation, and the rule that says so.
func (p Promise) deadline(h *History, c *Change, replica int) (Instant, string) {
	from, rule := c.Committed+p.Guests, "T after the change"
	switch {
	case c.Said == Nothing: // the caller was told nothing
	case c.lately():
		if again := c.Committed + 2*p.Bound + p.Hop; c.Said == Done && again < from && !disturbed(h, c.Replica, c.Ended, again) {
			from, rule = again, "asked every Δ after an unclear answer"
		}
	case c.Said == Done, c.Said == Bounded, replica == c.Replica:
		if c.Ended < from {
			from, rule = c.Ended, "the answer said "+c.Said.String()
		}
		if seen := c.Answering + p.Bound + p.Hop; c.Answering > 0 && c.Said != Within && seen < from && !disturbed(h, c.Replica, c.Answering, seen) {
			from, rule = seen, "Δ after it was seen"
		}
	}
	return from, rule
}

// lately reports whether the Hub did it after it had said that it failed.
func (c *Change) lately() bool { return c.Answering > 0 && c.Committed > c.Answering }

// disturbed reports whether a replica was down or stopped at some time
// between from and to.
func disturbed(h *History, replica int, from, to Instant) bool {
	return slices.ContainsFunc(h.Spans, func(s Span) bool {
		return (s.Cause == ReplicaDown || s.Cause == ReplicaPaused) && s.Replica == replica && s.From < to && s.To > from ||
			s.Cause == HubAway && s.From < to && s.To > from
	})
}
