package e2e

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/e2e/rig"
)

// recheck is T for guests, the default of SHARE_PROXY_RECHECK_GUESTS.
const recheck = 5 * time.Second

// Points 4 and 5: what the proxy cannot see is enforced within T; who is granted again within the grace loses nothing.
func TestBounds(t *testing.T) {
	s := newScene(t)
	sub(t, "5", "granted again", func(t *testing.T, ctx context.Context) {
		s.t, s.ctx = t, ctx
		s.grantAgain()
	})
	sub(t, "4", "unseen", func(t *testing.T, ctx context.Context) {
		s.t, s.ctx = t, ctx
		s.unseen()
	})
}

// unseen changes three people's rights at the Hub's internal address at once.
func (s *scene) unseen() {
	setup := func(method, path string, body any) func(v *rig.Visit) error {
		return func(*rig.Visit) error { return s.hub.Setup(s.ctx, method, path, body, nil) }
	}
	ways := []struct {
		name string
		come func(s *scene) *rig.Visit
		fire func(v *rig.Visit) error
	}{
		{"share taken", dora, setup(http.MethodPatch, aliceShares, map[string]any{"user": "dora"})},
		{"role lost with a group", inGroup("team"), setup(http.MethodDelete, "groups/team/users", map[string]any{"users": []string{"gwen"}})},
		{"token deleted", bobAnew, func(v *rig.Visit) error {
			id, err := s.hub.TokenID(s.ctx, v.PageToken)
			if err != nil {
				return err
			}
			return s.hub.Setup(s.ctx, http.MethodDelete, "users/bob/tokens/"+id, nil, nil)
		}},
	}
	closed, served := make([][]float64, len(ways)), make([][]float64, len(ways))
	received := make([][]int, len(ways))
	for range rounds(2) {
		var guests []*guest
		var at []time.Time
		for _, way := range ways {
			guests = append(guests, comeIn(s.t, s.ctx, s.place, way.come(s)))
		}
		for i, way := range ways {
			must(s.t, way.fire(guests[i].visit))
			at = append(at, time.Now())
		}
		for i, g := range guests {
			for _, socket := range g.sockets()[:3] { // the events socket has no traffic, and what is idle passes nothing
				end := at[i].Add(2 * recheck)
				if socket.Wait(time.Until(end)) {
					end, _, _ = socket.End()
				}
				closed[i] = append(closed[i], milliseconds(end.Sub(at[i])))
			}
			last := at[i]
			for _, p := range g.probes {
				if way := ways[i].name; way == "token deleted" && p.name == "API token" {
					continue
				}
				if seen := p.lastServed(); seen.After(last) {
					last = seen
				}
			}
			received[i] = append(received[i], g.emittedAfter(at[i].Add(recheck)))
			served[i] = append(served[i], milliseconds(last.Sub(at[i])))
		}
		for _, g := range guests {
			g.leave()
		}
	}
	for i, way := range ways {
		rep.Below(s.t, "4", way.name+" at the Hub's internal address: last request served", milliseconds(recheck), served[i]...)
		rep.Is(s.t, "4", way.name+" at the Hub's internal address: messages received that were emitted after T", 0, received[i]...)
		rep.Below(s.t, "4", way.name+" at the Hub's internal address: sockets closed", milliseconds(recheck+time.Second), closed[i]...)
	}
}

// lastServed returns when the last request was sent that was served.
func (p *probe) lastServed() (last time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, code := range p.code {
		if isServed(code) {
			last = p.sent[i]
		}
	}
	return last
}

// grantAgain revokes everybody and grants bob again 100 ms later.
func (s *scene) grantAgain() {
	t := s.t
	var lost, undelivered, closed, passed, ended []int
	var goesOn []float64
	for range rounds(20) {
		g := comeIn(t, s.ctx, s.place, bobByShare(s))
		revoke, err := s.alice.API(s.ctx, http.MethodDelete, aliceShares, nil)
		must(t, err)
		time.Sleep(time.Until(revoke.Head.Add(100 * time.Millisecond)))
		before := time.Now()
		grant := share(t, s.ctx, s.alice, "", "bob")
		seen := g.kernel.Tape.Count() + g.terminal.Tape.Count()
		goesOn = append(goesOn, s.waitTicks(g, seen, grant.Head))
		time.Sleep(100 * time.Millisecond)
		open := 0
		for _, socket := range g.sockets() {
			if socket.Wait(0) {
				open++
			}
		}
		if over, _, _ := g.download.Wait(0); over {
			ended = append(ended, 1)
		} else {
			ended = append(ended, 0)
		}
		passed = append(passed, g.kernel.Tape.PassedBetween(revoke.Head, before)+g.terminal.Tape.PassedBetween(revoke.Head, before)+
			g.room.Tape.PassedBetween(revoke.Head, before))
		kernel, terminal := g.undelivered(t)
		undelivered = append(undelivered, kernel+terminal)
		lost, closed = append(lost, g.kernel.Tape.Missing()+g.terminal.Tape.Missing()), append(closed, open)
		g.leave()
	}
	rep.Is(t, "5", "granted again after 100 ms: messages that passed while held", 0, passed...)
	rep.Is(t, "5", "granted again after 100 ms: sockets closed", 0, closed...)
	rep.Is(t, "5", "granted again after 100 ms: downloads ended", 0, ended...)
	rep.Is(t, "5", "granted again after 100 ms: messages lost on the way to bob", 0, lost...)
	rep.Is(t, "5", "granted again after 100 ms: messages lost on the way from bob", 0, undelivered...)
	rep.Below(t, "5", "granted again after 100 ms: answer to first message", 500, goesOn...)
}

