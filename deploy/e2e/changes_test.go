package e2e

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/e2e/rig"
)

// Points 3 and 4, the rarer changes: who is renamed, what takes nothing away, services, one of an owner's browsers, and a
// token that ends by time.
func TestChanges(t *testing.T) {
	s := newScene(t)
	parts := []struct {
		point, name string
		play        func(s *scene)
	}{
		{"3", "guest renamed", (*scene).guestRenamed},
		{"3", "group properties", (*scene).groupProperties},
		{"3", "owner renamed", (*scene).ownerRenamed},
		{"3", "service deleted", (*scene).serviceDeleted},
		{"3", "owner's other browser", (*scene).otherBrowser},
		{"4", "token expires", (*scene).tokenExpires},
	}
	for _, part := range parts {
		sub(t, part.point, part.name, func(t *testing.T, ctx context.Context) {
			s.t, s.ctx = t, ctx
			part.play(s)
		})
	}
	missing, closed := s.place.watch.lost()
	rep.Is(t, "3", "rarer changes: alice's messages lost", 0, missing)
	rep.Is(t, "3", "rarer changes: alice's sockets closed", 0, closed)
	rep.Is(t, "3", "rarer changes: alice's requests not served", 0, int(s.place.ownersRefused.Load()))
}

// guestRenamed renames a guest. His share goes on, and so does he; who takes the old name has no share.
func (s *scene) guestRenamed() {
	var strangers []int
	s.goesOn("guest renamed", func(n int) (*rig.Visit, func() (*rig.Answer, error)) {
		name := fmt.Sprintf("rex%d", n)
		rex := person(s.t, s.ctx, s.hub, name)
		share(s.t, s.ctx, s.alice, "", name)
		return enter(s.t, s.ctx, rex, "alice", ""), func() (*rig.Answer, error) {
			return s.admin.API(s.ctx, http.MethodPatch, "users/"+name, map[string]any{"name": "once-" + name})
		}
	})
	for n := range rounds(3) {
		stranger := person(s.t, s.ctx, s.hub, fmt.Sprintf("rex%d", n))
		a, err := stranger.Navigate(s.ctx, s.hub.ServerPath("alice", "")+"lab")
		must(s.t, err)
		strangers = append(strangers, a.Status)
	}
	rep.Is(s.t, "3", "guest renamed: another one with the old name", http.StatusForbidden, strangers...)
}

// groupProperties changes what nobody's access depends on, of a group that gives access.
func (s *scene) groupProperties() {
	s.goesOn("group properties changed", func(n int) (*rig.Visit, func() (*rig.Answer, error)) {
		return inGroup("team")(s), func() (*rig.Answer, error) {
			return s.admin.API(s.ctx, http.MethodPut, "groups/team/properties", map[string]any{"round": n})
		}
	})
}

// goesOn plays a change that takes nothing from the guest who comes for it: everything is asked again, and nothing is lost.
func (s *scene) goesOn(name string, come func(round int) (*rig.Visit, func() (*rig.Answer, error))) {
	t := s.t
	var lost, undelivered, closed, ended, refused []int
	var goesOn []float64
	for n := range rounds(3) {
		v, fire := come(n)
		g := comeIn(t, s.ctx, s.place, v)
		answer, err := fire()
		must(t, err)
		if answer.Status >= 400 {
			t.Fatalf("%s: %d %s", name, answer.Status, answer.Body)
		}
		seen := g.kernel.Tape.Count() + g.terminal.Tape.Count()
		goesOn = append(goesOn, s.waitTicks(g, seen, answer.Head))
		time.Sleep(300 * time.Millisecond) // for what comes late: a cut, a refusal
		open := 0
		for _, socket := range g.sockets() {
			if socket.Wait(0) {
				open++
			}
		}
		over := 0
		if done, _, _ := g.download.Wait(0); done {
			over++
		}
		no := 0
		for _, p := range g.probes {
			no += p.count(answer.Head, func(code int) bool { return !isServed(code) })
		}
		kernel, terminal := g.undelivered(t)
		undelivered, closed, ended, refused = append(undelivered, kernel+terminal), append(closed, open), append(ended, over), append(refused, no)
		lost = append(lost, g.kernel.Tape.Missing()+g.terminal.Tape.Missing())
		g.leave()
	}
	rep.Is(t, "3", name+": sockets closed", 0, closed...)
	rep.Is(t, "3", name+": downloads ended", 0, ended...)
	rep.Is(t, "3", name+": requests refused after the answer", 0, refused...)
	rep.Is(t, "3", name+": messages lost on the way to the guest", 0, lost...)
	rep.Is(t, "3", name+": messages lost on the way from the guest", 0, undelivered...)
	rep.Below(t, "3", name+": answer to the next message", 500, goesOn...)
}

// ownerRenamed renames an owner whose server runs. The Hub gives the new name no access to the old name's server, and the
// proxy says no more than the Hub.
func (s *scene) ownerRenamed() {
	t := s.t
	xena := person(t, s.ctx, s.hub, "xena")
	must(t, s.hub.StartServer(s.ctx, "xena", ""))
	v := enter(t, s.ctx, xena, "xena", "")
	terminal, err := v.NewTerminal(s.ctx)
	must(t, err)
	open, err := v.OpenTerminal(s.ctx, terminal)
	must(t, err)
	defer open.Close()
	must(t, v.Must(s.ctx, http.MethodGet, "api/status", nil, nil))
	answer, err := s.admin.API(s.ctx, http.MethodPatch, "users/xena", map[string]any{"name": "once-xena"})
	must(t, err)
	s.out("owner renamed", answer, open.Socket, func() (int, error) { return status(s.ctx, v) })
}

