package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/fault"
	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/history"
)

// lateRoute: a replica that is cut off accepts routes and removes some; others
// do the same meanwhile. A server moves, and nobody new may come to where it
// was. What was written in both ways is gone, never wrong, until the Hub
// repairs it.
func lateRoute(ctx context.Context, s *stage) {
	k := s.some()
	moves, both, gone := s.newcomer(), s.newcomer(), s.newcomer()
	s.must(s.post(s.some(), moves, former))
	s.must(s.post(s.some(), gone, former))
	s.nodes.set(k, fault.Hold)
	s.pause(ctx, 100*time.Millisecond, 2*time.Second)
	s.must(s.post(k, s.newcomer(), former))
	s.must(s.post(s.another(k), s.newcomer(), former))
	s.must(s.post(k, both, former))
	s.must(s.post(s.another(k), both, latter))
	s.must(s.remove(k, gone))
	s.must(s.post(s.another(k), moves, latter))
	s.leave(moves, s.log.Now()+s.bound)
	pause(ctx, s.bound)
	for r := range s.replicas {
		s.stranger(r+1, moves) // visited tells where he came
	}
	s.again(ctx, "dana")
	s.nodes.set(k, fault.State{})
	s.pause(ctx, 3*time.Second, 4*time.Second)
	for _, r := range s.replicas {
		table, err := r.table()
		s.must(err)
		for _, text := range s.differ(table) {
			if text != `route /user/`+both+` to ""` {
				s.must(fmt.Errorf("%s at %s, before the hub's check", text, r.name))
			}
		}
	}
	s.must(s.check(s.some()))
}

// must notes what the Hub never sees: that a call about routes fails, or is
// forgotten.
func (s *stage) must(err error) {
	if err != nil {
		s.log.Breach(history.Breach{Rule: "routes are kept", Schedule: s.name(), Who: "hub", At: s.log.Now(), Detail: err.Error()})
	}
}
