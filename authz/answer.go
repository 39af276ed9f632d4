package authz

import "slices"

// Kind says whose credential an [Answer] is about.
type Kind uint8

// The kinds of holders of a credential. KindNobody, the zero Kind, is a
// credential that the Hub does not know, or no longer.
const (
	KindNobody Kind = iota
	KindUser
	KindService
)

// Answer is what the Hub said about one credential, with when and at which
// position of the ledger it was asked. The zero Answer is "nobody". An Answer
// is not changed after it was made and may be shared.
type Answer struct {
	Kind    Kind
	Name    User     // of the user or the service
	Session string   // the Hub's session id; empty for API and server tokens
	Groups  []string // names of the groups of a user
	Access  []string // the scopes that could open a server (IsAccessScope)

	Asked Instant // when the question began
	Seq   Seq     // the last entry that was applied before the question began
}

// OwnerOf reports whether the credential belongs to the owner of server.
func (a *Answer) OwnerOf(server Server) bool {
	return a.Kind == KindUser && a.Name == server.Owner && !server.IsZero()
}

// reaches reports whether any scope of the answer opens server.
func (a *Answer) reaches(server Server) bool {
	return slices.ContainsFunc(a.Access, func(scope string) bool { return reaches(scope, server) })
}

// newer reports whether a was asked for after b, or as late.
func (a *Answer) newer(b *Answer) bool {
	if a.Seq != b.Seq {
		return a.Seq > b.Seq
	}
	return a.Asked >= b.Asked
}
