package ledger_test

import (
	"testing"
)

// TestRule8NothingOfAnOldTableComesBack: a replica that was cut off for long has
// missed a history. Routes that it has and nobody else may be to addresses that
// are somebody else's by now.
func TestRule8NothingOfAnOldTableComesBack(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b, d := c.three()
		a.write("/old", "gone soon")
		a.write("/x", "x")
		c.pass(every)
		d.client.BlackHole(true)
		c.pass(2 * bound)
		a.write("/old", "") // the server is stopped
		a.stop()
		b.stop()
		c.store.Wipe()
		a, b = c.start("a"), c.start("b")
		a.write("/x", "x") // the hub repairs
		d.write("/early", "early")
		c.pass(20 * bound)
		d.client.BlackHole(false)
		c.pass(2 * bound)
		want := table{"/x": "x", "/early": "early"}
		for _, r := range []*replica{a, b, d} {
			r.wantTable("when all are back", want)
		}
	})
}
