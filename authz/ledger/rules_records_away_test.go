package ledger_test

import "testing"

// TestRule8WhileAway: a replica that is cut off accepts writes. What becomes of
// them depends on what the others did meanwhile.
func TestRule8WhileAway(t *testing.T) {
	for name, test := range map[string]struct {
		here, there func(r *replica)
		away, back  table // at the one that was cut off, then at all
	}{
		"elsewhere nothing happened": {
			here: func(r *replica) { r.write("/x", "here"); r.write("/new", "new") },
			away: table{"/x": "here (unshared)", "/new": "new (unshared)", "/y": "y"},
			back: table{"/x": "here", "/new": "new", "/y": "y"},
		},
		"elsewhere another record was written": {
			here:  func(r *replica) { r.write("/x", "here") },
			there: func(r *replica) { r.write("/y", "there") },
			away:  table{"/x": "here (unshared)", "/y": "y"},
			back:  table{"/x": "here", "/y": "there"},
		},
		"nobody knows which write was later": {
			here:  func(r *replica) { r.write("/x", "here") },
			there: func(r *replica) { r.write("/x", "there") },
			away:  table{"/x": "here (unshared)", "/y": "y"},
			back:  table{"/y": "y"},
		},
		"nobody knows which write was later, twice": {
			here:  func(r *replica) { r.write("/x", "here"); r.write("/x", "here again") },
			there: func(r *replica) { r.write("/x", "there"); r.write("/x", "there again") },
			away:  table{"/x": "here again (unshared)", "/y": "y"},
			back:  table{"/y": "y"},
		},
		"both wrote the same": {
			here:  func(r *replica) { r.write("/x", "same") },
			there: func(r *replica) { r.write("/x", "same") },
			away:  table{"/x": "same (unshared)", "/y": "y"},
			back:  table{"/x": "same", "/y": "y"},
		},
		"removed here": {
			here: func(r *replica) { r.write("/x", "") },
			away: table{"/y": "y"},
			back: table{"/y": "y"},
		},
		"removed elsewhere": {
			there: func(r *replica) { r.write("/x", "") },
			away:  table{"/x": "x", "/y": "y"},
			back:  table{"/y": "y"},
		},
		"removed on both sides": {
			here:  func(r *replica) { r.write("/x", "") },
			there: func(r *replica) { r.write("/x", "") },
			away:  table{"/y": "y"},
			back:  table{"/y": "y"},
		},
		"removed here and written there": {
			here:  func(r *replica) { r.write("/x", "") },
			there: func(r *replica) { r.write("/x", "there") },
			away:  table{"/y": "y"},
			back:  table{"/y": "y"},
		},
		"written here and removed there": {
			here:  func(r *replica) { r.write("/x", "here") },
			there: func(r *replica) { r.write("/x", "") },
			away:  table{"/x": "here (unshared)", "/y": "y"},
			back:  table{"/y": "y"},
		},
		"removed and written again here": {
			here: func(r *replica) { r.write("/x", ""); r.write("/x", "x") },
			away: table{"/x": "x (unshared)", "/y": "y"},
			back: table{"/x": "x", "/y": "y"},
		},
		"made and removed here": {
			here: func(r *replica) { r.write("/new", "new"); r.write("/new", "") },
			away: table{"/x": "x", "/y": "y"},
			back: table{"/x": "x", "/y": "y"},
		},
		"made there and removed here": {
			here:  func(r *replica) { r.write("/new", "") },
			there: func(r *replica) { r.write("/new", "new") },
			away:  table{"/x": "x", "/y": "y"},
			back:  table{"/x": "x", "/y": "y"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			rule(t, func(t *testing.T, c *cluster) {
				a, b, d := c.three()
				a.write("/x", "x")
				a.write("/y", "y")
				b.client.BlackHole(true)
				c.pass(2 * bound)
				if test.here != nil {
					test.here(b)
				}
				if test.there != nil {
					test.there(a)
				}
				b.wantTable("while away", test.away)
				b.client.BlackHole(false)
				c.pass(bound)
				for _, r := range []*replica{a, b, d} {
					r.wantTable("when it is back", test.back)
				}
				if n := b.Status().Unshared; n != 0 {
					t.Errorf("%d records are unshared", n)
				}
				c.start("d").wantTable("to a newcomer", test.back)
			})
		})
	}
}
