package head

import (
	"iter"
	"strings"
)

// ServerCookie is the name of the cookie in which one user server keeps its
// visitor's token, without the __Host- prefix that it may carry. The zero
// value is no server's: with it every token cookie is somebody else's.
//
// The name is not unique: user a's server b and user a-b share it. Whose
// server a request is for is known from the route and never from a cookie.
type ServerCookie string

// hostPrefix is put before the names of cookies by servers that have
// cookie_host_prefix_enabled (HubOAuth.cookie_name in services/auth.py).
const hostPrefix = "__Host-"

// CookieOf returns the cookie of the server of that owner and that name (""
// for the default server), both as the Hub spells them in the data of a
// route. Source: user.py of JupyterHub 5.5.1, lines 510 to 512: the OAuth
// client's id, which HubOAuth takes for the cookie's name.
func CookieOf(owner, server string) ServerCookie {
	if owner == "" {
		return ""
	}
	name := "jupyterhub-user-" + quote(owner)
	if server != "" {
		name += "-" + quote(server)
	}
	return ServerCookie(name)
}

// quote is Python's urllib.parse.quote with its defaults: everything but
// letters, digits and _.-~/ is escaped, byte by byte of the UTF-8.
func quote(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; isAlnum(c) || strings.IndexByte("_.-~/", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

// role is what a cookie's name says about the cookie.
type role uint8

const (
	plain      role = iota // nobody's business here
	reserved               // belongs to the Hub, to another server or to share-proxy
	token                  // this server's token cookie
	hostToken              // the same with __Host-
	loginState             // this server's OAuth state, with or without __Host-
)

// roleOf reads a cookie's name, spelled as tornado would hand it to
// JupyterHub's code. Only the exact names of this server's own cookies are its
// own. Every other name that has a reserved word anywhere in it, in any case,
// is reserved: that covers the prefixes, and the spellings that one parser
// takes for the name and another does not ("name" in quotes, $name, an odd
// blank before it).
func (own ServerCookie) roleOf(name string) role {
	if base, host := strings.CutPrefix(name, hostPrefix); own != "" {
		rest, ok := strings.CutPrefix(base, string(own))
		switch {
		case ok && rest == "" && host:
			return hostToken
		case ok && rest == "":
			return token
		case ok && isStateSuffix(rest):
			return loginState
		}
	}
	for _, word := range [...]string{"jupyterhub-user-", "jupyterhub-hub-login", "jupyterhub-services", "share-proxy"} {
		if containsFold(name, word) {
			return reserved
		}
	}
	return plain
}

// isStateSuffix accepts what HubOAuth.set_state_cookie appends: -oauth-state,
// and a dash with eight letters for a second login at the same time.
func isStateSuffix(rest string) bool {
	rest, ok := strings.CutPrefix(rest, "-oauth-state")
	if !ok || rest == "" {
		return ok
	}
	if len(rest) != 9 || rest[0] != '-' {
		return false
	}
	for i := 1; i < len(rest); i++ {
		if c := rest[i]; !isAlnum(c) || isDigit(c) {
			return false
		}
	}
	return true
}

// pair is one element of a Cookie line: its bytes as they stand between two
// semicolons, name and value as tornado reads them, and whether it is the
// first of its line.
type pair struct {
	raw, name, value string
	first            bool
}

// pairs yields the elements of all Cookie lines, in order. It reads like
// tornado.httputil.parse_cookie (6.6.1): split at every semicolon, name and
// value parted by the first equals sign and stripped of what Python calls
// white space, no notion of quotes or escapes while splitting. An element
// without an equals sign has an empty name.
func (h Head) pairs() iter.Seq[pair] {
	return func(yield func(pair) bool) {
		for line := range h.Values("Cookie") {
			first := true
			for raw := range strings.SplitSeq(line, ";") {
				name, value, ok := strings.Cut(raw, "=")
				if !ok {
					name, value = "", raw
				}
				if !yield(pair{raw, strip(name), strip(value), first}) {
					return
				}
				first = false
			}
		}
	}
}

// roleOf reads the pair's name. A pair without a name is judged by its text:
// some parsers take the text, or what follows an empty name, for the name.
func (p pair) roleOf(own ServerCookie) role {
	if p.name != "" {
		return own.roleOf(p.name)
	}
	if ServerCookie("").roleOf(p.value) == reserved {
		return reserved
	}
	return plain
}

// strip is Python's str.strip on text decoded as Latin-1, as tornado decodes
// header lines: next to the ASCII blanks that covers 0x1c to 0x1f, 0x85 and
// 0xa0 as single bytes.
func strip(s string) string {
	for s != "" && isPythonSpace(s[0]) {
		s = s[1:]
	}
	for s != "" && isPythonSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func isPythonSpace(c byte) bool {
	return c == ' ' || 0x09 <= c && c <= 0x0d || 0x1c <= c && c <= 0x1f || c == 0x85 || c == 0xa0
}

// editCookies returns the head with only those cookies that gone does not
// name. Text that stays is not rewritten; when nothing goes and there is one
// Cookie line, h itself comes back. Several lines become one, where the first
// stood: tornado would join them with a comma, and the pair at the seam would
// change its name.
func (h Head) editCookies(gone func(i int, p pair) bool) Head {
	if h.Count("Cookie") <= 1 && !h.anyPair(gone) {
		return h
	}
	var kept []pair
	i := 0
	for p := range h.pairs() {
		if !gone(i, p) {
			kept = append(kept, p)
		}
		i++
	}
	edited := make(Head, 0, len(h))
	for _, f := range h {
		if !equalFold(f.Name, "Cookie") {
			edited = append(edited, f)
		} else if kept != nil {
			edited = append(edited, Field{f.Name, joinPairs(kept)})
			kept = nil
		}
	}
	return edited
}

// anyPair reports whether one of the pairs is as asked.
func (h Head) anyPair(is func(i int, p pair) bool) bool {
	i := 0
	for p := range h.pairs() {
		if is(i, p) {
			return true
		}
		i++
	}
	return false
}

// joinPairs puts elements together again. The blank before an element is its
// own; only one that has come to the front loses it, and the first of a later
// line, which had none, gets one.
func joinPairs(pairs []pair) string {
	var b strings.Builder
	b.WriteString(strings.TrimLeft(pairs[0].raw, " \t"))
	for _, p := range pairs[1:] {
		b.WriteByte(';')
		if p.first {
			b.WriteByte(' ')
		}
		b.WriteString(p.raw)
	}
	return b.String()
}
