package ledger_test

import (
	"testing"
	"time"
)

// TestRule8ALongBoundDoesNotKeepTheHubWaiting: Δ may be a minute, and the Hub gives
// up on a route after 10 s, and on the server with it.
func TestRule8ALongBoundDoesNotKeepTheHubWaiting(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		c.bound = time.Minute
		a, b := c.start("a"), c.start("b")
		c.pass(time.Minute)
		for what, away := range map[string]*replica{"another replica is silent": b, "the store is away": a} {
			away.client.BlackHole(true)
			began := a.clock()
			a.write("/x", what)
			if took := a.clock().Sub(began); took > 5*time.Second {
				t.Errorf("written after %v while %s", took, what)
			}
			away.client.BlackHole(false)
			c.pass(3 * time.Minute)
		}
	})
}
