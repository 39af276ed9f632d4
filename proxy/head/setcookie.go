package head

import (
	"iter"
	"strings"
)

// maxAttribute is the length from which on browsers ignore an attribute of a
// cookie (RFC 6265bis section 5.6).
const maxAttribute = 1024

// setCookie returns a Set-Cookie of a user server as it may pass. Under the
// server's own path it passes unchanged; with another path, with several, or
// with one that browsers read differently, it is moved to the server's prefix.
// Domain goes. Cookies that belong to others, that have a prefix by which
// browsers trust them for the whole host, or whose name is no token are
// dropped. What browsers read is RFC 6265bis section 5.6. path is the raw path
// of the request.
func (s Scope) setCookie(value, path string) (string, bool) {
	first, attributes, _ := strings.Cut(value, ";")
	name, _, ok := strings.Cut(first, "=")
	name = trimOWS(name)
	if !ok || !isToken(name) || hasControl(value) {
		return "", false
	}
	switch s.Cookie.roleOf(name) {
	case reserved:
		return "", false
	case token, hostToken, loginState:
		if strings.HasPrefix(name, hostPrefix) {
			// It belongs to the host and has to have the path /, or browsers
			// drop it.
			return withoutAttributes(value, "domain"), true
		}
	default:
		if isPrefixed(name) || containsFold(name, "jupyterhub-session-id") {
			return "", false
		}
	}
	value = withoutAttributes(value, "domain")
	if s.Own || s.ownPath(attributes, path) {
		return value, true
	}
	if s.Prefix == "" {
		return "", false
	}
	return withoutAttributes(value, "path") + "; Path=" + s.Prefix, true
}

// isPrefixed reports whether browsers treat the name's beginning as a promise
// about the cookie. They compare without regard to case. __Host-Http- begins
// with __Host-.
func isPrefixed(name string) bool {
	return hasPrefixFold(name, "__Host-") || hasPrefixFold(name, "__Secure-") || hasPrefixFold(name, "__Http-")
}

// ownPath reports whether a cookie with these attributes is confined to the
// server's prefix in every browser. Without a path the browser takes the
// request's up to its last slash, which is below the prefix unless the request
// was for the prefix without its slash.
func (s Scope) ownPath(attributes, path string) bool {
	value, n := "", 0
	for raw := range attributesOf(attributes) {
		if name, v := attribute(raw); equalFold(name, "path") {
			value, n = v, n+1
		}
	}
	switch {
	case s.Prefix == "":
		return false
	case n == 0:
		return strings.Count(path, "/") >= strings.Count(s.Prefix, "/")
	}
	return n == 1 && len(value) <= maxAttribute && under(value, s.Prefix)
}

// attributesOf yields what stands between the semicolons.
func attributesOf(attributes string) iter.Seq[string] { return strings.SplitSeq(attributes, ";") }

func attribute(raw string) (name, value string) {
	name, value, _ = strings.Cut(raw, "=")
	return trimOWS(name), trimOWS(value)
}

// withoutAttributes returns a Set-Cookie value without the attributes of that
// name, and all other text as it was.
func withoutAttributes(value, gone string) string {
	first, attributes, ok := strings.Cut(value, ";")
	if !ok || !containsFold(attributes, gone) {
		return value
	}
	var b strings.Builder
	b.WriteString(first)
	for raw := range attributesOf(attributes) {
		if name, _ := attribute(raw); !equalFold(name, gone) {
			b.WriteByte(';')
			b.WriteString(raw)
		}
	}
	return b.String()
}
