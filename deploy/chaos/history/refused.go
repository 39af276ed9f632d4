package history

import (
	"fmt"
	"math"
	"net/http"
)

// refused finds who was kept out although the Hub lets him in and his replica
// was there. Faults of Redis excuse nothing; those of the Hub excuse what
// happens to guests.
func (p Promise) refused(h *History) (found []Breach) {
	changes := committed(h)
	for i := range h.Refusals {
		r := &h.Refusals[i]
		if p.excused(h.Spans, r) || !r.Owner && !p.allowed(changes[r.Who], r) {
			continue
		}
		rule := "who may get in is not refused"
		if r.Owner {
			rule = "owners notice nothing"
		}
		found = append(found, Breach{
			Rule: rule, Schedule: during(h.Recoveries, r.At), Who: r.Who, Replica: r.Replica, At: r.At,
			Detail: fmt.Sprintf("sent %s, status %d, close code %d", short(r.Sent), r.Status, r.Close),
		})
	}
	return found
}

// excused reports whether something was the matter that explains a refusal.
func (p Promise) excused(spans []Span, r *Refusal) bool {
	for _, s := range spans {
		if s.From-p.Settle > r.At || s.To+p.Settle < r.Sent {
			continue
		}
		switch s.Cause {
		case ReplicaDown:
			if s.Replica == r.Replica {
				return true
			}
		case HubAway:
			// Who has just come is asked for: a 503. Nobody is taken for a stranger.
			if !r.Owner && r.Status == http.StatusServiceUnavailable {
				return true
			}
		case ReplicaPaused:
			if r.Status == 0 && s.Replica == r.Replica {
				return true // a client's own patience
			}
		case Stall: // what is late then came all the same
		}
	}
	return false
}

// allowed reports whether a guest was let in by the Hub, for certain and for
// everybody, when he sent his request and when he was refused.
func (p Promise) allowed(changes []*Change, r *Refusal) bool {
	since, until := never, never
	for _, c := range changes {
		switch {
		case c.Grant && c.Committed <= r.Sent:
			since, until = p.inForce(c), never
		case !c.Grant && c.Sent <= r.At:
			since = never
		case !c.Grant:
			until = min(until, c.Sent)
		}
	}
	return since < r.Sent && r.At < until
}

// inForce is when all replicas know of a grant: at once if its answer says
// so, else when the last "no" has grown too old.
func (p Promise) inForce(c *Change) Instant {
	if c.Said == Done {
		return c.Ended + p.Settle
	}
	if c.Ended > math.MaxInt64-p.Guests-p.Settle {
		return never
	}
	return max(c.Ended, c.Committed) + p.Guests + p.Settle
}
