package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/history"
	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/stub"
)

// visitor is a person at one replica, who has a socket open to a server
// and sends requests to it, all the time.
type visitor struct {
	person  stub.Person
	replica *replica
	prefix  string // of the server
	log     *history.Log

	// The latest times at which something was sent that got through: a request
	// that was served, a message to the server, one from it.
	served, up, down atomic.Int64
}

// Times of a visitor.
const (
	// pace is between two requests. Three processes of the proxy and all that
	// is around them share two cores.
	pace = 50 * time.Millisecond
	// retry is between two attempts to open a socket.
	retry = 150 * time.Millisecond
	// patience ends a request: longer than a replica is stopped, shorter than
	// it takes to tell a fault from a slow run.
	patience = 12 * time.Second
)

// visit goes on until ctx ends.
func (v *visitor) visit(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { v.request(ctx) })
	both.Go(func() {
		for ctx.Err() == nil {
			v.talk(ctx)
			pause(ctx, retry)
		}
	})
	both.Wait()
}

// head is what all its requests carry.
func (v *visitor) head() http.Header {
	return http.Header{
		"Authorization":   {"token " + v.person.Token},
		stub.FieldWho:     {v.person.Name},
		stub.FieldReplica: {strconv.Itoa(v.replica.number)},
		stub.FieldLeft:    {stamp(v.log.Now())},
	}
}

func stamp(at history.Instant) string { return strconv.FormatInt(int64(at), 10) }

// later raises a time.
func later(to *atomic.Int64, at history.Instant) {
	if int64(at) > to.Load() {
		to.Store(int64(at)) // one goroutine raises each
	}
}

func (v *visitor) request(ctx context.Context) {
	client := &http.Client{
		Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 1},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for ; ctx.Err() == nil; pause(ctx, pace) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+v.replica.public()+v.prefix+"api/status", nil)
		if err != nil {
			panic(err) // the address is ours
		}
		req.Header = v.head()
		sent := v.log.Now()
		status, left := v.serve(client, req)
		switch {
		case ctx.Err() != nil:
		case status == http.StatusOK:
			v.log.Pass(history.Passage{Who: v.person.Name, Replica: v.replica.number, Left: left, Came: v.log.Now()})
			later(&v.served, sent)
		default:
			v.refused(sent, status, 0)
		}
	}
}

// serve sends a request and returns the status and when the server answered.
func (v *visitor) serve(client *http.Client, req *http.Request) (status int, left history.Instant) {
	res, err := client.Do(req)
	if err != nil {
		return 0, 0
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, 0
	}
	return res.StatusCode, stub.Stamp(string(body))
}

func (v *visitor) refused(sent history.Instant, status, code int) {
	v.log.Refuse(history.Refusal{
		Who: v.person.Name, Owner: v.person.Owner, Replica: v.replica.number,
		Sent: sent, At: v.log.Now(), Status: status, Close: code,
	})
}

// talk keeps a socket open until it ends.
func (v *visitor) talk(ctx context.Context) {
	dial, cancel := context.WithTimeout(ctx, patience)
	sent := v.log.Now()
	socket, status, err := stub.Dial(dial, v.replica.public(), v.prefix+"socket", v.head())
	cancel()
	if err != nil {
		if ctx.Err() == nil {
			v.refused(sent, status, 0)
		}
		return
	}
	defer socket.Close()
	defer context.AfterFunc(ctx, socket.Close)()
	talking, stop := context.WithCancel(ctx)
	var sending sync.WaitGroup
	defer sending.Wait()
	defer stop()
	sending.Go(func() {
		for ; talking.Err() == nil; pause(talking, stub.Tick) {
			if socket.Send(stamp(v.log.Now())) != nil {
				socket.Close()
				return
			}
		}
	})
	for {
		text, code, err := socket.Receive()
		if err != nil {
			if ctx.Err() == nil {
				v.refused(v.log.Now(), 0, code)
			}
			return
		}
		v.hear(text)
	}
}

// hear takes a message: when it was sent, and when the last one was sent that
// had arrived then.
func (v *visitor) hear(text string) {
	var left, arrived int64
	_, _ = fmt.Sscan(text, &left, &arrived) // nothing else is sent
	v.log.Pass(history.Passage{
		Who: v.person.Name, Replica: v.replica.number, Socket: true,
		Left: history.Instant(left), Came: v.log.Now(),
	})
	later(&v.down, history.Instant(left))
	later(&v.up, history.Instant(arrived))
}

// wellSince reports whether requests, and messages both ways, that were sent
// after a moment got through.
func (v *visitor) wellSince(at history.Instant) bool {
	return v.served.Load() > int64(at) && v.up.Load() > int64(at) && v.down.Load() > int64(at)
}
