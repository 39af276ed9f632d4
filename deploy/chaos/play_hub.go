package main

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/fault"
	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/history"
	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/stub"
)

// lateCommit: the Hub does what it was asked for 10 s later: after it has failed,
// before it answers, after the replica that asked has died.
func lateCommit(ctx context.Context, s *stage) {
	late := 10 * time.Second
	var calls sync.WaitGroup
	call := func(name string, replica int, m stub.Manner) {
		calls.Go(func() { s.change(ctx, change{who: name, replica: replica, manner: m}) })
	}
	k := s.some()
	call("dana", k, stub.Manner{Commit: late, Answer: 200 * time.Millisecond, Status: http.StatusInternalServerError})
	call("erin", s.some(), stub.Manner{Commit: late, Answer: late + 50*time.Millisecond})
	call("fred", s.another(k), stub.Manner{Commit: late / 4, Answer: late / 4, Mute: true})
	call(ghost, s.some(), stub.Manner{Answer: 100 * time.Millisecond, Status: http.StatusBadGateway})
	calls.Wait()
	pause(ctx, 4*s.bound) // it is asked about every Δ
	for _, name := range []string{"dana", "erin", "fred"} {
		s.grant(ctx, name, s.some())
	}
	call("dana", k, stub.Manner{Commit: late / 4, Answer: late / 3})
	s.pause(ctx, 100*time.Millisecond, time.Second)
	s.replicas[k-1].kill()
	calls.Wait()
	_ = s.replicas[k-1].start(ctx) // recover tells if it does not
	pause(ctx, s.guests)
}

// hubSlow: between being held and being cut somebody waits for the Hub, at last
// for longer than the answer to a revocation waits for that.
func hubSlow(ctx context.Context, s *stage) {
	for i := range 4 {
		slow := time.Duration(i) * s.bound / 2
		s.hub.Slow(slow)
		for _, name := range []string{"dana", "erin"} {
			s.again(ctx, name)
			pause(ctx, 2*slow) // until the others' answers are overtaken no more
		}
	}
}

// away lets the Hub feel otherwise for a while.
func (s *stage) away(ctx context.Context, m stub.Mood, d time.Duration) {
	from := s.log.Now()
	s.hub.Feel(m)
	pause(ctx, d)
	s.hub.Feel(stub.Well)
	s.log.Span(history.HubAway, 0, from)
}

// hubAway: for longer than T, without an answer and without a word.
func hubAway(ctx context.Context, s *stage) {
	for _, m := range []stub.Mood{stub.Away, stub.Hanging} {
		s.revoke(ctx, "dana", s.some())
		s.away(ctx, m, s.guests+between(s.rnd, time.Second, 2*time.Second))
		s.again(ctx, "erin")
		s.grant(ctx, "dana", s.some())
	}
}

// bothAway: the Hub and the store.
func bothAway(ctx context.Context, s *stage) {
	for k := range s.replicas {
		s.nodes.set(k+1, fault.Hold)
	}
	s.revoke(ctx, "dana", s.some())
	s.away(ctx, stub.Away, between(s.rnd, 3*time.Second, 5*time.Second))
	s.again(ctx, "erin")
	for k := range s.replicas {
		s.nodes.set(k+1, fault.State{})
	}
	s.grant(ctx, "dana", s.some())
}

// flood: a guest makes watched calls as fast as the machine lets him: some are
// refused, some take his own access, some end sessions that are none. Everybody
// else goes on.
func flood(ctx context.Context, s *stage) {
	flooding, stop := context.WithTimeout(ctx, 6*time.Second)
	defer stop()
	var floods sync.WaitGroup
	for i := range 4 {
		floods.Go(func() { s.pour(flooding, i) })
	}
	for flooding.Err() == nil {
		s.again(ctx, "dana")
		s.again(ctx, "erin")
	}
	floods.Wait()
	since := s.log.Now() - 2*time.Second
	for _, v := range s.visitors {
		if name := v.person.Name; name != "dana" && name != "erin" && !v.wellSince(since) {
			s.log.Breach(history.Breach{Rule: "a flood disturbs nobody", Schedule: s.name(), Who: name, Replica: v.replica.number, At: s.log.Now()})
		}
	}
}

// pour makes one call after the other, of the kind i.
func (s *stage) pour(ctx context.Context, i int) {
	client := &http.Client{
		Timeout: callLimit, Transport: &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for n := 0; ctx.Err() == nil; n++ {
		method, path, body := http.MethodPatch, "/hub/api/shares/"+owner+"/", `{"user":"bob"}`
		switch i % 4 {
		case 1:
			method, path, body = http.MethodDelete, "/hub/api/users/"+flooder+"/shared/"+owner+"/", ""
		case 2:
			method, path, body = http.MethodGet, "/hub/logout", ""
		case 3:
			method, body = http.MethodDelete, ""
		}
		req, err := http.NewRequestWithContext(ctx, method, "http://"+s.replicas[n%len(s.replicas)].public()+path, strings.NewReader(body))
		if err != nil {
			panic(err) // the address is ours
		}
		req.Header.Set("Authorization", "token "+person(flooder).Token)
		req.Header.Set("Cookie", "jupyterhub-session-id=made-up-"+strconv.Itoa(n))
		if res, err := client.Do(req); err == nil {
			_ = res.Body.Close()
		}
	}
}
