package authz

import (
	"sync"
	"time"
)

// maxSubjects bounds the subjects that are remembered apart within a horizon.
// Strangers can cause entries (anybody may call the Hub's logout), so it is
// more than a Hub can answer in that time. Beyond it, what was asked before is
// doubted as a whole, which costs questions.
const maxSubjects = 65536

// Generations remembers, per subject, the last ledger entry that touched it.
// The zero Generations is ready and forgets only by number; it is safe for
// concurrent use.
type Generations struct {
	// Horizon is the age beyond which no answer is used whatever happens, on
	// Clock: what was touched longer ago is forgotten. Not changed in use.
	Horizon time.Duration
	Clock   Clock

	mu      sync.RWMutex
	recent  map[Subject]Seq // since began
	earlier map[Subject]Seq // in the horizon before that
	guests  Seq             // of AboutEveryGuest, which nearly all depend on
	began   Instant
	edge    Seq // the last touch in earlier
	last    Seq // of all touches
	floor   Seq // answers asked before it are doubted whatever they are about
}

// Touch records that the entry at seq changed the subjects: from now on no
// answer that concerns one of them and was asked before seq is current.
func (g *Generations) Touch(seq Seq, subjects ...Subject) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turn()
	g.last = max(g.last, seq)
	for _, s := range subjects {
		switch s.Kind {
		case AboutEveryone:
			g.floor = max(g.floor, seq)
		case AboutEveryGuest:
			g.guests = max(g.guests, seq)
		default:
			g.recent[s] = max(g.recent[s], seq)
		}
	}
}

// turn begins a new map when the recent one is a horizon old, or full. What
// the one before held is forgotten: answers from before that are too old, or
// are doubted. The caller holds mu.
func (g *Generations) turn() {
	old := g.Clock != nil && g.Clock().Sub(g.began) > g.Horizon
	if g.recent != nil && !old && len(g.recent) < maxSubjects {
		return
	}
	g.floor, g.edge = max(g.floor, g.edge), g.last
	g.earlier, g.recent = g.recent, make(map[Subject]Seq)
	if g.Clock != nil {
		g.began = g.Clock()
	}
}

// Current reports whether no entry that concerns d was applied since its
// answer was asked for. A decision without an answer is always current.
func (g *Generations) Current(d *Decision) bool {
	if d.Answer == nil {
		return true
	}
	asked := d.Answer.Seq
	g.mu.RLock()
	defer g.mu.RUnlock()
	if asked >= g.last {
		return true // the usual case: nothing happened since
	}
	if asked < g.floor {
		return false
	}
	current := true
	d.Subjects(func(s Subject) bool {
		current = g.touched(s) <= asked
		return current
	})
	return current
}

// touched returns the last entry about s. The caller holds mu.
func (g *Generations) touched(s Subject) Seq {
	if s.Kind == AboutEveryGuest {
		return g.guests
	}
	return max(g.recent[s], g.earlier[s])
}
