package authz

import "time"

// Instant is a reading of a [Clock]: nanoseconds since an origin that is the
// same for the whole process and means nothing outside it.
type Instant int64

// Sub returns the time that passed from earlier to i.
func (i Instant) Sub(earlier Instant) time.Duration { return time.Duration(i - earlier) }

// Add returns the instant d after i.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d) }

// Clock reads a clock that never goes back and goes on while the machine
// sleeps (CLOCK_BOOTTIME): a lease that ran out during a suspend has run out.
// It must be safe for concurrent use.
type Clock func() Instant

// Seq is a position in the ledger. The zero Seq is before every entry.
type Seq uint64
