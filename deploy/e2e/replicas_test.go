package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/e2e/rig"
)

// bound is Δ, the default of SHARE_PROXY_REVOCATION_BOUND.
const bound = time.Second

// replicated is a hub behind nginx with three replicas. alice and the admin are at the first, the guests at the second, and
// who looks on is at the third.
type replicated struct {
	*scene
	all             *rig.Hub // through nginx
	one, two, three *rig.Hub
}

func startReplicated(t *testing.T, environ ...string) *replicated {
	t.Helper()
	if reference {
		t.Skip("configurable-http-proxy is one process")
	}
	h := startHub(t, rig.Options{Replicas: 3, ProxyEnv: environ})
	r := &replicated{all: h, one: h.At(0), two: h.At(1), three: h.At(2)}
	r.scene = furnishSceneAt(t, r.one, r.two)
	r.point, r.where, r.elsewhere = "7", "guest on another replica, ", true
	r.carol = r.carol.At(r.three)
	return r
}

// Point 7: three replicas are one proxy.
func TestReplicas(t *testing.T) {
	r := startReplicated(t)
	for _, tr := range triggers {
		switch tr.name {
		case "PATCH share", "DELETE all shares":
		case "logout", "token deleted":
			tr.rounds = 3
		default:
			continue
		}
		sub(t, "7", tr.name, func(t *testing.T, ctx context.Context) {
			r.t, r.ctx = t, ctx
			r.play(tr)
		})
	}
	sub(t, "7", "grants and logins", func(t *testing.T, ctx context.Context) {
		r.t, r.ctx = t, ctx
		r.comeAnywhere()
	})
	sub(t, "7", "routes", func(t *testing.T, ctx context.Context) {
		r.t, r.ctx = t, ctx
		r.routes()
	})
	missing, closed := r.place.watch.lost()
	rep.Is(t, "7", "several replicas: alice's messages lost, all rounds", 0, missing)
	rep.Is(t, "7", "several replicas: alice's sockets closed, all rounds", 0, closed)
	rep.Is(t, "7", "several replicas: alice's requests not served, all rounds", 0, int(r.place.ownersRefused.Load()))
}

// comeAnywhere grants and logs in at one replica and comes with the next request to another.
func (r *replicated) comeAnywhere() {
	t, ctx := r.t, r.ctx
	before, err := r.all.Metric(ctx, 2, `share_proxy_cache_lookups_total{result="shared"}`)
	must(t, err)
	var granted, loggedIn []int
	for range rounds(10) {
		bob := bobByShare(r.scene)
		must(t, revoke(ctx, r.alice, "bob"))
		refused, err := bob.Call(ctx, http.MethodGet, "api/status", nil, nil)
		must(t, err)
		share(t, ctx, r.alice, "", "bob")
		served, err := bob.Call(ctx, http.MethodGet, "api/status", nil, nil)
		must(t, err)
		if refused.Status == http.StatusForbidden {
			granted = append(granted, served.Status)
		} else {
			granted = append(granted, -refused.Status)
		}
		dave := person(t, ctx, r.one, "dave")
		share(t, ctx, r.alice, "", "dave")
		v := enter(t, ctx, dave, "alice", "").At(r.three)
		a, err := v.Call(ctx, http.MethodGet, "api/status", nil, nil)
		must(t, err)
		loggedIn = append(loggedIn, a.Status)
	}
	rep.Is(t, "7", "granted on one replica: the next request on another", http.StatusOK, granted...)
	rep.Is(t, "7", "logged in on one replica: the next request on another", http.StatusOK, loggedIn...)
	after, err := r.all.Metric(ctx, 2, `share_proxy_cache_lookups_total{result="shared"}`)
	must(t, err)
	rep.AtLeast(t, "7", "answers of the Hub that one replica had from another", 1, int(after-before))
}

func revoke(ctx context.Context, owner *rig.User, guest string) error {
	a, err := owner.API(ctx, http.MethodPatch, aliceShares, map[string]any{"user": guest})
	if err == nil && a.Status >= 300 {
		err = fmt.Errorf("revoke: %d %s", a.Status, a.Body)
	}
	return err
}

// routes writes routes at one replica and looks at all as soon as the answer is there.
func (r *replicated) routes() {
	t, ctx := r.t, r.ctx
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "behind the route") }))
	defer target.Close()
	var missing, listed, stale []int
	var ms []float64
	body := fmt.Sprintf(`{"target": %q, "jupyterhub": true, "service": "probe", "odd": [1, 2.50, {"x": null}]}`, target.URL)
	for n := range rounds(20) {
		path := fmt.Sprintf("/services/probe%d", n)
		began := time.Now()
		a, err := r.all.RouteAPI(ctx, n%3, http.MethodPost, path, body)
		must(t, err)
		ms = append(ms, milliseconds(time.Since(began)))
		if a.Status != http.StatusCreated {
			t.Fatalf("POST of a route: %d %s", a.Status, a.Body)
		}
		missing = append(missing, 3-r.serving(path))
		in := 0
		for k := range 3 {
			a, err := r.all.RouteAPI(ctx, k, http.MethodGet, "", "")
			must(t, err)
			if strings.Contains(a.Body, path) && strings.Contains(a.Body, `2.50`) {
				in++
			}
		}
		listed = append(listed, in)
		a, err = r.all.RouteAPI(ctx, (n+1)%3, http.MethodDelete, path, "")
		must(t, err)
		if a.Status != http.StatusNoContent {
			t.Fatalf("DELETE of a route: %d %s", a.Status, a.Body)
		}
		stale = append(stale, r.serving(path))
	}
	rep.Is(t, "7", "route posted at one replica: replicas that do not serve it when the answer is there", 0, missing...)
	rep.Is(t, "7", "route posted at one replica: replicas that list it, as it was posted", 3, listed...)
	rep.Is(t, "7", "route deleted at another replica: replicas that still serve it", 0, stale...)
	rep.Below(t, "7", "route posted at one replica: time to the answer", 50, ms...)
}

// serving returns how many replicas lead to the target of routes.
func (r *replicated) serving(path string) (n int) {
	for _, view := range []*rig.Hub{r.one, r.two, r.three} {
		a, err := view.Person("anybody").Do(r.ctx, http.MethodGet, path+"/", nil)
		must(r.t, err)
		if a.Body == "behind the route" {
			n++
		}
	}
	return n
}
