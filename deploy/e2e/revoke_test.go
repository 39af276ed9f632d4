package e2e

import (
	"context"
	"fmt"
	"net/http"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/e2e/rig"
)

// trigger is one way in which somebody's right to use alice's server ends, by a call through the proxy.
type trigger struct {
	name       string
	rounds     int
	everybody  bool // everyone is out, after the grace
	credential bool // only the credential ends: the person's API token goes on
	stops      bool // the server itself ends
	regrant    bool // the share is granted again, and the old cookie must work at once

	come func(s *scene) *rig.Visit                         // who comes in, and how
	fire func(s *scene, v *rig.Visit) (*rig.Answer, error) // the call
}

// scene is a hub with alice's furnished server, carol looking on, and an admin.
type scene struct {
	t     *testing.T
	ctx   context.Context
	hub   *rig.Hub
	alice *rig.User
	admin *rig.User
	place *place
	carol *rig.Visit
	watch *watch // carol's

	point     string // in the list of what must work
	where     string // where the guests are, if that has to be said
	elsewhere bool   // the guests are on another replica than the caller

	bob                       *rig.Visit
	carolMissing, carolClosed []int
}

const aliceShares = "shares/alice/"

var triggers = []trigger{
	{name: "PATCH share", rounds: 20, regrant: true, come: bobByShare, fire: func(s *scene, v *rig.Visit) (*rig.Answer, error) {
		return s.alice.API(s.ctx, http.MethodPatch, aliceShares, map[string]any{"user": v.Name})
	}},
	{name: "bob leaves", rounds: 20, regrant: true, come: bobByShare, fire: func(s *scene, v *rig.Visit) (*rig.Answer, error) {
		return v.API(s.ctx, http.MethodDelete, "users/"+v.Name+"/shared/alice/", nil)
	}},
	{name: "logout", rounds: 20, credential: true, come: bobAnew, fire: func(s *scene, v *rig.Visit) (*rig.Answer, error) {
		return v.User.At(s.alice.Hub).Logout(s.ctx) // another tab: the cookies of this one stay and are tried on
	}},
	{name: "token deleted", rounds: 20, credential: true, come: bobAnew, fire: func(s *scene, v *rig.Visit) (*rig.Answer, error) {
		id, err := s.hub.TokenID(s.ctx, v.PageToken)
		if err != nil {
			return nil, err
		}
		return s.admin.API(s.ctx, http.MethodDelete, "users/"+v.Name+"/tokens/"+id, nil)
	}},
	{name: "group member removed", rounds: 3, come: inGroup("team"), fire: func(s *scene, v *rig.Visit) (*rig.Answer, error) {
		return s.admin.API(s.ctx, http.MethodDelete, "groups/team/users", map[string]any{"users": []string{v.Name}})
	}},
	{name: "group deleted", rounds: 1, come: inGroup("crew"), fire: func(s *scene, v *rig.Visit) (*rig.Answer, error) {
		return s.admin.API(s.ctx, http.MethodDelete, "groups/crew", nil)
	}},
	{name: "admin flag taken", rounds: 3, come: asAdmin, fire: func(s *scene, v *rig.Visit) (*rig.Answer, error) {
		return s.admin.API(s.ctx, http.MethodPatch, "users/"+v.Name, map[string]any{"admin": false})
	}},
	{name: "user deleted", rounds: 3, come: dora, fire: func(s *scene, v *rig.Visit) (*rig.Answer, error) {
		return s.admin.API(s.ctx, http.MethodDelete, "users/"+v.Name, nil)
	}},
	{name: "DELETE all shares", rounds: 20, everybody: true, regrant: true, come: bobByShare, fire: func(s *scene, v *rig.Visit) (*rig.Answer, error) {
		return s.alice.API(s.ctx, http.MethodDelete, aliceShares, nil)
	}},
}

// Point 3: when the caller has the answer, the guest is out.
func TestRevoke(t *testing.T) {
	s := newScene(t)
	for _, tr := range triggers {
		sub(t, "3", tr.name, func(t *testing.T, ctx context.Context) {
			s.t, s.ctx = t, ctx
			s.play(tr)
		})
	}
	sub(t, "3", "stubborn", func(t *testing.T, ctx context.Context) {
		s.t, s.ctx = t, ctx
		s.stubborn()
	})
	sub(t, "3", "server ends", func(t *testing.T, ctx context.Context) {
		s.t, s.ctx = t, ctx
		s.endServer("named server removed", "gone", map[string]any{"remove": true})
		s.endServer("named server stopped", "stopped", nil)
	})
	missing, closed := s.place.watch.lost()
	rep.Is(t, "3", "alice's messages lost, all rounds", 0, missing)
	rep.Is(t, "3", "alice's sockets closed, all rounds", 0, closed)
	rep.AtLeast(t, "3", "alice's messages received", 100, s.place.watch.kernel.Tape.Count()+s.place.watch.terminal.Tape.Count())
	rep.Is(t, "3", "alice's requests not served, all rounds", 0, int(s.place.ownersRefused.Load()))
	if len(s.carolMissing) > 0 { // else RUN chose triggers without her
		rep.Is(t, "3", "carol's messages lost, each trigger", 0, s.carolMissing...)
		rep.Is(t, "3", "carol's sockets closed, each trigger", 0, s.carolClosed...)
	}
}

