package page

import "github.com/jupyterhub-share-proxy/share-proxy/authz"

// Denied is what the page 403 tells. The zero Denied gives a page that names
// nobody.
type Denied struct {
	// SignedInAs is the holder of the credential that was judged, empty if
	// there is none or the Hub does not know it.
	SignedInAs authz.User
	Server     authz.Server
	Reason     authz.Reason
	Relation   authz.Relation
	// HubURL is the address of the visitor's own servers (…/hub/home) and
	// LogoutURL that of signing out (…/hub/logout). An empty one is not
	// offered.
	HubURL, LogoutURL string
}

// Unavailable is what the page 503 tells.
type Unavailable struct {
	Server authz.Server // zero if it does not matter
	HubURL string       // as in Denied
}

// RetryAfter is the number of seconds after which the page 503 loads itself
// again; good for Retry-After too. The Hub needs some seconds to start, and a
// try costs no more than a page.
const RetryAfter = 5

// RetryAfter is for the page.
func (Unavailable) RetryAfter() int { return RetryAfter }

// Whose names the server as in "alice's server lab".
func (u Unavailable) Whose() string { return whose(u.Server) }

// Whose names the server as in "alice's server lab".
func (d Denied) Whose() string { return whose(d.Server) }

func whose(s authz.Server) string {
	switch {
	case s.IsZero():
		return "this server"
	case s.Name == "":
		return string(s.Owner) + "'s server"
	default:
		return string(s.Owner) + "'s server " + string(s.Name)
	}
}

// Own reports whether it is the visitor's own server that he may not use: a
// matter of roles, not of shares.
func (d Denied) Own() bool { return d.Relation == authz.Owner }

// ByService reports whether a service of the Hub is refused.
func (d Denied) ByService() bool { return d.Relation == authz.Service }

// Stranger reports whether the Hub does not say who it is: no credential, or
// none that it knows.
func (d Denied) Stranger() bool { return d.SignedInAs == "" }

// Message says in one sentence why the server may not be used, for the JSON
// answer.
func (d Denied) Message() string {
	switch {
	case d.Reason == authz.ReasonNoCredential:
		return "The request carries no credential for " + d.Whose() + ". Opening a page of it in a browser begins " +
			"the login; a server that never asks the hub is not supported."
	case d.Reason == authz.ReasonUnknown:
		return "The hub does not know your credential for " + d.Whose() + ", or no longer."
	case d.Own():
		return "Your role at this hub does not let you use your own server."
	case d.Reason == authz.ReasonNoScope:
		return "You, " + string(d.SignedInAs) + ", may not use " + d.Whose() + "."
	default:
		return "You may not use " + d.Whose() + "."
	}
}
