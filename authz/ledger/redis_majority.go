package ledger

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// nodes is how many data nodes there are, the primary among them, and when that
// was last asked. The number only grows: a primary that is cut off sees no
// replicas, and must not count as a majority of one.
type nodes struct {
	// look asks for the number of data nodes, and for the primary on the way. A
	// number of 0 says that it is not certain. nil: there is one node.
	look func(ctx context.Context) (int, error)

	mu      sync.Mutex
	known   int
	asked   time.Time
	looking bool
}

// The times between looks, and how long one may take.
const (
	lookAgain   = 5 * time.Second        // when all is well
	lookAtDoubt = 300 * time.Millisecond // when a call failed
	lookLimit   = time.Second
)

// learn looks now.
func (n *nodes) learn(ctx context.Context) error {
	if n.look == nil {
		return nil
	}
	found, err := n.look(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = time.Now()
	if err == nil {
		n.known = max(n.known, found)
	}
	return err
}

// replicas returns how many replicas of the primary make a majority with it.
// It reports false if that is not known.
func (n *nodes) replicas() (int, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.look == nil {
		return 0, true
	}
	return n.known / 2, n.known > 0
}

// count returns how many data nodes are known.
func (n *nodes) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.known
}

// due reports whether it is time to look again, and takes that on.
func (n *nodes) due(after time.Duration) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.look == nil || n.looking || time.Since(n.asked) < after {
		return false
	}
	n.looking = true
	return true
}

// lookSoon looks in the background, if that was not done a moment ago.
func (r *Redis) lookSoon(ctx context.Context, after time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || !r.nodes.due(after) {
		return
	}
	r.looking.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookLimit)
		defer cancel()
		if err := r.nodes.learn(ctx); err != nil {
			r.log.DebugContext(ctx, "asking for the nodes of the shared log", "error", err)
		}
		r.nodes.mu.Lock()
		r.nodes.looking = false
		r.nodes.mu.Unlock()
	})
}

// doubt is called when a call failed: the primary may be another one.
func (r *Redis) doubt(ctx context.Context) {
	r.reload(ctx)
	r.lookSoon(ctx, lookAtDoubt)
}

// confirmation says whether a script counts only when a majority confirmed it.
type confirmation bool

const (
	unconfirmed confirmation = false
	confirmed   confirmation = true
)

// run runs a script at the primary.
func (r *Redis) run(ctx context.Context, script string, c confirmation, keys []string, args ...any) (any, error) {
	if c == confirmed {
		r.lookSoon(ctx, lookAgain)
	}
	reply, err := r.try(ctx, c, "EVALSHA", r.hashes[script], keys, args)
	if isUnknownScript(err) {
		reply, err = r.try(ctx, c, "EVAL", script, keys, args)
	}
	if err != nil {
		r.doubt(ctx)
	}
	return reply, err
}

func (r *Redis) try(ctx context.Context, c confirmation, verb, script string, keys []string, args []any) (any, error) {
	command := make([]any, 0, 3+len(keys)+len(args))
	command = append(command, verb, script, len(keys))
	for _, key := range keys {
		command = append(command, key)
	}
	command = append(command, args...)
	if c == confirmed {
		return r.confirm(ctx, command)
	}
	return first(r.send(ctx, command))
}

// confirm does a command that writes, and has a majority of the data nodes
// confirm it: WAIT, on the same connection, for so many replicas that they are
// one together with the primary. An old primary that was cut off, and is none
// any more for the others, gets no such confirmation, and two primaries never
// both do.
//
// What is promised then: a majority has the write. What is not: that the node
// which becomes the primary next is one of them. Redis chooses the one that has
// most among those that can be reached.
func (r *Redis) confirm(ctx context.Context, command []any) (any, error) {
	replicas, known := r.nodes.replicas()
	if !known {
		if err := r.nodes.learn(ctx); err != nil {
			return nil, err
		}
		if replicas, known = r.nodes.replicas(); !known {
			return nil, fmt.Errorf("%w: their number is not known", ErrUnconfirmed)
		}
	}
	if replicas == 0 {
		return first(r.send(ctx, command))
	}
	replies, err := r.send(ctx, command, []any{"WAIT", replicas, waitTime(ctx)})
	if err != nil {
		return nil, err
	}
	if n, ok := replies[1].(int64); !ok || n < int64(replicas) {
		return nil, fmt.Errorf("%w: %v of %d replicas", ErrUnconfirmed, replies[1], replicas)
	}
	return replies[0], nil
}

// waitTime is how long replicas may take, in milliseconds: less than the caller
// has, so that he hears how many have confirmed. An idle server looks at its
// clock ten times a second only.
func waitTime(ctx context.Context) int64 {
	left := time.Second
	if deadline, ok := ctx.Deadline(); ok {
		left = time.Until(deadline)
	}
	left = max(left/4, left-120*time.Millisecond)
	return max(1, left.Milliseconds()) // 0 would be for ever
}

// do does one command at the primary.
func (r *Redis) do(ctx context.Context, command ...any) (any, error) {
	reply, err := first(r.send(ctx, command))
	if err != nil {
		r.doubt(ctx)
	}
	return reply, err
}

func first(replies []any, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return replies[0], nil
}
