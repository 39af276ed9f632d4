package route

import (
	"sync/atomic"
	"time"
)

// A life is shared by a route and the equal ones that replace it.
type life struct {
	over     atomic.Bool
	activity atomic.Int64 // Unix milliseconds, the precision of the route API
	told     atomic.Int64 // the activity that other replicas know
	vouched  vouched
}

// newLife begins a life with a post at that time. Whoever has the route knows
// the time, so it needs not be told.
func newLife(at time.Time) *life {
	l := new(life)
	l.activity.Store(at.UnixMilli())
	l.told.Store(at.UnixMilli())
	return l
}

// Ended reports whether the route was removed, or replaced by one with another
// target, server or class. One that was posted again as it was has not ended.
func (r *Route) Ended() bool { return r.life.over.Load() }

// Life identifies the lifetime: routes that only replaced each other with the
// same target and server have the same, and nothing else does. Comparable.
func (r *Route) Life() any { return r.life }

// Touch records activity. Of several times the latest counts.
func (r *Route) Touch(at time.Time) { raise(&r.life.activity, at.UnixMilli()) }

// raise makes v at least ms.
func raise(v *atomic.Int64, ms int64) {
	for {
		last := v.Load()
		if ms <= last || v.CompareAndSwap(last, ms) {
			return
		}
	}
}

// LastActivity returns the time of the last Touch, or of the last post if that
// was later; in UTC, to the millisecond.
func (r *Route) LastActivity() time.Time {
	return time.UnixMilli(r.life.activity.Load()).UTC()
}

// succeed makes r go on with the life of the route that it replaces, if both
// lead to the same server; else it ends that life. The activity never goes
// back: a record that is read once more brings the time of an old post.
func (r *Route) succeed(old *Route) {
	if old.life == r.life {
		return
	}
	if old.TargetText != r.TargetText || old.Server != r.Server || old.Class != r.Class {
		old.life.over.Store(true)
		return
	}
	at := r.life.activity.Load()
	raise(&old.life.activity, at)
	raise(&old.life.told, at)
	r.life = old.life
}
