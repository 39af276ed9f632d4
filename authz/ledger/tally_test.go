package ledger

import "testing"

// TestATurnOwnsWhatItTells, also if it tells nothing: the store reads it while
// entries are applied and told of, and a map that is written to meanwhile ends
// the process.
func TestATurnOwnsWhatItTells(t *testing.T) {
	r := &Replica{tally: newTally(), wake: make(chan struct{}, 1)}
	for n := range uint64(2) {
		r.tally.about(7, n)
		telling, _ := r.tally.take()
		before := len(telling)
		r.Tell(7, 3, true)
		if len(telling) != before {
			t.Errorf("a turn that told of %d entries tells of %d now", before, len(telling))
		}
	}
}
