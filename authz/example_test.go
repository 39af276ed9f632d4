package authz_test

import (
	"fmt"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// The Hub's answer about bob's token lists a share of alice's default server.
// It opens that server and no other one of hers.
func ExampleDecide() {
	bob := &authz.Answer{
		Kind: authz.KindUser, Name: "bob",
		Access: []string{"access:servers!user=bob", "access:servers!server=alice/"},
	}
	for _, server := range []authz.Server{{Owner: "alice"}, {Owner: "alice", Name: "lab"}, {Owner: "bob"}} {
		d := authz.Decide(bob, server)
		fmt.Println(d.Allow, d.Reason, d.Relation)
	}
	// Output:
	// true scope guest
	// false no_scope guest
	// true scope owner
}

// An entry of the ledger about a server's guests ends their answers that were
// asked for before it, and leaves the owner's alone.
func ExampleGenerations() {
	server := authz.Server{Owner: "alice"}
	guest := authz.Decide(&authz.Answer{Kind: authz.KindUser, Name: "bob", Seq: 4}, server)
	owner := authz.Decide(&authz.Answer{Kind: authz.KindUser, Name: "alice", Session: "s", Seq: 4}, server)
	var g authz.Generations
	g.Touch(5, authz.Subject{Kind: authz.AboutGuests, Name: "alice"})
	fmt.Println(g.Current(&guest), g.Current(&owner))
	// Output: false true
}
