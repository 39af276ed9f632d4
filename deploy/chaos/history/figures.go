package history

import (
	"cmp"
	"slices"
	"time"
)

// Figures say what a schedule showed.
type Figures struct {
	Schedule    string
	Revocations int // calls that take access, through a replica, and were answered
	Said        [Done + 1]int
	// AfterAnswer is the latest that anything came after the answer of a
	// revocation whose answer said done or bounded; negative if all of it came
	// before. AfterChange is the latest after the change in the Hub, of all.
	AfterAnswer, AfterChange time.Duration
	// Passed is set if anything came after a change at all.
	Passed bool
	Waited time.Duration // the longest wait for the answer to a revocation, from the Hub's
	Held   time.Duration // longest silence of a socket that should have gone on
	Whole  time.Duration // until everything was whole again
}

// Figures returns them for each schedule, in the order in which they ran.
func (p Promise) Figures(h *History) []Figures {
	var order []*Figures
	by := make(map[string]*Figures)
	row := func(schedule string) *Figures {
		if by[schedule] == nil {
			by[schedule] = &Figures{Schedule: schedule, AfterAnswer: -never}
			order = append(order, by[schedule])
		}
		return by[schedule]
	}
	for i := range h.Changes {
		row(h.Changes[i].Schedule).count(&h.Changes[i])
	}
	p.lateness(h, row)
	for _, r := range h.Recoveries {
		f := row(r.Schedule)
		f.Whole = max(f.Whole, r.Took)
	}
	silences(h, row)
	out := make([]Figures, 0, len(order))
	for _, f := range order {
		out = append(out, *f)
	}
	return out
}

// count adds a change; the parts of one call count once.
func (f *Figures) count(c *Change) {
	if c.Grant || c.Replica == 0 || c.Status == 0 {
		return
	}
	f.Revocations++
	f.Said[c.Said]++
	if c.Answering > 0 && c.Said == Done || c.Said == Bounded {
		f.Waited = max(f.Waited, c.Ended-c.Answering)
	}
}

// lateness finds the last that came after each revocation and before the
// next grant.
func (p Promise) lateness(h *History, row func(string) *Figures) {
	type window struct {
		change *Change
		to     Instant
	}
	windows := make(map[string][]window)
	for who, changes := range committed(h) {
		for i, c := range changes {
			if !c.Grant {
				windows[who] = append(windows[who], window{c, granted(changes[i+1:])})
			}
		}
	}
	for i := range h.Passages {
		passage := &h.Passages[i]
		for _, w := range windows[passage.Who] {
			c := w.change
			if passage.Came <= c.Committed || passage.Came >= w.to {
				continue
			}
			f := row(c.Schedule)
			f.Passed, f.AfterChange = true, max(f.AfterChange, passage.Came-c.Committed)
			if (c.Said == Done || c.Said == Bounded) && !c.lately() {
				f.AfterAnswer = max(f.AfterAnswer, passage.Came-c.Ended)
			}
			break
		}
	}
}

// silences finds the longest time between two messages of a socket that
// nothing should have silenced but a hold.
func silences(h *History, row func(string) *Figures) {
	type line struct {
		place
		up bool
	}
	last := make(map[line]Instant)
	revoked := committed(h)
	for i := range h.Passages {
		passage := &h.Passages[i]
		if !passage.Socket {
			continue
		}
		key := line{place{passage.Who, passage.Replica}, passage.Up}
		before, known := last[key]
		last[key] = passage.Came
		gap := passage.Came - before
		f := during(h.Recoveries, passage.Came)
		if !known || f == "" || gap <= row(f).Held || disturbed(h, passage.Replica, before, passage.Came) || taken(revoked[passage.Who], before, passage.Came) {
			continue
		}
		row(f).Held = gap
	}
}

// taken reports whether somebody had no access at some time between from and
// to, or was just given it again.
func taken(changes []*Change, from, to Instant) bool {
	return slices.ContainsFunc(changes, func(c *Change) bool {
		return !c.Grant && c.Sent < to && c.Ended > from || c.Grant && c.Sent < to && max(c.Ended, c.Committed)+time.Second > from
	})
}

// during returns the schedule that ran at a time: the first that was over
// after it.
func during(recoveries []Recovery, at Instant) string {
	i, _ := slices.BinarySearchFunc(recoveries, at, func(r Recovery, at Instant) int { return cmp.Compare(r.Ended+r.Took, at) })
	if i == len(recoveries) {
		return ""
	}
	return recoveries[i].Schedule
}
