package proxy

import (
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
)

// change is what a call to the Hub may do to people's access.
type change struct {
	subjects  []authz.Subject
	grant     bool             // it gives access; all others may take it
	everybody bool             // it takes away everybody's access to a server
	sockets   []*live.Exchange // that were open when the call was sent
}

// watched says which calls to the Hub can change who may use a server, and
// whom they concern. below are the decoded segments behind the Hub's prefix;
// session is the caller's session at the Hub. Who calls may be anybody: nothing
// is done before the Hub has agreed. Logins are not watched: a login changes
// nothing for credentials that exist.
//
// Source: the handlers of JupyterHub 5.5.1 and 6.0 (apihandlers/*.py,
// handlers/login.py, handlers/pages.py).
func watched(method string, below []string, session string) (change, bool) {
	if len(below) == 0 {
		return change{}, false
	}
	switch below[0] {
	case "logout":
		return about(session != "", authz.Subject{Kind: authz.AboutSession, Name: session})
	case "accept-share":
		c, ok := about(method == "POST",
			authz.Subject{Kind: authz.AboutSession, Name: session}, authz.Subject{Kind: authz.AboutDenied})
		c.grant = true
		return c, ok
	case "api":
		if len(below) < 2 || method == "GET" || method == "HEAD" || method == "OPTIONS" {
			return change{}, false
		}
		return watchedAPI(method, below[1], below[2:])
	}
	return change{}, false
}

// watchedAPI is watched for the REST API.
func watchedAPI(method, collection string, rest []string) (change, bool) {
	switch collection {
	case "shares": // /shares/OWNER/NAME
		c, ok := about(len(rest) > 0, guestsOf(rest))
		c.grant, c.everybody = method == "POST", method == "DELETE"
		return c, ok
	case "users":
		return watchedUsers(method, rest)
	case "groups":
		return watchedGroups(method, rest)
	case "services": // /services/NAME
		return about(len(rest) > 0, authz.Subject{Kind: authz.AboutService, Name: at(rest, 0)})
	}
	return change{}, false
}

// watchedUsers is for /users and what is below.
func watchedUsers(method string, rest []string) (change, bool) {
	user := authz.Subject{Kind: authz.AboutUser, Name: at(rest, 0)}
	switch {
	case len(rest) == 0: // new names may match stale shares
		return about(true, authz.Subject{Kind: authz.AboutDenied})
	case len(rest) == 1: // create, change, delete; rights and names of both sides
		return about(true, user,
			authz.Subject{Kind: authz.AboutOwner, Name: rest[0]}, authz.Subject{Kind: authz.AboutDenied})
	}
	switch rest[1] {
	case "shared": // /users/U/shared/OWNER/NAME: leave
		return about(true, user)
	case "tokens": // an OAuth token takes all of its client's tokens with it
		return about(method == "DELETE", user)
	case "server", "servers":
		return about(true, authz.Subject{
			Kind: authz.AboutServer, Name: rest[0], Server: authz.ServerName(at(rest, 2)),
		})
	}
	return change{}, false
}

// watchedGroups is for /groups and what is below. Whose last answer names the
// group is concerned; who is new in it may have been denied before.
func watchedGroups(method string, rest []string) (change, bool) {
	if len(rest) == 0 {
		return about(true, authz.Subject{Kind: authz.AboutDenied})
	}
	if at(rest, 1) == "shared" { // /groups/G/shared/OWNER/NAME
		return about(method == "DELETE", guestsOf(rest[2:]))
	}
	return about(true,
		authz.Subject{Kind: authz.AboutGroup, Name: rest[0]}, authz.Subject{Kind: authz.AboutDenied})
}

// guestsOf names the guests of the server OWNER/NAME; without a name it is the
// default server, whose path ends with a slash.
func guestsOf(path []string) authz.Subject {
	return authz.Subject{
		Kind: authz.AboutGuests, Name: at(path, 0), Server: authz.ServerName(at(path, 1)),
	}
}

func about(ok bool, subjects ...authz.Subject) (change, bool) {
	if !ok {
		return change{}, false
	}
	return change{subjects: subjects}, true
}

func at(path []string, i int) string {
	if i < len(path) {
		return path[i]
	}
	return ""
}

// longest is the longest time for which an answer that c concerns may be used
// where nobody hears of c.
func (c change) longest(rule authz.Rule) time.Duration {
	if c.aboutGuests() {
		return rule.Guests
	}
	return max(rule.Guests, rule.Owners)
}

// aboutGuests reports whether c concerns nobody's own session at his own server.
func (c change) aboutGuests() bool {
	for _, s := range c.subjects {
		switch s.Kind {
		case authz.AboutGuests, authz.AboutDenied, authz.AboutEveryGuest, authz.AboutService:
		default:
			return false
		}
	}
	return true
}

// changeKey is what a change is about. Changes with the same one are covered by
// each other's entries.
type changeKey [3]authz.Subject

// key returns what c is about.
func (c change) key() (key changeKey) {
	copy(key[:], c.subjects)
	return key
}

// takesTurns reports whether anybody may have caused c: whoever claims to have
// the session.
func (c change) takesTurns() bool {
	return len(c.subjects) > 0 && c.subjects[0].Kind == authz.AboutSession
}
