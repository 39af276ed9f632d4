package head

import "strings"

// Source is the place in a request where a credential stands. The order of
// the values is the order in which a user server looks. The zero value is no
// place at all.
type Source uint8

// The sources, in the server's order. A server reads only one of the two
// cookies, by a setting that the proxy cannot see. The one with __Host- comes
// first: a sibling host or a page on plain HTTP cannot set it, so where both
// are there it is the one to believe.
const (
	None       Source = iota
	Query             // ?token=, read for WebSockets only
	Header            // Authorization: token or Bearer
	HostCookie        // the server's cookie with __Host-
	Cookie            // the server's cookie
)

// String returns none, query, header or cookie: a closed set, fit for labels.
func (s Source) String() string {
	switch s {
	case Query:
		return "query"
	case Header:
		return "header"
	case HostCookie, Cookie:
		return "cookie"
	}
	return "none"
}

// IsCookie reports whether the browser adds the credential by itself, so that
// a foreign page can make a request with it.
func (s Source) IsCookie() bool { return s == HostCookie || s == Cookie }

// Credential is a token and where it stood. It prints as its source: the
// token appears in no log that formats the value. The zero value is no
// credential.
type Credential struct {
	Token  string // not empty when Source is not None
	Source Source
}

// String returns the source alone.
func (c Credential) String() string { return c.Source.String() }

// GoString returns the source alone.
func (c Credential) GoString() string { return c.Source.String() }

// MarshalText returns the source alone; slog and encoding/json ask for it.
func (c Credential) MarshalText() ([]byte, error) { return []byte(c.Source.String()), nil }

// Next returns the first credential behind the given source that the user
// server with that cookie could use, in its own order (get_token and _get_user
// in services/auth.py of JupyterHub 5.5.1). With None it returns the one that
// the server would use. What is malformed counts as not there, as it does for
// the server, so that nothing is asked of the Hub that is no token. query is
// the raw query without its question mark.
//
// A token that the Hub does not know is passed over by calling Next again with
// its source; it has to be left out by Keep then.
func Next(h Head, query string, own ServerCookie, after Source) Credential {
	if after < Query && modeIsWebSocket(h) {
		if t := queryToken(query); isBearer(t) {
			return Credential{t, Query}
		}
	}
	if after < Header {
		if t, _ := authorizationToken(h.Get("Authorization")); isBearer(t) {
			return Credential{t, Header}
		}
	}
	if after >= Cookie || own == "" {
		return Credential{}
	}
	var hosted, bare pair
	for p := range h.pairs() {
		switch own.roleOf(p.name) {
		case hostToken:
			hosted = p
		case token:
			bare = p
		}
	}
	if t := signedToken(hosted); after < HostCookie && t != "" {
		return Credential{t, HostCookie}
	}
	if t := signedToken(bare); t != "" {
		return Credential{t, Cookie}
	}
	return Credential{}
}

// modeIsWebSocket reports whether the server reads ?token=. Its comparison is
// exact and case-sensitive.
func modeIsWebSocket(h Head) bool { return h.Get("Sec-Fetch-Mode") == "websocket" }

// authorizationToken reads the field like JupyterHub's pattern
// (token|bearer)\s+(.+), matched at the beginning without regard to case. ok
// is also true when what follows is no token: the server would use it.
func authorizationToken(value string) (tok string, ok bool) {
	for _, scheme := range [...]string{"token", "bearer"} {
		if hasPrefixFold(value, scheme) && len(value) > len(scheme) && isPythonSpace(value[len(scheme)]) {
			return strip(value[len(scheme):]), true
		}
	}
	return "", false
}

// isBearer reports whether s can be a token in a field or a query: visible
// ASCII without what separates elements or quotes them, and of bounded length.
// Administrators may choose tokens for services, so this is wider than what
// the Hub makes itself.
func isBearer(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`",;\`, c) >= 0 {
			return false
		}
	}
	return s != "" && len(s) <= maxToken
}
