package main

import (
	"bufio"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/history"
)

func names(seed uint64) (list []string) {
	for _, sch := range plan(rand.New(rand.NewPCG(seed, 0))) {
		list = append(list, sch.name)
	}
	return list
}

func TestPlanComesFromTheSeed(t *testing.T) {
	if !slices.Equal(names(1), names(1)) {
		t.Error("two plans of one seed differ")
	}
	if slices.Equal(names(1), names(2)) {
		t.Error("the plans of two seeds do not differ")
	}
	one, two := names(1), names(2)
	slices.Sort(one)
	slices.Sort(two)
	if !slices.Equal(one, two) || len(slices.Compact(one)) != len(two) {
		t.Errorf("plans = %q and %q, want the same schedules, each once", one, two)
	}
}

func TestChangesAreCallsOfTheHub(t *testing.T) {
	for _, test := range []struct {
		name   string
		change change
		want   string // method, path, body and caller
	}{
		{"a share is taken", change{kind: revoke, who: "bob"}, `PATCH /hub/api/shares/alice/ {"user":"bob"} alice`},
		{"of another server", change{kind: revoke, who: "dana"}, `PATCH /hub/api/shares/alice/dana {"user":"dana"} alice`},
		{"a share is given", change{kind: grant, who: "dana"}, `POST /hub/api/shares/alice/dana {"user":"dana"} alice`},
		{"all are taken", change{kind: everybody, who: "bob"}, `DELETE /hub/api/shares/alice/  alice`},
		{"somebody leaves", change{kind: leave, who: "dana"}, `DELETE /hub/api/users/dana/shared/alice/dana  dana`},
		{"somebody logs out", change{kind: logout, who: "bob"}, `GET /hub/logout  bob`},
	} {
		t.Run(test.name, func(t *testing.T) {
			method, path, body, caller := test.change.request()
			if got := strings.Join([]string{method, path, body, caller.Name}, " "); got != test.want {
				t.Errorf("call = %s, want %s", got, test.want)
			}
		})
	}
	if got := sharing("bob"); !slices.Equal(got, []string{"bob", "carl", "fred"}) {
		t.Errorf("bob's server is shared with %q", got)
	}
}

func TestRoutesThatDiffer(t *testing.T) {
	w := &world{place: "127.0.0."}
	w.routes.to = map[string]int{"/user/alice": shared, "/user/carol": former}
	for _, test := range []struct {
		name  string
		table map[string]string
		want  []string
	}{
		{"none", map[string]string{"/": "hub", "/user/alice": w.target(shared), "/user/carol": w.target(former)}, nil},
		{"one is missing", map[string]string{"/": "hub", "/user/alice": w.target(shared)}, []string{`route /user/carol to ""`}},
		{"one leads elsewhere", map[string]string{"/": "hub", "/user/alice": w.target(shared), "/user/carol": w.target(latter)}, []string{`route /user/carol to "` + w.target(latter) + `"`}},
		{"one is too many", map[string]string{"/": "hub", "/user/alice": w.target(shared), "/user/carol": w.target(former), "/user/x": "y"}, []string{"route /user/x that is none"}},
		{"the hub's is missing", map[string]string{"/user/alice": w.target(shared), "/user/carol": w.target(former)}, []string{"route of the hub"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := w.differ(test.table); !slices.Equal(got, test.want) {
				t.Errorf("differ = %q, want %q", got, test.want)
			}
		})
	}
}

func TestReplyIsOneReply(t *testing.T) {
	for _, want := range []string{"+OK\r\n", "-ERR no\r\n", ":12\r\n", "$5\r\na\r\nbc\r\n", "*2\r\n$1\r\na\r\n*1\r\n:3\r\n", "*0\r\n"} {
		if got := reply(bufio.NewReader(strings.NewReader(want + "+next\r\n"))); got != want {
			t.Errorf("reply = %q, want %q", got, want)
		}
	}
}

func TestBreachesAreGrouped(t *testing.T) {
	bob := history.Breach{Rule: "r", Schedule: "s", Who: "bob", Replica: 1}
	other := bob
	other.Replica = 2
	later := bob
	later.At = time.Second
	groups := grouped([]history.Breach{bob, other, later})
	if len(groups) != 2 || groups[0].more != 1 || groups[0].last != time.Second || groups[1].more != 0 {
		t.Errorf("groups = %+v, %+v", *groups[0], *groups[1])
	}
}
