package head

import "strings"

// SameOrigin reports whether a WebSocket handshake came from a page of the
// host that it is addressed to. Handshakes are not bound by CORS, and the
// browser adds the cookie whichever page asks, so a handshake whose credential
// is a cookie needs this. One with a token in a field does not: no foreign page
// can add that.
//
// There must be one Origin whose host and port are those of Host; "null" is
// nobody's. Default ports are those of the origin's scheme; the schemes
// themselves are not compared, because behind a TLS terminator ours is not
// known. Sec-Fetch-Site, where a browser sends it, must not contradict.
func SameOrigin(h Head) bool {
	if h.Count("Origin") != 1 || h.Count("Host") != 1 || h.Count("Sec-Fetch-Site") > 1 {
		return false
	}
	switch h.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		return false
	}
	scheme, authority, ok := strings.Cut(h.Get("Origin"), "://")
	scheme = strings.ToLower(scheme)
	name, port := splitHost(authority)
	return ok && (scheme == "http" || scheme == "https") && isHostName(name) && isPort(port) &&
		sameHost(authority, h.Get("Host"), scheme)
}
