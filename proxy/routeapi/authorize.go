package routeapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
)

// credential is CHP's pattern for the Authorization header, but anchored: there,
// "Bearer token X" and "token X Y" are accepted too. The scheme has case, as in
// CHP; the Hub sends "token X".
var credential = regexp.MustCompile(`^token\s+(\S+)$`)

// authorized reports whether a call may see and change the routes. The reason of
// a refusal goes to the log, not to the caller.
func (h *handler) authorized(r *http.Request) bool {
	reason := ""
	switch {
	case fromBrowser(r.Header):
		reason = "it comes from a page in a browser"
	case h.Token == "" && !isLocalName(r.Host):
		reason = "without CONFIGPROXY_AUTH_TOKEN only addresses and localhost are served, not host names"
	case h.Token != "" && !h.hasToken(r.Header):
		reason = "missing or wrong token"
	default:
		return true
	}
	h.Log.Warn("route API: call refused", "reason", reason, "peer", r.RemoteAddr)
	return false
}

// hasToken reports whether a call carries the token, once.
func (h *handler) hasToken(header http.Header) bool {
	values := header.Values("Authorization")
	if len(values) != 1 {
		return false
	}
	match := credential.FindStringSubmatch(values[0])
	if match == nil {
		return false
	}
	got := digest(match[1])
	return subtle.ConstantTimeCompare(got[:], h.token[:]) == 1
}

// digest makes tokens comparable in constant time whatever their lengths.
func digest(token string) [32]byte { return sha256.Sum256([]byte(token)) }

// fromBrowser reports whether a page, or any other site, made the browser send
// this call. The Hub and its tools send neither header. A user who pastes the URL
// into a browser sends "none".
func fromBrowser(header http.Header) bool {
	if len(header.Values("Origin")) > 0 {
		return true
	}
	for _, site := range header.Values("Sec-Fetch-Site") {
		if site != "none" {
			return true
		}
	}
	return false
}

// isLocalName reports whether a Host header is an IP address or localhost: a name
// that no attacker can make resolve to this machine (DNS rebinding).
func isLocalName(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	_, err = netip.ParseAddr(host)
	return err == nil
}
