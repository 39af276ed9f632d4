package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Point 9: Redis goes away and comes back.
func TestRedisAway(t *testing.T) {
	r := startReplicated(t)
	for _, fault := range []struct {
		name  string
		begin func() error
		end   func(ctx context.Context) error
	}{
		{"Redis frozen", r.all.Redis.Pause, func(context.Context) error { return r.all.Redis.Resume() }},
		{"Redis killed, restarted empty", func() error { r.all.Redis.Kill(); return nil }, r.all.Redis.Start},
	} {
		sub(t, "9", fault.name, func(t *testing.T, ctx context.Context) {
			r.t, r.ctx = t, ctx
			o := r.prepare(fault.name)
			must(t, fault.begin())
			o.away()
			must(t, fault.end(ctx))
			o.back()
		})
	}
}

// outage is a time without Redis, with bob at work on the second replica and alice on the first.
type outage struct {
	*replicated
	name   string
	bob    *guest
	target *httptest.Server // of a route that is posted meanwhile
	alice  int              // requests of hers not served before
}

func (r *replicated) prepare(name string) *outage {
	o := &outage{replicated: r, name: name + ": ", bob: comeIn(r.t, r.ctx, r.place, bobByShare(r.scene)), alice: int(r.place.ownersRefused.Load())}
	o.target = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "behind the route") }))
	r.t.Cleanup(func() { o.target.Close(); o.bob.leave() })
	r.place.slowestOwner.Store(0)
	return o
}

// away looks at everybody while Redis does not answer.
func (o *outage) away() {
	t, g := o.t, o.bob
	began := time.Now()
	time.Sleep(2 * bound)
	seen := g.kernel.Tape.Count()
	time.Sleep(3 * time.Second)
	rep.AtLeast(t, "9", o.name+"bob's messages in 3 s", 100, g.kernel.Tape.Count()-seen)
	rep.Is(t, "9", o.name+"bob's requests not served", 0, g.failed(began))
	rep.Is(t, "9", o.name+"bob's sockets closed", 0, g.closed())
	var routes []float64
	path := "/services/away"
	posted := time.Now()
	a, err := o.all.RouteAPI(o.ctx, 0, http.MethodPost, path, fmt.Sprintf(`{"target": %q, "jupyterhub": true, "service": "away"}`, o.target.URL))
	must(t, err)
	routes = append(routes, milliseconds(time.Since(posted)))
	rep.Is(t, "9", o.name+"answer to a route that is posted", http.StatusCreated, a.Status)
	rep.Below(t, "9", o.name+"time to that answer", milliseconds(2*bound), routes...)
	a, err = o.all.RouteAPI(o.ctx, 0, http.MethodGet, "", "")
	must(t, err)
	rep.Saw(t, "9", o.name+"the replica's table", fmt.Sprintf("%d, with the new route: %v", a.Status, strings.Contains(a.Body, path)),
		a.Status == http.StatusOK && strings.Contains(a.Body, path))
	o.revokeAway()
	rep.Is(t, "9", o.name+"alice's requests not served", 0, int(o.place.ownersRefused.Load())-o.alice)
	rep.Below(t, "9", o.name+"alice's slowest request", 1000, float64(o.place.slowestOwner.Load())/1000)
}

// revokeAway has alice revoke bob, who is on a replica that does not learn of it from the log.
func (o *outage) revokeAway() {
	t, g := o.t, o.bob
	began := time.Now()
	answer, err := o.scene.alice.API(o.ctx, http.MethodPatch, aliceShares, map[string]any{"user": "bob"})
	must(t, err)
	took := answer.Head.Sub(began)
	rep.Saw(t, "9", o.name+"a revoke says", fmt.Sprintf("%q after %.0f ms", cutHeader(answer), milliseconds(took)),
		cutHeader(answer) == "within=5s" && took > bound*9/10 && took < 3*bound) // Δ, and what a busy Hub takes
	end := answer.Head.Add(recheck)
	for _, socket := range g.sockets()[:3] { // the events socket has no traffic, and what is idle passes nothing
		socket.Wait(time.Until(end))
	}
	last := max(0, milliseconds(g.kernel.Tape.LastStamp().Sub(answer.Head)))
	rep.Below(t, "9", o.name+"revoked on another replica: bob's last message after the answer", milliseconds(recheck), last)
	a, err := g.visit.Call(o.ctx, http.MethodGet, "api/status", nil, nil)
	must(t, err)
	rep.Is(t, "9", o.name+"revoked on another replica: bob's request", http.StatusForbidden, a.Status)
}

// back looks at everybody when Redis answers again.
func (o *outage) back() {
	t, ctx := o.t, o.ctx
	began := time.Now()
	said := ""
	for time.Since(began) < 20*time.Second {
		said = cutHeader(share(t, ctx, o.scene.alice, "", "bob"))
		if strings.HasPrefix(said, "done;") {
			break
		}
	}
	rep.Saw(t, "9", o.name+"back: a grant says", fmt.Sprintf("%q after %.0f ms", said, milliseconds(time.Since(began))), strings.HasPrefix(said, "done;"))
	a, err := o.scene.bob.Call(ctx, http.MethodGet, "api/status", nil, nil)
	must(t, err)
	rep.Is(t, "9", o.name+"back: bob's next request, with the cookie of before", http.StatusOK, a.Status)
	whole := waitWhole(func() bool { return o.serving("/services/away") == 3 })
	rep.Below(t, "9", o.name+"back: all replicas have the route that was posted meanwhile", 5000, whole)
	_, err = o.all.EndReplica(2)
	must(t, err)
	must(t, o.all.StartReplica(ctx, 2))
	a, err = o.scene.bob.At(o.three).Call(ctx, http.MethodGet, "api/status", nil, nil)
	must(t, err)
	rep.Is(t, "9", o.name+"back: a replica that starts now has the routes: bob's request", http.StatusOK, a.Status)
	_, err = o.all.RouteAPI(ctx, 0, http.MethodDelete, "/services/away", "")
	must(t, err)
	missing, closed := o.place.watch.lost()
	rep.Is(t, "9", o.name+"alice's messages lost", 0, missing)
	rep.Is(t, "9", o.name+"alice's sockets closed", 0, closed)
}

// waitWhole waits until something is so, and returns how long that took, in milliseconds.
func waitWhole(so func() bool) float64 {
	began := time.Now()
	for !so() && time.Since(began) < 20*time.Second {
		time.Sleep(20 * time.Millisecond)
	}
	return milliseconds(time.Since(began))
}

// closed returns how many of the guest's sockets are.
func (g *guest) closed() (n int) {
	for _, socket := range g.sockets() {
		if socket.Wait(0) {
			n++
		}
	}
	return n
}

// failed returns how many of the guest's requests that were sent after a moment were not served.
func (g *guest) failed(after time.Time) (n int) {
	for _, p := range g.probes {
		n += p.count(after, func(code int) bool { return !isServed(code) })
	}
	return n
}
