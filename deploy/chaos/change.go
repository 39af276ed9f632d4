package main

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/history"
	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/stub"
)

// kind is the way in which a call changes access.
type kind uint8

// The kinds. Each puts other decisions in doubt.
const (
	revoke    kind = iota // the owner takes a share
	leave                 // the guest gives it up
	logout                // the guest's session ends
	everybody             // the owner takes all shares of a server
	grant                 // the owner gives a share; and the guest is logged in again
)

// change is a call to the Hub through a replica.
type change struct {
	kind    kind
	who     string
	replica int
	manner  stub.Manner
}

// callLimit is longer than the Hub may take.
const callLimit = 30 * time.Second

// request makes the call.
func (c change) request() (method, path, body string, caller stub.Person) {
	server := owner + "/" + serverOf(c.who)
	shares, about := "/hub/api/shares/"+server, `{"user":"`+c.who+`"}`
	switch c.kind {
	case leave:
		return http.MethodDelete, "/hub/api/users/" + c.who + "/shared/" + server, "", person(c.who)
	case logout:
		return http.MethodGet, "/hub/logout", "", person(c.who)
	case everybody:
		return http.MethodDelete, shares, "", person(owner)
	case grant:
		return http.MethodPost, shares, about, person(owner)
	default:
		return http.MethodPatch, shares, about, person(owner)
	}
}

// change makes a change and returns what became of it.
func (w *world) change(ctx context.Context, c change) (done history.Change) {
	method, path, body, caller := c.request()
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+w.replicas[c.replica-1].public()+path, strings.NewReader(body))
	if err != nil {
		panic(err) // the address is ours
	}
	whom := []string{c.who}
	if c.kind == everybody {
		whom = sharing(c.who)
	}
	id := w.log.Begin(history.Change{Schedule: w.name(), Grant: c.kind == grant, Replica: c.replica, Sent: w.log.Now()}, whom...)
	req.Header.Set("Authorization", "token "+caller.Token)
	req.Header.Set("Cookie", "jupyterhub-session-id="+caller.Session)
	req.Header.Set(stub.FieldChange, strconv.Itoa(id))
	req.Header.Set(stub.FieldManner, c.manner.String())
	status, said := call(req)
	w.log.Edit(id, func(c *history.Change) {
		c.Ended, c.Status, c.Said = w.log.Now(), status, said
		done = *c
	})
	return done
}

// sharing returns the guests of the server of one of them.
func sharing(who string) (whom []string) {
	for _, name := range guests {
		if serverOf(name) == serverOf(who) {
			whom = append(whom, name)
		}
	}
	return whom
}

// call sends one call over a connection of its own, so that nothing repeats it.
func call(req *http.Request) (status int, said history.Said) {
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return 0, history.Nothing
	}
	_, _ = io.Copy(io.Discard, res.Body) // only the head counts
	_ = res.Body.Close()
	word, _, _ := strings.Cut(strings.ReplaceAll(res.Header.Get("Share-Proxy-Cut"), "=", ";"), ";")
	return res.StatusCode, map[string]history.Said{
		"done": history.Done, "bounded": history.Bounded, "within": history.Within,
	}[word]
}

// hurried is how a Hub that is well does a call: the change and the answer apart,
// so that there is something between them.
func hurried(rnd *rand.Rand) stub.Manner {
	commit := between(rnd, 0, 20*time.Millisecond)
	return stub.Manner{Commit: commit, Answer: commit + between(rnd, 0, 30*time.Millisecond)}
}

// stage is where a schedule plays.
type stage struct {
	*world
	rnd *rand.Rand // of one goroutine
}

// some returns a number of a replica.
func (s *stage) some() int { return 1 + s.rnd.IntN(len(s.replicas)) }

// another returns one of another replica.
func (s *stage) another(k int) int {
	return 1 + (k-1+1+s.rnd.IntN(len(s.replicas)-1))%len(s.replicas)
}

// revoke takes somebody's access, in one way or another.
func (s *stage) revoke(ctx context.Context, name string, replica int) {
	ways := []kind{revoke, revoke, leave, logout} // of a revocation most is promised
	s.change(ctx, change{kind: ways[s.rnd.IntN(len(ways))], who: name, replica: replica, manner: hurried(s.rnd)})
}

// grant gives access, through one replica after the other until the Hub has it.
func (s *stage) grant(ctx context.Context, name string, replica int) {
	for ctx.Err() == nil {
		s.change(ctx, change{kind: grant, who: name, replica: replica, manner: hurried(s.rnd)})
		if s.hub.Welcome(name) {
			return
		}
		replica = s.another(replica)
		pause(ctx, retry)
	}
}

// again revokes somebody through one replica and grants through another.
func (s *stage) again(ctx context.Context, name string) {
	s.revoke(ctx, name, s.some())
	s.pause(ctx, 50*time.Millisecond, 500*time.Millisecond)
	s.grant(ctx, name, s.some())
}

// revolve does that all the time.
func (s *stage) revolve(ctx context.Context, names ...string) {
	for ctx.Err() == nil {
		s.again(ctx, names[s.rnd.IntN(len(names))])
		s.pause(ctx, 200*time.Millisecond, 900*time.Millisecond)
	}
}

// pause waits for a time between two.
func (s *stage) pause(ctx context.Context, from, to time.Duration) {
	pause(ctx, between(s.rnd, from, to))
}

// between returns a time between two.
func between(rnd *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(rnd.Int64N(int64(to-from)))
}