func newScene(t *testing.T) *scene {
	t.Helper()
	return furnishScene(t, startHub(t, rig.Options{}))
}

// furnishScene has alice's server run and furnished, and bob and carol logged in there.
func furnishScene(t *testing.T, h *rig.Hub) *scene {
	t.Helper()
	return furnishSceneAt(t, h, h)
}

// furnishSceneAt is furnishScene with the owner and the admin at one view of a hub, and the guests at another.
func furnishSceneAt(t *testing.T, owners, guests *rig.Hub) *scene {
	t.Helper()
	ctx := t.Context()
	s := &scene{t: t, ctx: ctx, point: "3", hub: guests, alice: person(t, ctx, owners, "alice"), admin: person(t, ctx, owners, "admin")}
	must(t, owners.StartServer(ctx, "alice", ""))
	s.place = furnish(t, ctx, owners, enter(t, ctx, s.alice, "alice", ""), "")
	carol, bob := person(t, ctx, guests, "carol"), person(t, ctx, guests, "bob")
	share(t, ctx, s.alice, "", "carol")
	share(t, ctx, s.alice, "", "bob")
	s.carol, s.bob = enter(t, ctx, carol, "alice", ""), enter(t, ctx, bob, "alice", "")
	return s
}

// bobByShare brings bob in with the cookie that he has.
func bobByShare(s *scene) *rig.Visit {
	share(s.t, s.ctx, s.alice, "", "bob")
	return s.bob
}

// bobAnew brings bob in by a new login, for the old one has ended.
func bobAnew(s *scene) *rig.Visit {
	bob := person(s.t, s.ctx, s.hub, "bob")
	share(s.t, s.ctx, s.alice, "", "bob")
	s.bob = enter(s.t, s.ctx, bob, "alice", "")
	return s.bob
}

// inGroup brings gwen in as a member of a group whose role has access.
func inGroup(group string) func(s *scene) *rig.Visit {
	return func(s *scene) *rig.Visit {
		gwen := person(s.t, s.ctx, s.hub, "gwen")
		must(s.t, s.hub.Setup(s.ctx, http.MethodPost, "groups/"+group+"/users", map[string]any{"users": []string{"gwen"}}, nil))
		return enter(s.t, s.ctx, gwen, "alice", "")
	}
}

// asAdmin brings erin in, who is made an admin.
func asAdmin(s *scene) *rig.Visit {
	erin := person(s.t, s.ctx, s.hub, "erin")
	must(s.t, s.hub.Setup(s.ctx, http.MethodPatch, "users/erin", map[string]any{"admin": true}, nil))
	return enter(s.t, s.ctx, erin, "alice", "")
}

// dora comes anew each time, for she is deleted each time.
func dora(s *scene) *rig.Visit {
	dora := person(s.t, s.ctx, s.hub, "dora")
	share(s.t, s.ctx, s.alice, "", "dora")
	return enter(s.t, s.ctx, dora, "alice", "")
}

// stubborn revokes a client that does not answer the close frame: the connection ends all the same, by the proxy's own deadline.
func (s *scene) stubborn() {
	var ms []float64
	for range rounds(5) {
		v := bobByShare(s)
		client, err := v.OpenStubborn(s.ctx, "terminals/websocket/"+s.place.terminal)
		must(s.t, err)
		answer, err := s.alice.API(s.ctx, http.MethodPatch, aliceShares, map[string]any{"user": "bob"})
		must(s.t, err)
		at, ended := client.End(2 * patience)
		if !ended {
			at = time.Now()
		}
		ms = append(ms, max(0, milliseconds(at.Sub(answer.Head))))
	}
	rep.Below(s.t, "3", "a client that does not answer the close frame: answer to connection closed", milliseconds(patience), ms...)
}