// waitTicks waits until the guest has received more ticks than before, and returns the time from a moment, in milliseconds.
func (s *scene) waitTicks(g *guest, before int, at time.Time) float64 {
	for time.Since(at) < patience && g.kernel.Tape.Count()+g.terminal.Tape.Count() <= before {
		time.Sleep(time.Millisecond)
	}
	return milliseconds(time.Since(at))
}

// Point 6: the Hub is killed and comes back.
func TestHubAway(t *testing.T) {
	s := furnishScene(t, startHub(t, rig.Options{External: true}))
	sub(t, "6", "hub killed", func(t *testing.T, ctx context.Context) {
		s.t, s.ctx = t, ctx
		s.hubAway()
	})
}

func (s *scene) hubAway() {
	t, away := s.t, 12*time.Second
	g := comeIn(t, s.ctx, s.place, bobByShare(s))
	defer g.leave()
	alice := s.place.watch.kernel.Tape

	s.hub.KillHub()
	killed := time.Now()
	time.Sleep(recheck + 500*time.Millisecond)
	ownerBefore, refusedBefore := alice.Count(), s.place.ownersRefused.Load()
	tab := s.bob.OldTab()
	for _, try := range []struct {
		name string
		head []string
	}{{"page", []string{"Sec-Fetch-Mode", "navigate", "Accept", "text/html"}}, {"API call", []string{"Authorization", "token " + s.bob.PageToken}}} {
		a, err := tab.Do(s.ctx, http.MethodGet, s.bob.Server+"api/status", nil, try.head...)
		must(t, err)
		rep.Is(t, "6", "Hub away: bob's "+try.name, http.StatusServiceUnavailable, a.Status)
		rep.Saw(t, "6", "Hub away: bob's "+try.name+" is told when to come again", fmt.Sprintf("Retry-After: %q, Set-Cookie: %q, Location: %q",
			a.Header.Get("Retry-After"), a.Header.Get("Set-Cookie"), a.Header.Get("Location")),
			a.Header.Get("Retry-After") != "" && a.Header.Get("Set-Cookie") == "" && a.Header.Get("Location") == "")
	}
	time.Sleep(time.Until(killed.Add(away)))
	rep.AtLeast(t, "6", "Hub away: alice's messages meanwhile", 100, alice.Count()-ownerBefore)
	rep.Is(t, "6", "Hub away: alice's requests not served", 0, int(s.place.ownersRefused.Load()-refusedBefore))
	back := time.Now()
	passed := 0
	for _, tape := range []*rig.Tape{g.kernel.Tape, g.terminal.Tape, g.room.Tape} {
		passed += tape.PassedBetween(killed.Add(recheck), back)
	}
	rep.Is(t, "6", "Hub away: messages to bob that were emitted after T", 0, passed)
	seen := g.kernel.Tape.Count() + g.terminal.Tape.Count()
	must(t, s.hub.StartHub(s.ctx))
	rep.Below(t, "6", "Hub back: it answers, to bob's next message", 5000, s.waitTicks(g, seen, time.Now()))
	time.Sleep(500 * time.Millisecond)
	closed := 0
	for _, socket := range g.sockets() {
		if socket.Wait(0) {
			closed++
		}
	}
	rep.Is(t, "6", "Hub back: bob's sockets closed", 0, closed)
	a, err := s.bob.Call(s.ctx, http.MethodGet, "api/status", nil, nil)
	must(t, err)
	rep.Is(t, "6", "Hub back: bob's next request", http.StatusOK, a.Status)
	kernel, terminal := g.undelivered(t)
	rep.Is(t, "6", "Hub back: messages lost on the way from bob to the kernel", 0, kernel)
	rep.Is(t, "6", "Hub back: messages lost on the way from bob to the terminal", 0, terminal)
	rep.Is(t, "6", "Hub back: messages lost on the way to bob", 0, g.kernel.Tape.Missing()+g.terminal.Tape.Missing())
	missing, closed := s.place.watch.lost()
	rep.Is(t, "6", "Hub away and back: alice's messages lost", 0, missing)
	rep.Is(t, "6", "Hub away and back: alice's sockets closed", 0, closed)
	rep.Below(t, "6", "Hub away and back: alice's slowest request", 1000, float64(s.place.slowestOwner.Load())/1000)
}
