package main

import (
	"context"
	"sync"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/fault"
	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/stub"
)

// anything lets faults of the store, of the replicas and of the Hub happen at
// once, each for a while, as the seed has it.
func anything(ctx context.Context, s *stage) {
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	var all sync.WaitGroup
	for _, breaks := range []func(context.Context, *stage){breakStore, breakLinks, breakReplica, breakHub} {
		own := &stage{s.world, fork(s.rnd)}
		all.Go(func() {
			for ctx.Err() == nil {
				own.pause(ctx, 0, 3*time.Second)
				breaks(ctx, own)
			}
		})
	}
	for ctx.Err() == nil {
		s.again(ctx, "dana")
		s.again(ctx, "erin")
	}
	all.Wait()
}

// breakStore stops or kills a data node, or cuts it off from the others.
func breakStore(ctx context.Context, s *stage) {
	i := s.rnd.IntN(size)
	node, link := s.nodes.data[i], s.nodes.among[i]
	switch s.rnd.IntN(3) {
	case 0:
		node.pause()
		s.pause(ctx, 100*time.Millisecond, 2*time.Second)
		node.resume()
	case 1:
		node.kill()
		s.pause(ctx, 0, time.Second)
		_ = node.start() // heal tries again
	case 2:
		link.Set(fault.Hold)
		s.pause(ctx, 100*time.Millisecond, 3*time.Second)
		link.Set(fault.State{})
	}
}

// breakLinks cuts one replica off from the store, in one way or another.
func breakLinks(ctx context.Context, s *stage) {
	k := s.some()
	states := []fault.State{fault.Hold, {HoldUp: true}, {HoldDown: true}, {Cut: true}}
	s.nodes.set(k, states[s.rnd.IntN(len(states))])
	s.pause(ctx, 100*time.Millisecond, 2*time.Second)
	s.nodes.set(k, fault.State{})
}

// breakReplica stops a replica, or ends it and starts it again.
func breakReplica(ctx context.Context, s *stage) {
	r := s.replicas[s.some()-1]
	switch s.rnd.IntN(3) {
	case 0:
		r.pauseFor(ctx, between(s.rnd, 50*time.Millisecond, 2*time.Second))
		return
	case 1:
		r.end()
	case 2:
		r.kill()
	}
	_ = r.start(s.life) // heal tries again
}

// breakHub lets the Hub be away for less than T.
func breakHub(ctx context.Context, s *stage) {
	s.away(ctx, []stub.Mood{stub.Away, stub.Hanging}[s.rnd.IntN(2)], between(s.rnd, 50*time.Millisecond, time.Second))
	s.pause(ctx, 2*time.Second, 4*time.Second)
}