// endServer ends a named server of alice with bob at it. Everybody's sockets there end; the route goes before the answer.
func (s *scene) endServer(name, prefix string, body any) {
	tr := trigger{name: name, stops: true}
	var all []result
	for n := range rounds(2) {
		server := fmt.Sprintf("%s%d", prefix, n)
		must(s.t, s.hub.StartServer(s.ctx, "alice", server))
		share(s.t, s.ctx, s.alice, server, "bob")
		p := furnish(s.t, s.ctx, s.hub, enter(s.t, s.ctx, s.alice, "alice", server), server)
		g := comeIn(s.t, s.ctx, p, enter(s.t, s.ctx, s.bob.User, "alice", server))
		g.download.Stall()
		began := time.Now()
		answer, err := s.alice.API(s.ctx, http.MethodDelete, "users/alice/servers/"+server, body)
		must(s.t, err)
		g.download.Mark()
		r := result{callMs: milliseconds(answer.Head.Sub(began)), header: cutHeader(answer)}
		r.look(s.t, g, answer.Head, tr)
		all = append(all, r)
		g.leave()
		p.stop()
	}
	s.report(tr, all)
}

// result is what was measured in one round.
type result struct {
	served, refusedAtLeast, received, delivered int
	closeMs, endMs                              []float64
	open, leaked, complete                      int
	newSocket                                   int
	apiServed                                   int
	header                                      string
	callMs, regrantMs                           float64
	codes                                       []string
}

// play plays the rounds of one trigger and reports them.
func (s *scene) play(tr trigger) {
	bobAnew(s) // whatever the trigger before it left of him
	s.watch = openWatch(s.t, s.ctx, s.place, s.comeBackCarol())
	var all []result
	for range rounds(tr.rounds) {
		if tr.everybody && len(all) > 0 {
			s.watch.close()
			s.watch = openWatch(s.t, s.ctx, s.place, s.comeBackCarol())
		}
		all = append(all, s.round(tr))
	}
	missing, closed := s.watch.lost()
	if !tr.everybody {
		s.carolMissing, s.carolClosed = append(s.carolMissing, missing), append(s.carolClosed, closed)
	}
	s.watch.close()
	s.report(tr, all)
}

// comeBackCarol grants carol the share, if she has lost it.
func (s *scene) comeBackCarol() *rig.Visit {
	share(s.t, s.ctx, s.alice, "", "carol")
	return s.carol
}

// round opens everything, fires, and looks.
func (s *scene) round(tr trigger) (r result) {
	t := s.t
	v := tr.come(s)
	g := comeIn(t, s.ctx, s.place, v)
	defer g.leave()

	g.download.Stall()
	began := time.Now()
	answer, err := tr.fire(s, v)
	must(t, err)
	at := answer.Head // from here on nothing may pass
	g.download.Mark()
	if answer.Status >= 400 {
		t.Fatalf("%s: %d %s", tr.name, answer.Status, answer.Body)
	}
	r.callMs, r.header = milliseconds(at.Sub(began)), cutHeader(answer)
	r.look(t, g, at, tr)
	if tr.regrant {
		r.regrantMs = s.regrant(v)
	}
	return r
}

// grace is the default of SHARE_PROXY_REGRANT_GRACE.
const grace = 300 * time.Millisecond

// patience is how long a round waits for a socket to be closed before it counts as left open.
const patience = 2 * time.Second

func (r *result) look(t *testing.T, g *guest, at time.Time, tr trigger) {
	for _, socket := range g.sockets() {
		if !socket.Wait(time.Until(at.Add(patience))) {
			r.open++
			continue
		}
		end, code, reason := socket.End()
		r.closeMs = append(r.closeMs, max(0, milliseconds(end.Sub(at))))
		r.codes = append(r.codes, fmt.Sprintf("%s %d %q", socket.Kind, code, reason))
	}
	r.transfers(g, at)
	// The probes go on a little longer than the last socket lived: a proxy that forgets must be seen.
	listen := 150 * time.Millisecond
	if tr.everybody {
		listen += grace // what is asked meanwhile waits with the sockets
	}
	time.Sleep(max(0, time.Until(at.Add(listen))))
	r.newSocket = tryNewSocket(g)
	if tr.credential {
		g.waitAPIToken(at)
	}
	for _, p := range g.probes {
		served := p.count(at, isServed)
		if tr.credential && p.name == "API token" {
			r.apiServed += served
			continue
		}
		r.served += served
		r.refusedAtLeast += p.count(at, func(code int) bool { return code > 0 && !isServed(code) })
	}
	r.received, r.delivered = g.emittedAfter(at), g.deliveredAfter(t, at)
}

func (r *result) transfers(g *guest, at time.Time) {
	ended, truncated, end := g.download.Wait(time.Until(at.Add(patience)))
	r.leaked = int(g.download.Leaked())
	if !ended {
		r.open++
	} else {
		r.endMs = append(r.endMs, max(0, milliseconds(end.Sub(at))))
	}
	if ended && !truncated {
		r.complete++
	}
	if ended, status, end := g.upload.Wait(time.Until(at.Add(patience))); !ended {
		r.open++
	} else {
		r.endMs = append(r.endMs, max(0, milliseconds(end.Sub(at))))
		if status >= 200 && status < 300 {
			r.complete++
		}
	}
}

