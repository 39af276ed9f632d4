package main

import (
	"context"
	"sync"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/history"
	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/stub"
)

// member: a replica drains while somebody is revoked, and starts while somebody
// is revoked.
func member(ctx context.Context, s *stage) {
	for range 2 {
		s.restart(ctx, (*replica).end)
	}
}

// killed: the same, without a word.
func killed(ctx context.Context, s *stage) {
	for range 2 {
		s.restart(ctx, (*replica).kill)
	}
}

// restart ends a replica and starts it again, while others are revoked through
// the rest.
func (s *stage) restart(ctx context.Context, end func(*replica)) {
	k := s.some()
	var ending sync.WaitGroup
	ending.Go(func() { end(s.replicas[k-1]) })
	for range 2 {
		s.revoke(ctx, "dana", s.another(k))
		s.pause(ctx, 50*time.Millisecond, 300*time.Millisecond)
		s.grant(ctx, "dana", s.another(k))
	}
	ending.Wait()
	s.revoke(ctx, "dana", s.another(k))
	var starting sync.WaitGroup
	starting.Go(func() { _ = s.replicas[k-1].start(ctx) }) // recover tells if it does not
	for range 3 {
		s.revoke(ctx, "erin", s.another(k))
		s.pause(ctx, 10*time.Millisecond, 100*time.Millisecond)
		s.grant(ctx, "erin", s.another(k))
	}
	starting.Wait()
	s.grant(ctx, "dana", k)
	s.again(ctx, "erin")
}

// stopped: a replica is stopped and continued, for shorter and longer than Δ.
func stopped(ctx context.Context, s *stage) {
	for range 4 {
		k := s.some()
		other := &stage{s.world, fork(s.rnd)}
		var stopping sync.WaitGroup
		stopping.Go(func() {
			other.pause(ctx, 10*time.Millisecond, 300*time.Millisecond)
			s.replicas[k-1].pauseFor(ctx, between(other.rnd, 100*time.Millisecond, 2500*time.Millisecond))
		})
		s.revoke(ctx, "dana", s.another(k))
		s.pause(ctx, 10*time.Millisecond, 500*time.Millisecond)
		s.again(ctx, "erin")
		stopping.Wait()
		s.pause(ctx, 10*time.Millisecond, 100*time.Millisecond)
		s.grant(ctx, "dana", k)
	}
}

// askingStoring: a replica is stopped when the Hub has answered its question with
// a yes, and continued when the right has been taken.
func askingStoring(ctx context.Context, s *stage) {
	for range 3 {
		k := s.some()
		s.revoke(ctx, "dana", s.some())
		stop := make(chan history.Instant, 1)
		s.hub.Asked(func(replica int, person stub.Person) {
			if replica != k || person.Name != "dana" || !s.hub.Welcome("dana") {
				return
			}
			s.hub.Asked(nil)
			s.replicas[k-1].pause()
			stop <- s.log.Now()
		})
		s.grant(ctx, "dana", s.another(k))
		select {
		case from := <-stop:
			s.revoke(ctx, "dana", s.another(k))
			s.pause(ctx, 10*time.Millisecond, 2*time.Second)
			s.replicas[k-1].resume()
			s.log.Span(history.ReplicaPaused, k, from)
		case <-time.After(time.Second): // another replica's answer served
		}
		s.hub.Asked(nil)
		s.pause(ctx, 100*time.Millisecond, time.Second)
		s.grant(ctx, "dana", s.some())
	}
}
