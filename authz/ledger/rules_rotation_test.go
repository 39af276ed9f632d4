package ledger_test

import "testing"

// TestRule7TheKeyIsChanged: as docs/operations.md says, one process after the
// other. What was written with the first key can be read with the last.
func TestRule7TheKeyIsChanged(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		first, second := []byte("the first"), []byte("the second")
		c.secrets = [][]byte{first}
		a, b := c.two()
		want := table{}
		for _, name := range []string{"/x", "/y", "/z"} {
			want[name] = "of " + name
			a.write(name, want[name])
		}
		a.write("/gone", "gone")
		a.write("/gone", "")
		for _, secrets := range [][][]byte{{first, second}, {second, first}, {second}} {
			c.secrets = secrets
			for _, r := range []**replica{&a, &b} {
				(*r).stop()
				*r = c.start((*r).name)
				c.pass(bound)
				a.wantTable("during the change", want)
				b.wantTable("during the change", want)
			}
		}
		a.revoke(bob).wantState(t, "at the end", 2, 0)
	})
}
