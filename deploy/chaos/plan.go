package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/history"
)

// schedule is one story of faults. What it breaks is mended after it, and then
// everything has to be whole again.
type schedule struct {
	name string
	play func(ctx context.Context, s *stage)
	// alone: nobody else is revoked meanwhile. Where changes of a server come
	// faster than the Hub answers, every answer is overtaken.
	alone bool
}

// plan is what is played, in an order of its own for each seed.
func plan(rnd *rand.Rand) []schedule {
	schedules := []schedule{
		{name: "no fault", play: calm},
		{name: "old primary still answers", play: oldPrimary},
		{name: "confirmed write lost", play: lostWrite},
		{name: "unconfirmed write lost", play: unconfirmedWrite},
		{name: "primary killed", play: primaryKilled},
		{name: "redis restarted empty", play: restartedEmpty},
		{name: "redis frozen", play: frozen},
		{name: "redis black-holed", play: blackHole},
		{name: "one replica cut off", play: cutOff},
		{name: "member starts and drains", play: member},
		{name: "member killed", play: killed},
		{name: "member stopped", play: stopped},
		{name: "stopped between asking and storing", play: askingStoring},
		{name: "hub commits late", play: lateCommit},
		{name: "route accepted while cut off", play: lateRoute},
		{name: "flood of watched calls", play: flood, alone: true},
		{name: "hub slow", play: hubSlow, alone: true},
		{name: "hub away", play: hubAway},
		{name: "hub and redis away", play: bothAway},
	}
	rnd.Shuffle(len(schedules), func(i, j int) { schedules[i], schedules[j] = schedules[j], schedules[i] })
	return schedules
}

// run plays one schedule while guests are revoked and granted, mends
// everything, and waits until it is whole.
func (w *world) run(ctx context.Context, sch schedule, rnd *rand.Rand, whole time.Duration, out io.Writer) error {
	began := w.log.Now()
	w.schedule.Store(sch.name)
	background, stop := context.WithCancel(ctx)
	defer stop()
	other := &stage{w, fork(rnd)}
	var revolving sync.WaitGroup
	if !sch.alone {
		revolving.Go(func() { other.revolve(background, "bob", "carl") })
	}
	sch.play(ctx, &stage{w, fork(rnd)})
	stop()
	err := w.heal(ctx)
	revolving.Wait()
	if err = cmp.Or(err, w.recover(ctx, whole)); err != nil {
		return fmt.Errorf("%s: %w", sch.name, err)
	}
	fmt.Fprintf(out, "%6.1fs  %s (%.1fs)\n", w.log.Now().Seconds(), sch.name, (w.log.Now() - began).Seconds())
	return nil
}

// fork makes numbers for another goroutine.
func fork(rnd *rand.Rand) *rand.Rand { return rand.New(rand.NewPCG(rnd.Uint64(), rnd.Uint64())) }

// calm is what everything else is compared with.
func calm(ctx context.Context, s *stage) {
	for range 4 {
		s.again(ctx, "dana")
		s.again(ctx, "erin")
	}
	// Everybody at once, and some again within the grace, in which nothing may pass.
	for i := range 4 {
		name := guests[i%len(guests)]
		s.change(ctx, change{kind: everybody, who: name, replica: s.some(), manner: hurried(s.rnd)})
		s.pause(ctx, 50*time.Millisecond, 250*time.Millisecond)
		for _, name := range sharing(name) {
			s.grant(ctx, name, s.some())
		}
		s.pause(ctx, 300*time.Millisecond, 600*time.Millisecond)
	}
	// What no proxy sees is over after T.
	id := s.log.Begin(history.Change{Schedule: s.name(), Sent: s.log.Now()}, "dana")
	at := s.hub.Unshare("dana")
	s.log.Edit(id, func(c *history.Change) { c.Committed, c.Ended = at, at })
	pause(ctx, s.guests+time.Second)
	s.grant(ctx, "dana", s.some())
}