// waitAPIToken waits until a request by the person's API token was served that was sent after a moment. The Hub may be asked
// for it first, and may be slow.
func (g *guest) waitAPIToken(moment time.Time) {
	for time.Since(moment) < patience {
		if g.probes[2].count(moment, isServed) > 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// isServed says whether an answer is the server's own. A redirect is not: after a logout it leads to the login.
func isServed(code int) bool { return code >= 200 && code < 300 }

// tryNewSocket tries a new WebSocket with the old cookie and returns how many were let in.
func tryNewSocket(g *guest) int {
	k, err := g.visit.OpenKernel(context.Background(), g.place.kernel)
	if err != nil {
		return 0
	}
	k.Close()
	return 1
}

// regrant gives the share back and returns the time until the old cookie is served again.
func (s *scene) regrant(v *rig.Visit) float64 {
	at := share(s.t, s.ctx, s.alice, "", v.Name).Head
	for time.Since(at) < patience {
		a, err := v.Do(s.ctx, http.MethodGet, v.Server+"api/status", nil, "Sec-Fetch-Mode", "navigate")
		if err == nil && a.Status == http.StatusOK {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	return milliseconds(time.Since(at))
}

func (s *scene) report(tr trigger, all []result) {
	t, name := s.t, s.where+tr.name+": "
	collect := func(f func(r result) int) (n []int) {
		for _, r := range all {
			n = append(n, f(r))
		}
		return n
	}
	times := func(f func(r result) []float64) (ms []float64) {
		for _, r := range all {
			ms = append(ms, f(r)...)
		}
		return ms
	}
	rep.Is(t, s.point, name+"requests served after the answer", 0, collect(func(r result) int { return r.served })...)
	rep.AtLeast(t, s.point, name+"requests refused after the answer", 1, collect(func(r result) int { return r.refusedAtLeast })...)
	rep.Is(t, s.point, name+"messages received that were emitted after it", 0, collect(func(r result) int { return r.received })...)
	rep.Is(t, s.point, name+"messages delivered that were sent after it", 0, collect(func(r result) int { return r.delivered })...)
	leaked := collect(func(r result) int { return r.leaked })
	if tr.everybody || s.elsewhere {
		// A held download keeps its connection, and with it what the kernel had taken for a slow reader before the answer. On another
		// replica it is held at the answer, and cut when the Hub has been asked.
		rep.AtMost(t, s.point, name+"bytes of the download after it, from the kernel's buffers", 256<<10, leaked...)
	} else {
		rep.Is(t, s.point, name+"bytes of the download after it", 0, leaked...)
	}
	rep.Is(t, s.point, name+"of 6 open things left open", 0, collect(func(r result) int { return r.open })...)
	rep.Is(t, s.point, name+"transfers that look complete", 0, collect(func(r result) int { return r.complete })...)
	rep.Is(t, s.point, name+"new sockets with the old cookie", 0, collect(func(r result) int { return r.newSocket })...)
	limit := 50.0
	if s.elsewhere {
		limit = 250 // it passes nothing at the answer; it is closed when the Hub, which is one thread, has been asked
	}
	if tr.everybody {
		limit += milliseconds(grace)
	}
	rep.Below(t, s.point, name+"answer to socket closed", limit, times(func(r result) []float64 { return r.closeMs })...)
	rep.Below(t, s.point, name+"answer to transfer ended", limit, times(func(r result) []float64 { return r.endMs })...)
	// A server takes its time to stop; a revoke does not.
	slowest := 1000.0
	if tr.stops {
		slowest = 15000
	}
	rep.Below(t, s.point, name+"the call itself", slowest, times(func(r result) []float64 { return []float64{r.callMs} })...)
	if tr.regrant {
		rep.Below(t, s.point, name+"re-grant to first request served", 500, times(func(r result) []float64 { return []float64{r.regrantMs} })...)
	}
	if tr.credential {
		rep.AtLeast(t, s.point, name+"the API token is still served", 1, collect(func(r result) int { return r.apiServed })...)
	}
	said, done := summary(all, func(r result) []string { return []string{r.header} }), true
	for _, r := range all {
		var sockets int
		_, err := fmt.Sscanf(r.header, "done; sockets=%d", &sockets)
		done = done && err == nil && sockets >= 4
	}
	rep.Saw(t, s.point, name+"the answer says", said, done)
	rep.Saw(t, s.point, name+"close frames", summary(all, func(r result) []string { return r.codes }), len(all[0].codes) > 0)
}

// summary lists the different texts of all rounds with their numbers.
func summary(all []result, f func(r result) []string) string {
	counts := map[string]int{}
	for _, r := range all {
		for _, text := range f(r) {
			counts[text]++
		}
	}
	var texts []string
	for text, n := range counts {
		texts = append(texts, fmt.Sprintf("%s (%d)", text, n))
	}
	sort.Strings(texts)
	return strings.Join(texts, ", ")
}
