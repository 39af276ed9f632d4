package head

import "strings"

// Navigation reports whether a request opens a page: GET or HEAD with
// Sec-Fetch-Mode navigate, or without that field and with text/html in Accept,
// because browsers leave Sec-Fetch-Mode out on plain HTTP.
func Navigation(method string, h Head) bool {
	if method != "GET" && method != "HEAD" || h.Has("Upgrade") {
		return false
	}
	if h.Has("Sec-Fetch-Mode") {
		return h.Get("Sec-Fetch-Mode") == "navigate"
	}
	for e := range h.list("Accept") {
		media, _, _ := strings.Cut(e, ";")
		if equalFold(trimOWS(media), "text/html") {
			return true
		}
	}
	return false
}

// LoginRequest reports whether a request may go to a user server without a
// credential, whatever the answer is: the end of the server's login, its
// logout, and CORS preflights, which browsers send without credentials. below
// is the request's path below the server's prefix, without a slash before it.
// The head must have been through Keep with None.
func LoginRequest(method, below string, h Head) bool {
	switch method {
	case "GET", "HEAD":
		return (below == "oauth_callback" || below == "logout") && !h.Has("Upgrade")
	case "OPTIONS":
		return h.Has("Origin") && h.Has("Access-Control-Request-Method") && !hasBody(h)
	}
	return false
}

// Login says which answers of a user server begin its login.
type Login struct {
	Prefix    string // the server's prefix, escaped, with a slash at both ends
	HubPrefix string // the Hub's, in the same form: /hub/
	Host      string // the Host of the request
	Hosts     bool   // subdomain mode: the Hub's host is one above Host
}

// Begins reports whether an answer to a navigation without a credential may
// pass: a redirect to the Hub's authorize page, or a redirect without a body
// inside the server's prefix. Everything else, such as a page that an
// extension serves to anybody, would be content. hasBody tells whether at
// least one byte of body follows, or may.
func (l Login) Begins(status int, h Head, hasBody bool) bool {
	switch status {
	case 301, 302, 303, 307, 308:
	default:
		return false
	}
	if h.Count("Location") != 1 {
		return false
	}
	host, path, ok := l.resolve(h.Get("Location"))
	if !ok {
		return false
	}
	if path == l.HubPrefix+"api/oauth2/authorize" && l.HubPrefix != "" {
		return true
	}
	return !hasBody && host == l.Host && l.Prefix != "" && under(path, l.Prefix)
}

// resolve splits a Location into the host that it leads to and its path. The
// host is one of ours, or ok is false, as it is for everything that a browser
// would read in another way than it stands here: relative references,
// backslashes, dot segments, blanks.
func (l Login) resolve(location string) (host, path string, ok bool) {
	path, _, _ = strings.Cut(location, "#")
	path, _, _ = strings.Cut(path, "?")
	if hasControl(location) || strings.IndexByte(location, '\t') >= 0 {
		return "", "", false // browsers delete tabs and line ends from a URL
	}
	scheme, rest, absolute := strings.Cut(path, "://")
	if !absolute {
		return l.Host, path, isPlainPath(path)
	}
	if !equalFold(scheme, "http") && !equalFold(scheme, "https") {
		return "", "", false
	}
	authority, path, _ := strings.Cut(rest, "/")
	path = "/" + path
	scheme = strings.ToLower(scheme)
	switch {
	case sameHost(authority, l.Host, scheme):
		return l.Host, path, isPlainPath(path)
	case l.Hosts && isAbove(authority, l.Host, scheme):
		return authority, path, isPlainPath(path)
	}
	return "", "", false
}

// isAbove reports whether an authority is a domain in which host lies, at the
// same port. JupyterHub puts the user's name before its own host (utils.py,
// subdomain_hook_legacy and _idna), as one label or, with dots in the name, as
// several: which of the domains above is the Hub's cannot be told from here.
func isAbove(authority, host, scheme string) bool {
	for {
		_, parent, found := strings.Cut(host, ".")
		if !found {
			return false
		}
		if host = parent; sameHost(authority, host, scheme) {
			return true
		}
	}
}
