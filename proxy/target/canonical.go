package target

import "strings"

// The canonical form of a segment is the one of RFC 3986, 6.2.2: no escape for
// what needs none, escapes in capitals. "@" is among what needs none, because
// JupyterHub escapes names with Python's quote(name, safe="@~") and a user
// server compares its prefix byte by byte.
//
// The other delimiters ("+", ":", "'" and so on) stay as they came, escaped or
// not. The Hub escapes them in names, but a base URL such as /a+b/ is used by the
// Hub and its servers as the administrator spelled it; there is no form that is
// right for both, and the client got the right one from the Hub's links.

const upperHex = "0123456789ABCDEF"

// isCanonical reports whether appendCanonical would change nothing. path has
// passed Parse.
func isCanonical(path string) bool {
	for i := 0; i < len(path); i++ {
		if path[i] != '%' {
			if !isPlain(path[i]) {
				return false
			}
			continue
		}
		high, low := path[i+1], path[i+2]
		if high >= 'a' || low >= 'a' || isBare(unhex(high)<<4|unhex(low)) {
			return false
		}
		i += 2
	}
	return true
}

// appendCanonical appends the canonical form of path, which has passed Parse.
func appendCanonical(b []byte, path string) []byte {
	for i := 0; i < len(path); i++ {
		c := path[i]
		plain := isPlain(c)
		if c == '%' {
			c = unhex(path[i+1])<<4 | unhex(path[i+2])
			plain = isBare(c)
			i += 2
		}
		if plain {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return b
}

// prefixEnd returns the length of the first n segments of path with their
// leading slashes.
func prefixEnd(path string, n int) int {
	end := 0
	for range n {
		if end+1 >= len(path) {
			break // all segments, or a trailing slash
		}
		next := strings.IndexByte(path[end+1:], '/')
		if next < 0 {
			return len(path)
		}
		end += 1 + next
	}
	return end
}

// isBare reports whether c never needs an escape in a segment: the unreserved
// characters of RFC 3986, 2.3, and "@".
func isBare(c byte) bool {
	return isAlphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~' || c == '@'
}

// isPlain reports whether c may stand unescaped in a path (RFC 3986, 3.3).
func isPlain(c byte) bool {
	return isBare(c) || strings.IndexByte("/:!$&'()*+,;=", c) >= 0
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
