package ledger

import "testing"

// TestWhatTheLogHasLostWasNotWrittenHere: only what was is true of a record
// whatever the log says.
func TestWhatTheLogHasLostWasNotWrittenHere(t *testing.T) {
	kept := make(map[string]Record)
	rs := newRecords(func(r Record) { kept[r.Name] = r })
	rs.apply(&change{Kind: "route", Name: "/lost", Value: []byte("1")}, 1, 0, false)
	rs.write(recordKey{"route", "/here"}, unshared{value: []byte("2"), after: 1, order: 1})
	rs.rebase(map[recordKey]record{}, 0, 0, everything)
	for name, want := range map[string]bool{"/lost": false, "/here": true} {
		if r := kept[name]; r.Value == nil || r.Unshared != want {
			t.Errorf("%s is %+v, want unshared %v", name, r, want)
		}
	}
	if changes, _ := rs.toShare(10); len(changes) != 2 {
		t.Errorf("%d records are written to the log, want both", len(changes))
	}
}
