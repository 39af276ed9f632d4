package main

import (
	"context"
	"errors"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/fault"
	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/history"
)

// promoted waits until the Sentinels have another primary.
func (s *stage) promoted(ctx context.Context, old int) {
	_ = until(ctx, 10*time.Second, func() error { // recover tells if it is never
		if now := s.nodes.primary(); now >= 0 && now != old {
			return nil
		}
		return errors.New("no failover yet")
	})
}

// oldPrimary: a primary is cut off from all but one replica of the proxy, which
// hears of no other; the others get a new one. What each of the two sides
// revokes must end on both, also when all see both.
func oldPrimary(ctx context.Context, s *stage) {
	old, k := max(0, s.nodes.primary()), s.some()
	for j := range s.replicas {
		if j+1 != k {
			s.nodes.links[j][old].Set(fault.Hold)
		}
	}
	for _, l := range s.nodes.watching[k-1] {
		l.Set(fault.Hold)
	}
	s.nodes.among[old].Set(fault.Hold)
	s.again(ctx, "dana")
	s.revoke(ctx, "erin", k)
	s.promoted(ctx, old)
	s.grant(ctx, "erin", s.another(k))
	for range 3 {
		s.revoke(ctx, "dana", s.another(k))
		s.revoke(ctx, "erin", k)
		s.pause(ctx, 100*time.Millisecond, time.Second)
		s.grant(ctx, "dana", k)
		s.grant(ctx, "erin", s.another(k))
	}
	s.nodes.among[old].Set(fault.State{})
	for j := range s.replicas {
		s.nodes.set(j+1, fault.State{})
	}
	for range 3 {
		s.again(ctx, "dana")
		s.again(ctx, "erin")
	}
}

// lostWrite: a revocation is confirmed by a majority, which then fails; a node
// without it becomes the primary and takes new entries at the same numbers.
func lostWrite(ctx context.Context, s *stage) {
	old := max(0, s.nodes.primary())
	with, without := s.nodes.data[(old+1)%size], s.nodes.data[(old+2)%size]
	s.again(ctx, "erin") // what is known of her is young
	without.pause()
	s.revoke(ctx, "dana", s.some())
	s.unseen(ctx, func(int) {
		with.pause()
		s.nodes.data[old].kill()
		without.resume()
		s.promoted(ctx, old)
		_ = s.nodes.data[old].start() // heal tries again
		s.nodes.follow()              // a majority again, in which nobody knows
	})
	s.hidden(ctx)
}

// unconfirmedWrite: a primary without its replicas takes a revocation, and dies.
func unconfirmedWrite(ctx context.Context, s *stage) {
	old := max(0, s.nodes.primary())
	s.again(ctx, "erin")
	s.nodes.among[old].Set(fault.Hold)
	s.revoke(ctx, "dana", s.some())
	s.unseen(ctx, func(int) {
		s.nodes.data[old].kill()
		s.nodes.among[old].Set(fault.State{})
		s.promoted(ctx, old)
	})
	s.hidden(ctx)
}

// unseen stops a replica of the proxy while a history is lost and erin is
// revoked in the next one.
func (s *stage) unseen(ctx context.Context, lose func(stopped int)) {
	k, from := s.some(), s.log.Now()
	s.replicas[k-1].pause()
	lose(k)
	s.revoke(ctx, "erin", s.another(k))
	s.replicas[k-1].resume()
	s.log.Span(history.ReplicaPaused, k, from)
	s.pause(ctx, time.Second, 2*time.Second)
	s.grant(ctx, "erin", k)
}

// hidden writes new entries where old ones were lost.
func (s *stage) hidden(ctx context.Context) {
	for range 3 {
		s.again(ctx, "erin")
	}
	s.pause(ctx, 100*time.Millisecond, time.Second)
}

// primaryKilled: the Sentinels promote another one.
func primaryKilled(ctx context.Context, s *stage) {
	old := max(0, s.nodes.primary())
	s.nodes.data[old].kill()
	s.revoke(ctx, "dana", s.some())
	s.promoted(ctx, old)
	s.again(ctx, "erin")
	s.grant(ctx, "dana", s.some())
}

// restartedEmpty: the primary is back before anybody notices, and its replicas
// become as empty as it is; later all are killed.
func restartedEmpty(ctx context.Context, s *stage) {
	empty := func(via int, nodes ...int) {
		for _, i := range nodes {
			s.nodes.data[i].kill()
		}
		s.revoke(ctx, "dana", via)
		for _, i := range nodes {
			_ = s.nodes.data[i].start() // heal tries again
		}
	}
	s.again(ctx, "erin")
	s.unseen(ctx, func(stopped int) {
		empty(s.another(stopped), max(0, s.nodes.primary()))
		pause(ctx, s.bound) // until there is a log again
	})
	s.grant(ctx, "dana", s.some())
	empty(s.some(), 0, 1, 2)
	s.again(ctx, "erin")
	s.pause(ctx, time.Second, 2*time.Second)
}

// frozen: all nodes are stopped and continued; what was sent meanwhile is done
// then.
func frozen(ctx context.Context, s *stage) {
	for _, p := range s.nodes.data {
		p.pause()
	}
	s.revoke(ctx, "dana", s.some())
	s.pause(ctx, 500*time.Millisecond, 3*time.Second)
	s.again(ctx, "erin")
	for _, p := range s.nodes.data {
		p.resume()
	}
	s.grant(ctx, "dana", s.some())
	s.again(ctx, "erin")
}

// blackHole: nobody reaches the store; or all do, and hear nothing.
func blackHole(ctx context.Context, s *stage) {
	for _, state := range []fault.State{fault.Hold, {HoldDown: true}, {HoldUp: true}} {
		for k := range s.replicas {
			s.nodes.set(k+1, state)
		}
		s.revoke(ctx, "dana", s.some())
		s.pause(ctx, 500*time.Millisecond, 1500*time.Millisecond)
		s.again(ctx, "erin")
		for k := range s.replicas {
			s.nodes.set(k+1, fault.State{})
		}
		s.grant(ctx, "dana", s.some())
		s.again(ctx, "erin")
	}
}

// cutOff: one replica does not reach the store, in each way that there is.
func cutOff(ctx context.Context, s *stage) {
	for _, state := range []fault.State{fault.Hold, {Cut: true}, {HoldDown: true}} {
		k := s.some()
		s.nodes.set(k, state)
		s.revoke(ctx, "dana", s.another(k))
		s.revoke(ctx, "erin", k)
		s.pause(ctx, 100*time.Millisecond, 700*time.Millisecond)
		s.grant(ctx, "dana", k)
		s.grant(ctx, "erin", s.another(k))
		s.pause(ctx, 100*time.Millisecond, 700*time.Millisecond)
		s.revoke(ctx, "dana", s.another(k))
		s.nodes.set(k, fault.State{})
		s.again(ctx, "erin")
		s.grant(ctx, "dana", s.some())
	}
}
