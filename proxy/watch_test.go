package proxy

import (
	"slices"
	"strings"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// TestWatchedCallsNameWhomTheyConcern has a row for each trigger of a change
// of access that the Hub's own handlers know.
func TestWatchedCallsNameWhomTheyConcern(t *testing.T) {
	const session = "0123"
	for _, tt := range []struct {
		call string
		want string // subjects; "" if the call is not watched
		all  bool   // takes away everybody's access
	}{
		{"POST api/shares/alice", "guests of alice/", false},
		{"PATCH api/shares/alice", "guests of alice/", false},
		{"PATCH api/shares/alice/lab", "guests of alice/lab", false},
		{"DELETE api/shares/alice/lab", "guests of alice/lab", true},
		{"DELETE api/users/bob/shared/alice", "user bob", false},
		{"DELETE api/groups/team/shared/alice/lab", "guests of alice/lab", false},
		{"POST accept-share", "a session, denied", false},
		{"POST api/groups/team/users", "group team, denied", false},
		{"DELETE api/groups/team/users", "group team, denied", false},
		{"DELETE api/groups/team", "group team, denied", false},
		{"POST api/groups", "denied", false},
		{"PATCH api/users/bob", "user bob, servers of bob, denied", false},
		{"DELETE api/users/bob", "user bob, servers of bob, denied", false},
		{"POST api/users", "denied", false},
		{"DELETE api/users/bob/tokens/a30", "user bob", false},
		{"DELETE api/users/alice/server", "server alice/", false},
		{"DELETE api/users/alice/servers/lab", "server alice/lab", false},
		{"PATCH api/users/alice/servers/lab", "server alice/lab", false},
		{"POST api/users/alice/server", "server alice/", false},
		{"DELETE api/services/stats", "service stats", false},
		{"GET logout", "a session", false},
		{"GET api/shares/alice", "", false},
		{"HEAD api/users/bob", "", false},
		{"OPTIONS api/users/bob", "", false},
		{"POST api/users/bob/tokens", "", false},
		{"POST api/users/bob/activity", "", false},
		{"DELETE api/share-codes/alice", "", false},
		{"POST login", "", false},
		{"GET accept-share", "", false},
		{"GET home", "", false},
	} {
		t.Run(tt.call, func(t *testing.T) {
			method, path, _ := strings.Cut(tt.call, " ")
			c, ok := watched(method, strings.Split(path, "/"), session)
			if ok != (tt.want != "") || names(c.subjects) != tt.want || c.everybody != tt.all {
				t.Errorf("watched = %q, everybody %v, %v; want %q, %v", names(c.subjects), c.everybody, ok, tt.want, tt.all)
			}
		})
	}
}

func TestALogoutWithoutASessionConcernsNobody(t *testing.T) {
	if c, ok := watched("GET", []string{"logout"}, ""); ok {
		t.Errorf("watched = %v, want nobody: the Hub deletes nothing then", c.subjects)
	}
}

func TestTheWholeNameIsTheSubject(t *testing.T) {
	c, _ := watched("DELETE", []string{"api", "users", "has@", "shared", "a b", "nb"}, "")
	want := []authz.Subject{{Kind: authz.AboutUser, Name: "has@"}}
	if !slices.Equal(c.subjects, want) {
		t.Errorf("subjects %v, want %v", c.subjects, want)
	}
}
