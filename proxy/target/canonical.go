package target

import "strings"

// The canonical form of a segment is what Python's quote(segment, safe="@~")
// makes of it: an escape in capitals for every byte but the unreserved ones of
// RFC 3986, 2.3, and "@". JupyterHub escapes the names in its URLs like that, and
// requires it of every routespec (_routespec_from_chp_path in its proxy.py); a
// user server compares its prefix with it byte by byte.

const upperHex = "0123456789ABCDEF"

// isCanonical reports whether appendCanonical would change nothing. path has
// passed Parse.
func isCanonical(path string) bool {
	for i := 0; i < len(path); i++ {
		if path[i] != '%' {
			if path[i] != '/' && !isBare(path[i]) {
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
		slash := c == '/' // the other kind is escaped, and stays so
		if c == '%' {
			c = unhex(path[i+1])<<4 | unhex(path[i+2])
			i += 2
		}
		if slash || isBare(c) {
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

// isBare reports whether c has no escape in the canonical form.
func isBare(c byte) bool {
	return isAlphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~' || c == '@'
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