// serviceDeleted makes a service at the Hub while it runs, has it use alice's server by its token, and deletes it.
func (s *scene) serviceDeleted() {
	t := s.t
	robot := s.hub.Person("robot")
	robot.APIKey = "token-of-the-robot-of-the-rig"
	v := &rig.Visit{User: robot, Server: s.hub.ServerPath("alice", ""), PageToken: robot.APIKey}
	made, err := s.admin.API(s.ctx, http.MethodPost, "services/robot", map[string]any{"api_token": robot.APIKey, "admin": true})
	must(t, err)
	if made.Status != http.StatusCreated {
		t.Fatalf("make a service: %d %s", made.Status, made.Body)
	}
	open, err := v.OpenTerminal(s.ctx, s.place.terminal+"?token="+robot.APIKey)
	must(t, err)
	defer open.Close()
	before, err := status(s.ctx, v)
	must(t, err)
	rep.Is(t, "3", "service deleted: its request before", http.StatusOK, before)
	answer, err := s.admin.API(s.ctx, http.MethodDelete, "services/robot", nil)
	must(t, err)
	s.out("service deleted", answer, open.Socket, func() (int, error) { return status(s.ctx, v) })
	rep.Is(t, "3", "service deleted: messages received that were emitted after it", 0, open.Tape.EmittedAfter(answer.Head))
}

// otherBrowser has alice log out in one of two browsers. What happened in the other one is seen at the end of the test.
func (s *scene) otherBrowser() {
	t := s.t
	var closed []float64
	var refused, others []int
	for range rounds(3) {
		v := enter(t, s.ctx, person(t, s.ctx, s.hub, "alice"), "alice", "")
		w := openWatch(t, s.ctx, s.place, v)
		tab := v.OldTab() // its cookies stay and are tried on
		answer, err := v.Logout(s.ctx)
		must(t, err)
		for _, socket := range []*rig.Socket{w.kernel.Socket, w.terminal.Socket, w.room.Socket} {
			end := answer.Head.Add(patience)
			if socket.Wait(time.Until(end)) {
				end, _, _ = socket.End()
			}
			closed = append(closed, max(0, milliseconds(end.Sub(answer.Head))))
		}
		code, err := status(s.ctx, &rig.Visit{User: tab, Server: v.Server, PageToken: v.PageToken})
		must(t, err)
		refused = append(refused, code)
		before := s.place.watch.kernel.Tape.Count()
		time.Sleep(100 * time.Millisecond)
		others = append(others, s.place.watch.kernel.Tape.Count()-before)
		w.close()
	}
	rep.Below(t, "3", "owner logs out in one browser: its sockets closed", 50, closed...)
	rep.Is(t, "3", "owner logs out in one browser: its next request", http.StatusForbidden, refused...)
	rep.AtLeast(t, "3", "owner logs out in one browser: messages in the other one within 100 ms", 1, others...)
}

// tokenExpires has bob use a token that ends by time, of which no call tells.
func (s *scene) tokenExpires() {
	t, lives := s.t, 5*time.Second // longer than until the first answer is asked anew, so that another one is at hand at the end
	bobByShare(s)
	var made struct{ Token string }
	must(t, s.hub.Setup(s.ctx, http.MethodPost, "users/bob/tokens", map[string]any{"note": "short", "expires_in": int(lives / time.Second)}, &made))
	ends := time.Now().Add(lives) // or a little before
	v := &rig.Visit{User: s.hub.Person("bob"), Server: s.bob.Server, PageToken: made.Token}
	open, err := v.OpenTerminal(s.ctx, s.place.terminal+"?token="+made.Token)
	must(t, err)
	defer open.Close()
	p := &probe{head: []string{"Authorization", "token " + made.Token}, bare: true}
	run, stop := context.WithCancel(s.ctx)
	defer stop()
	go p.run(run, v)
	end := ends.Add(2 * recheck)
	if open.Wait(time.Until(end)) {
		end, _, _ = open.End()
	}
	time.Sleep(time.Until(ends.Add(recheck + 500*time.Millisecond)))
	rep.AtLeast(t, "4", "token expires: requests served before", 10, p.served())
	rep.Below(t, "4", "token expires: last request served", milliseconds(recheck), milliseconds(p.lastServed().Sub(ends)))
	rep.AtLeast(t, "4", "token expires: requests refused after T", 1, p.count(ends.Add(recheck), func(code int) bool { return code == http.StatusForbidden }))
	rep.Is(t, "4", "token expires: messages received that were emitted after T", 0, open.Tape.EmittedAfter(ends.Add(recheck)))
	rep.Below(t, "4", "token expires: socket closed", milliseconds(recheck+time.Second), milliseconds(end.Sub(ends)))
}

// out reports that somebody is out by the time of an answer: the socket closes soon, and the next request is refused.
func (s *scene) out(name string, answer *rig.Answer, socket *rig.Socket, next func() (int, error)) {
	t := s.t
	if answer.Status >= 400 {
		t.Fatalf("%s: %d %s", name, answer.Status, answer.Body)
	}
	code, err := next()
	must(t, err)
	end := answer.Head.Add(patience)
	if socket.Wait(time.Until(end)) {
		end, _, _ = socket.End()
	}
	rep.Is(t, "3", name+": the next request", http.StatusForbidden, code)
	rep.Below(t, "3", name+": answer to socket closed", 50, max(0, milliseconds(end.Sub(answer.Head))))
	rep.Saw(t, "3", name+": the answer says", cutHeader(answer), cutHeader(answer) == "done; sockets=1")
}

// status returns how a request for the server's status by the page's token is answered.
func status(ctx context.Context, v *rig.Visit) (int, error) {
	a, err := v.Call(ctx, http.MethodGet, "api/status", nil, nil)
	if err != nil {
		return 0, err
	}
	return a.Status, nil
}
