//go:build !linux

package main

import (
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// bootClock returns the monotonic clock of the process. Whether it goes on
// while the machine sleeps is up to the system.
func bootClock() authz.Clock {
	origin := time.Now()
	return func() authz.Instant { return authz.Instant(time.Since(origin)) }
}
