package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

const page = "/user/alice/page"

func (w *world) shares(k int) string {
	return "http://" + w.replicas[k].public + "/hub/api/shares/alice/"
}

// revoke takes access away through the first replica while the guest asks all the time at the second.
func revoke(ctx context.Context, w *world, rounds int) error {
	if err := w.startAll(ctx, 3); err != nil {
		return err
	}
	var answers, refusals []time.Duration
	late := 0
	for range rounds {
		if err := w.expect(ctx, http.MethodPost, w.shares(0), "alice", `{"user": "bob"}`, http.StatusOK); err != nil {
			return err
		}
		answer, refused, served, err := w.revokeOnce(ctx)
		if err != nil {
			return err
		}
		changed := w.hub.changed()
		answers, refusals = append(answers, answer.Sub(changed)), append(refusals, refused.Sub(changed))
		if served.After(answer) {
			late++
		}
	}
	times("revoke through replica 1: the hub has done it, to the caller's answer (all 3 hold)", answers)
	times("revoke through replica 1: the hub has done it, to the guest refused on replica 2", refusals)
	line("requests of the guest sent after the caller's answer and served", "%d", late)
	return nil
}

// revokeOnce returns when the caller had the answer, when the guest was first refused, and when the last request was sent that was
// served.
func (w *world) revokeOnce(ctx context.Context) (answer, refused, served time.Time, err error) {
	ready := make(chan struct{})
	var once sync.Once
	var guest error
	var running sync.WaitGroup
	running.Go(func() {
		defer once.Do(func() { close(ready) })
		for {
			sent := time.Now()
			status, err := w.call(ctx, http.MethodGet, "http://"+w.replicas[1].public+page, "bob", "")
			switch {
			case ctx.Err() != nil:
				guest = ctx.Err()
				return
			case err != nil, status == http.StatusForbidden: // what was on its way is broken off
				refused = time.Now()
				return
			case status != http.StatusOK:
				guest = fmt.Errorf("the guest got %d", status)
				return
			}
			served = sent
			once.Do(func() { close(ready) })
		}
	})
	<-ready
	err = w.expect(ctx, http.MethodPatch, w.shares(0), "alice", `{"user": "bob"}`, http.StatusOK)
	answer = time.Now()
	running.Wait()
	if err == nil {
		err = guest
	}
	return answer, refused, served, err
}

// everybody takes the access of 200 guests with ten sockets each away by one call.
func everybody(ctx context.Context, w *world, _ int) error {
	const guests, each = 200, 10
	if err := w.startAll(ctx, 3); err != nil {
		return err
	}
	var answers, passed []time.Duration
	var last atomic.Int64 // when the youngest message was sent that a guest received
	late := 0
	for range 5 {
		names := make([]string, guests)
		for g := range names {
			names[g] = fmt.Sprintf("guest-%d", g)
		}
		body := fmt.Sprintf(`{"user": %q}`, strings.Join(names, ","))
		if err := w.expect(ctx, http.MethodPost, w.shares(0), "alice", body, http.StatusOK); err != nil {
			return err
		}
		last.Store(0)
		sockets, err := w.openSockets(ctx, names, each, &last)
		if err != nil {
			return err
		}
		time.Sleep(time.Second) // the load of opening is over
		if err := w.expect(ctx, http.MethodDelete, w.shares(0), "alice", "", http.StatusNoContent); err != nil {
			return err
		}
		answer := time.Now()
		sockets.Wait() // they are closed when the grace is over
		// The server sends 2,000 messages a second to them all: the youngest that arrived tells when the last was held.
		passed = append(passed, max(0, time.Unix(0, last.Load()).Sub(w.hub.changed())))
		answers = append(answers, answer.Sub(w.hub.changed()))
		if time.Unix(0, last.Load()).After(answer) {
			late++
		}
	}
	times(fmt.Sprintf("%d sockets of %d guests on 3 replicas: the hub has done it, to the last message that passes", guests*each, guests), passed)
	times("the same, to the caller's answer (all 3 have confirmed)", answers)
	line("rounds in which a message passed that was sent after the caller's answer", "%d", late)
	return nil
}

// openSockets opens the sockets of the guests, spread over the replicas, and returns what waits for their ends.
func (w *world) openSockets(ctx context.Context, names []string, each int, last *atomic.Int64) (*sync.WaitGroup, error) {
	var open sync.WaitGroup
	for g, name := range names {
		for n := range each {
			conn, _, err := websocket.Dial(ctx, "ws://"+w.replicas[(g+n)%len(w.replicas)].public+"/user/alice/socket", &websocket.DialOptions{
				HTTPHeader: http.Header{"Authorization": {"token " + name}}, CompressionMode: websocket.CompressionDisabled,
			})
			if err != nil {
				return &open, fmt.Errorf("socket %d of %s: %w", n, name, err)
			}
			open.Go(func() {
				defer conn.CloseNow()
				for {
					_, message, err := conn.Read(ctx)
					if err != nil {
						return
					}
					sent, _ := strconv.ParseInt(string(message), 10, 64)
					for old := last.Load(); sent > old && !last.CompareAndSwap(old, sent); old = last.Load() {
					}
				}
			})
		}
	}
	return &open, nil
}
