package authz

import (
	"slices"
	"strings"
	"testing"
)

// checkScopes is JupyterHub 5.5.1's services/auth.py, check_scopes, with
// scopes.py, _intersect_expanded_scopes, for the required set of a user server
// (spawner.py, oauth_access_scopes), without a database: the union of all that
// a list of scopes grants, cut with what is required. ok is false where the
// original raises an error.
func checkScopes(scopes []string, server Server) (allow, ok bool) {
	required := []string{
		"access:servers!server=" + string(server.Owner) + "/" + string(server.Name),
		"access:servers!user=" + string(server.Owner),
	}
	all := false
	filters := map[string][]string{}
	for _, scope := range scopes { // parse_scopes
		base, filter, _ := strings.Cut(scope, "!")
		key, value, _ := strings.Cut(filter, "=")
		switch {
		case base != "access:servers" || all: // what follows all is not looked at
		case filter == "":
			all = true
		case value == "":
			return false, false // "Empty string is not a valid filter"
		default:
			filters[key] = append(filters[key], value)
		}
	}
	if all {
		return true, true
	}
	// The intersection: equal filters, and a server whose user is there.
	var common []string
	for _, name := range filters["user"] {
		if name == string(server.Owner) {
			common = append(common, "access:servers!user="+name)
		}
	}
	for _, full := range append(filters["server"], string(server.Owner)+"/"+string(server.Name)) {
		owner, _, _ := strings.Cut(full, "/")
		exact := full == string(server.Owner)+"/"+string(server.Name)
		listed := slices.Contains(filters["server"], full)
		if exact && listed || listed && owner == string(server.Owner) || exact && slices.Contains(filters["user"], owner) {
			common = append(common, "access:servers!server="+full)
		}
	}
	return slices.ContainsFunc(common, func(s string) bool { return slices.Contains(required, s) }), true
}

// FuzzReaches compares the three-string rule with the rule of the user server:
// never more than it, and the same for all that a Hub writes.
func FuzzReaches(f *testing.F) {
	for _, scope := range grants {
		f.Add(scope, "access:servers!user=carol", "alice", "")
		f.Add("shares", scope, "alice", "lab")
	}
	f.Fuzz(func(t *testing.T, one, two, owner, name string) {
		server := Server{User(owner), ServerName(name)}
		scopes := []string{one, two}
		answer := &Answer{Kind: KindUser, Name: "bob"}
		for _, s := range scopes {
			if IsAccessScope(s) {
				answer.Access = append(answer.Access, s)
			} else if reaches(s, server) {
				t.Errorf("%q opens a server and is not kept", s)
			}
		}
		got := Decide(answer, server).Allow
		if server.IsZero() || strings.Contains(owner, "/") { // the Hub has no such users
			if got && !slices.Contains(scopes, "access:servers") && (owner == "" || !slices.Contains(scopes, "access:servers!user="+owner)) {
				t.Errorf("%q open %q", scopes, server)
			}
			return
		}
		want, ok := checkScopes(scopes, server)
		if got && ok && !want {
			t.Errorf("%q open %q, which refuses them itself", scopes, server)
		}
		// "access:servers!" is everything for the original: the Hub never
		// writes it.
		if !got && want && !slices.Contains(scopes, "access:servers!") {
			t.Errorf("%q do not open %q, which accepts them", scopes, server)
		}
	})
}
