package proxy_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// chpNames are configurable-http-proxy's: they are as they are.
//
//nolint:gochecknoglobals // a constant table
var chpNames = []string{
	"find_target_for_req", "last_activity_updating", "requests_web", "requests_ws", "requests_proxy", "requests_api",
	"api_route_get", "api_route_add", "api_route_delete",
}

// metric returns the value of a series as the exposition writes it, or "".
func (r *rig) metric(series string) string {
	r.t.Helper()
	for _, line := range r.exposition() {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return value
		}
	}
	return ""
}

// exposition returns all series as name{label="value",...} value.
func (r *rig) exposition() (lines []string) {
	r.t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+`="`+l.GetValue()+`"`)
			}
			value := "observed"
			if m.GetCounter() != nil || m.GetGauge() != nil {
				value = fmt.Sprint(m.GetCounter().GetValue() + m.GetGauge().GetValue())
			}
			lines = append(lines, family.GetName()+"{"+strings.Join(labels, ",")+"} "+value)
		}
	}
	return lines
}

// observed returns how many values a summary or histogram has got.
func (r *rig) observed(name string) (n uint64) {
	r.t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			n += m.GetSummary().GetSampleCount() + m.GetHistogram().GetSampleCount()
		}
	}
	return n
}

// TestTimesAreObserved where something has happened, and only there.
func TestTimesAreObserved(t *testing.T) {
	r := newRig(t)
	r.userServer(func(http.ResponseWriter, *http.Request) {})
	if got := r.status("GET", "/user/alice/api", as("dave")); got != http.StatusForbidden {
		t.Fatalf("status %d, want 403", got)
	}
	if n := r.observed("last_activity_updating"); n != 0 {
		t.Errorf("%d times of activity after a refused request, want none", n)
	}
	r.status("GET", "/user/alice/api", as("alice"))
	r.do("POST", "/hub/api/shares/alice/")
	if n := r.observed("share_proxy_revocation_duration_seconds"); n != 0 {
		t.Errorf("%d times of revocations after a grant, want none", n)
	}
	r.do("PATCH", "/hub/api/shares/alice/")
	r.log.waitFor(t, `"msg":"revoke seen"`)
	if n := r.observed("share_proxy_revocation_duration_seconds"); n != 1 {
		t.Errorf("%d times of revocations after one, want 1", n)
	}
	// The line of the request is written after its time was observed.
	r.log.waitFor(t, `"user":"alice"`)
	if n := r.observed("last_activity_updating"); n == 0 {
		t.Error("no time of activity after a request that passed")
	}
}

// TestMetricsOfTheContract are there after a session, with labels from closed
// sets and names as they should be.
func TestMetricsOfTheContract(t *testing.T) {
	r := newRig(t)
	k := newKernel(t)
	r.userServer(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Upgrade") != "" {
			k.ServeHTTP(w, req)
		}
	})
	r.meet(k, "alice", as("alice"))
	bob, _ := r.meet(k, "bob", as("bob"))
	r.status("GET", "/user/alice/api", as("dave"))
	r.status("ODD-METHOD", "/user/alice/secret-path", as("dave"))
	r.hub.does(unshare, http.StatusNoContent)
	r.do("PATCH", "/hub/api/shares/alice/")
	bob.rest()
	r.proxy.ObserveHub("user", "ok", 0)
	r.log.waitFor(t, `"msg":"exchange cut"`)

	names := map[string]bool{}
	for _, line := range r.exposition() {
		name, rest, _ := strings.Cut(line, "{")
		names[name] = true
		for _, word := range []string{"alice", "bob", "dave", "secret-path", "127.0.0.1", "ODD"} {
			if strings.Contains(rest, word) {
				t.Errorf("a label names %s: %s", word, line)
			}
		}
	}
	for _, want := range append(slices.Clone(chpNames),
		"share_proxy_decisions_total", "share_proxy_hub_request_duration_seconds", "share_proxy_connections", "share_proxy_cuts_total",
		"share_proxy_revocation_duration_seconds", "share_proxy_store_up", "share_proxy_lease_age_seconds", "share_proxy_recheck_age_seconds",
		"share_proxy_cache_lookups_total", "share_proxy_request_duration_seconds") {
		if !names[want] && want != "requests_api" { // the route API is not part of this rig
			t.Errorf("%s is missing", want)
		}
	}
	for series, want := range map[string]string{
		`share_proxy_cuts_total{cause="revoked"}`:                 "1",
		`share_proxy_connections{kind="socket",relation="owner"}`: "1",
	} {
		if got := r.metric(series); got != want {
			t.Errorf("%s is %q, want %s", series, got, want)
		}
	}
	families, err := r.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if !slices.Contains(chpNames, p.Metric) {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}
