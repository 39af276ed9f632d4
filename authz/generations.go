package authz

import "sync"

// maxSubjects bounds the subjects that are remembered apart. A hub with more
// changes than this within the age of an answer pays with questions: what was
// asked before is then doubted as a whole.
const maxSubjects = 16384

// Generations remembers, per subject, the last ledger entry that touched it.
// The zero Generations is ready; it is safe for concurrent use.
type Generations struct {
	mu      sync.RWMutex
	touched map[Subject]Seq
	last    Seq // of all touches
	floor   Seq // answers asked before it are doubted whatever they are about
}

// Touch records that the entry at seq changed the subjects: from now on no
// answer that concerns one of them and was asked before seq is current.
func (g *Generations) Touch(seq Seq, subjects ...Subject) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = max(g.last, seq)
	if g.touched == nil {
		g.touched = make(map[Subject]Seq)
	}
	for _, s := range subjects {
		g.touched[s] = max(g.touched[s], seq)
	}
	if len(g.touched) > maxSubjects {
		g.floor = g.last
		clear(g.touched)
	}
}

// Forget doubts every answer asked before seq: another history of the ledger,
// or a gap in it.
func (g *Generations) Forget(seq Seq) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last, g.floor = max(g.last, seq), max(g.floor, seq)
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
		current = g.touched[s] <= asked
		return current
	})
	return current
}
