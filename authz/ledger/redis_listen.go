package ledger

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// The pauses between attempts to listen.
const (
	firstListenPause = 50 * time.Millisecond
	lastListenPause  = time.Second
)

// Listen implements [Store]. A connection that was silent for four heartbeats is
// replaced, whatever the kernel says of it: the link may be dead, the server
// frozen, or be none any more that anything is published on. Every regular turn
// of this member announces itself, on this connection too.
func (r *Redis) Listen(ctx context.Context, woken func(Wake)) {
	pause := firstListenPause
	for ctx.Err() == nil {
		heard := false
		err := r.receive(ctx, 4*r.heartbeat, func(payload string) {
			heard = true
			woken(parseWake(payload))
		})
		if ctx.Err() != nil {
			return
		}
		if heard {
			pause = firstListenPause
		}
		r.log.DebugContext(ctx, "listening to the shared log ended; listening again", "error", err, "after", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, lastListenPause)
	}
}

// parseWake reads a message: the number of the head, and "acked" if a member
// has applied entries. What is not understood is a reason to look, as every
// message is.
func parseWake(payload string) Wake {
	number, rest, _ := strings.Cut(payload, " ")
	head, _ := strconv.ParseUint(number, 10, 64)
	return Wake{Head: head, Acked: rest == "acked"}
}
