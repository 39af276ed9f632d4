package main

import (
	"syscall"
	"time"
	"unsafe"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// clockBoottime is CLOCK_BOOTTIME (clock_gettime(2)): it goes on while the
// machine sleeps, as decisions grow old then.
const clockBoottime = 7

// bootClock returns a clock that goes on during sleep.
func bootClock() authz.Clock {
	return func() authz.Instant {
		var ts syscall.Timespec
		_, _, _ = syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockBoottime, uintptr(unsafe.Pointer(&ts)), 0) //nolint:gosec // does not fail: Linux 2.6.39
		return authz.Instant(ts.Sec*int64(time.Second) + ts.Nsec)
	}
}
