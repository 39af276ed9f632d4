package authz

import "time"

// Decide computes the decision for server from what the Hub said about a
// credential. It is total and pure: no error, no clock, no I/O. A nil answer
// is a request without a credential.
func Decide(a *Answer, server Server) Decision {
	d := Decision{Server: server, Answer: a}
	switch {
	case a == nil:
		d.Reason = ReasonNoCredential
		return d
	case a.Kind == KindNobody:
		d.Reason = ReasonUnknown
		return d
	case a.Kind == KindService:
		d.Relation = Service
	case a.OwnerOf(server):
		d.Relation = Owner
		d.Interactive = a.Session != ""
	default:
		d.Relation = Guest
	}
	if !a.reaches(server) {
		d.Reason = ReasonNoScope
		return d
	}
	d.Allow, d.Reason = true, ReasonScope
	return d
}

// Rule says how old a decision may be when it is used. The zero Rule lets no
// answer be used but at the instant at which it was asked for.
type Rule struct {
	Bound  time.Duration // Δ: always young enough
	Guests time.Duration // T for everybody but an owner's own session
	Owners time.Duration // T for an owner's own session
	Grace  time.Duration // how long that session goes on while the Hub is away
}

// View is what a process knows about its surroundings when it uses a decision.
type View struct {
	Now   Instant
	Fresh Instant // the ledger's lease: everything before it is applied here
	// HubAway is true while no question to the Hub gets an answer.
	HubAway bool
}

// Leased reports whether the view of the ledger is young enough to go by: an
// entry that is missing here is younger than Δ.
func (r Rule) Leased(v View) bool { return v.Now.Sub(v.Fresh) <= r.Bound }

// Young reports whether d, or rather the answer that it was computed from, may
// still be used. A decision without an answer is as young as the request.
func (r Rule) Young(d *Decision, v View) bool {
	if d.Answer == nil {
		return true
	}
	age := v.Now.Sub(d.Answer.Asked)
	if age <= r.Bound {
		return true
	}
	if d.Interactive {
		return age <= r.Owners || v.HubAway && d.Allow && age <= r.Grace
	}
	return age <= r.Guests && r.Leased(v)
}

// Ripe reports whether it is time to ask again, while the answer can still be
// used: from 0.8 of its time on, so that an active credential never waits.
// When the lease is about to run out, and after that, the time of a guest's
// answer is Δ.
func (r Rule) Ripe(d *Decision, v View) bool {
	if d.Answer == nil {
		return false
	}
	limit := r.Guests
	switch {
	case d.Interactive:
		limit = r.Owners
	case v.Now.Sub(v.Fresh) > r.Bound/5*4:
		limit = min(limit, r.Bound)
	}
	return v.Now.Sub(d.Answer.Asked) > limit/5*4
}
