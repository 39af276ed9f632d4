package head

import "strings"

// Scope is what a user server may touch in the browser of its visitors. The
// zero Scope owns no path: no cookie passes.
type Scope struct {
	Cookie ServerCookie // the server's own token cookie
	Prefix string       // the route's path as the Hub escapes it, with a slash at both ends: /base/user/alice/
	Own    bool         // the server has a host name of its own (subdomain mode): any path is its own
}

// Filter returns the head of a user server's answer, informational ones (1xx)
// too, without what reaches beyond the server: fields that concern the whole
// origin, cookies of others. path is the raw path of the request. What ends at
// this hop stays in: Answer comes after.
//
// Trailers need no filter, because none are passed on.
func (s Scope) Filter(h Head, path string) Head {
	var out Head // a copy, as soon as something differs
	for i, f := range h {
		g, ok := s.filterField(f, path)
		if out == nil && (!ok || g != f) {
			out = append(make(Head, 0, len(h)), h[:i]...)
		}
		if out != nil && ok {
			out = append(out, g)
		}
	}
	if out == nil {
		return h
	}
	return out
}

// filterField returns one field as it may pass, or false.
func (s Scope) filterField(f Field, path string) (Field, bool) {
	ok := true
	switch {
	case equalFold(f.Name, "Set-Cookie"):
		f.Value, ok = s.setCookie(f.Value, path)
	case equalFold(f.Name, "Service-Worker-Allowed"):
		ok = s.Own || s.holds(f.Value)
	case among(originNames, f.Name):
		ok = false
	}
	return f, ok
}

// holds reports whether a path, as a browser resolves it, lies under the
// prefix. Paths that a browser would rewrite before comparing are not looked
// into: they are outside.
func (s Scope) holds(path string) bool {
	return s.Prefix != "" && isPlainPath(path) && under(path, s.Prefix)
}

// under reports whether a path is the prefix or below it, by whole segments:
// /user/alice2 is not under /user/alice/.
func under(path, prefix string) bool {
	return strings.HasPrefix(path, prefix) || path+"/" == prefix
}

// isPlainPath reports whether a browser takes an absolute path as it stands:
// no dot segments in any spelling, no empty segments, no backslash, no query
// or fragment, nothing but visible ASCII.
func isPlainPath(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	for i := range len(path) {
		if c := path[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`\?#`, c) >= 0 {
			return false
		}
	}
	for rest, more := path[1:], true; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		if isDots(segment) || segment == "" && more {
			return false
		}
	}
	return true
}

// isDots reports whether a segment is . or .. with any of the dots escaped.
func isDots(segment string) bool {
	dots := 0
	for segment != "" {
		switch {
		case segment[0] == '.':
			segment = segment[1:]
		case hasPrefixFold(segment, "%2e"):
			segment = segment[3:]
		default:
			return false
		}
		dots++
	}
	return dots == 1 || dots == 2
}

// Answer returns the head of any upstream's answer as it may be written to the
// client: without what ends at this hop, the fields that Connection names
// among them. switching is for a 101 that SwitchedTo accepted; its upgrade
// stays.
func Answer(h Head, switching bool) Head {
	out := h.drop(func(f Field) bool {
		return among(hopNames, f.Name) || h.lists("Connection", f.Name)
	})
	if switching {
		out = append(out[:len(out):len(out)], Field{"Connection", "Upgrade"}, Field{"Upgrade", "websocket"})
	}
	return out
}
