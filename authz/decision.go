package authz

// Reason says why a decision is what it is. It is a closed set, fit for a
// metric's label.
type Reason uint8

// The reasons. ReasonUndecided, the zero Reason, denies.
const (
	ReasonUndecided    Reason = iota
	ReasonScope               // a scope of the credential reaches the server
	ReasonNoCredential        // the request carries none
	ReasonUnknown             // the Hub does not know the credential, or no longer
	ReasonNoScope             // known, but no scope reaches the server
)

// String returns the reason as it stands in logs, metrics and JSON answers.
func (r Reason) String() string {
	switch r {
	case ReasonUndecided:
		return "undecided"
	case ReasonScope:
		return "scope"
	case ReasonNoCredential:
		return "no_credential"
	case ReasonUnknown:
		return "unknown_credential"
	case ReasonNoScope:
		return "no_scope"
	}
	return "undecided"
}

// Relation is what a credential is to a server.
type Relation uint8

// The relations. Anonymous, the zero Relation, is nobody.
const (
	Anonymous Relation = iota
	Guest              // any user but the owner, admins too
	Owner
	Service // a Hub service
)

// String returns the relation as it stands in logs and metrics.
func (r Relation) String() string {
	switch r {
	case Anonymous:
		return "anonymous"
	case Guest:
		return "guest"
	case Owner:
		return "owner"
	case Service:
		return "service"
	}
	return "anonymous"
}

// Decision allows or denies the use of one server by one credential. The zero
// Decision denies. It is a value: copying it copies nothing mutable.
type Decision struct {
	Allow    bool
	Reason   Reason
	Relation Relation
	// Interactive is true for the owner's own session at the Hub: only such a
	// credential is timed as an owner's. A copied API or server token of the
	// owner is timed like a guest's.
	Interactive bool
	Server      Server
	Answer      *Answer // what it was computed from; nil without a credential
}
