package head

import (
	"net/netip"
	"strconv"
	"strings"
)

// refuseHost wants exactly one Host that can only be read in one way. HTTP/1.0
// may go without (health checks of load balancers do).
func refuseHost(_, proto string, h Head) error {
	switch n := h.Count("Host"); {
	case n > 1:
		return refuse(400, "repeated Host")
	case n == 0 && proto == "HTTP/1.0":
		return nil
	case n == 0:
		return refuse(400, "Host missing")
	}
	if name, port := splitHost(h.Get("Host")); !isHostName(name) || !isPort(port) {
		return refuse(400, "malformed Host")
	}
	return nil
}

// splitHost cuts the port off an authority; the port comes with its colon, so
// that "no port" and "an empty port" differ.
func splitHost(authority string) (name, port string) {
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || strings.HasSuffix(authority, "]") {
		return authority, ""
	}
	return authority[:i], authority[i:]
}

// isHostName accepts letters, digits, dot, dash, underscore and tilde, or an
// IPv6 address in brackets without a zone. Escapes and non-ASCII letters are
// legal in RFC 3986, but no client sends them: browsers send punycode.
func isHostName(name string) bool {
	if inner, ok := strings.CutPrefix(name, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		return ok && err == nil && addr.Is6() && addr.Zone() == ""
	}
	for i := range len(name) {
		if c := name[i]; !isAlnum(c) && strings.IndexByte(".-_~", c) < 0 {
			return false
		}
	}
	// 253 is the longest name that DNS can hold.
	return name != "" && len(name) <= 253
}

// isPort accepts nothing at all, or a colon and 1 to 65535.
func isPort(port string) bool {
	if port == "" {
		return true
	}
	digits := port[1:]
	n, err := strconv.ParseUint(digits, 10, 16)
	return err == nil && n > 0 && isDigit(digits[0])
}

// sameHost reports whether two authorities name the same host and port, where
// a missing port is the default of the scheme ("http" or "https").
func sameHost(a, b, scheme string) bool {
	nameA, portA := splitHost(a)
	nameB, portB := splitHost(b)
	def := ":80"
	if scheme == "https" {
		def = ":443"
	}
	if portA == "" {
		portA = def
	}
	if portB == "" {
		portB = def
	}
	return nameA != "" && equalFold(nameA, nameB) && portA == portB
}
