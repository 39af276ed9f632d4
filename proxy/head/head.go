// Package head holds every rule about the heads of messages: which requests
// are refused, which credential a user server would use, and what is taken
// out of a request on its way to the server and out of an answer on its way
// to the client.
//
// All of it is pure. A head is an ordered list of fields as they were
// received, not a map of some HTTP library, so the engine that reads and
// writes bytes can be replaced without touching a rule. Nothing here does
// I/O, keeps state, or knows a clock, and no function changes the Head it
// was given: what comes back is either the same Head or a new one.
//
// Two invariants carry the rest. Whatever a user server could read as a
// credential of its visitor has either been judged or is gone. And names are
// read the way the program behind reads them (tornado, for JupyterHub's
// servers); what only some other parser would take for such a name is removed
// without being judged.
//
// The package decides nothing about access and parses no request target.
package head

import (
	"iter"
	"strings"
)

// Field is one header line. The name's case is kept; the value is without the
// white space around it.
type Field struct{ Name, Value string }

// Head is the header block of a message: the lines in the order in which they
// were received, repeated names included. The request's Host is one of them,
// and so are Content-Length and Transfer-Encoding as far as the engine saw
// them. Names compare without regard to ASCII case. The zero Head is an empty
// block.
type Head []Field

// Get returns the value of the first field of that name, or "".
func (h Head) Get(name string) string {
	for _, f := range h {
		if equalFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// Count returns how many fields have that name.
func (h Head) Count(name string) int {
	n := 0
	for _, f := range h {
		if equalFold(f.Name, name) {
			n++
		}
	}
	return n
}

// Has reports whether there is a field of that name, even an empty one.
func (h Head) Has(name string) bool {
	for _, f := range h {
		if equalFold(f.Name, name) {
			return true
		}
	}
	return false
}

// Values yields the values of all fields of that name, in order.
func (h Head) Values(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, f := range h {
			if equalFold(f.Name, name) && !yield(f.Value) {
				return
			}
		}
	}
}

// Without returns the head without the fields of that name: h itself when
// there is none.
func (h Head) Without(name string) Head {
	return h.drop(func(f Field) bool { return equalFold(f.Name, name) })
}

// drop returns the head without the fields that gone names; h itself when
// there is none.
func (h Head) drop(gone func(Field) bool) Head {
	for i, f := range h {
		if !gone(f) {
			continue
		}
		rest := append(make(Head, 0, len(h)), h[:i]...)
		for _, f := range h[i+1:] {
			if !gone(f) {
				rest = append(rest, f)
			}
		}
		return rest
	}
	return h
}

// list yields the elements of a comma-separated field (RFC 9110 section
// 5.6.1) over all its lines, trimmed, empty ones left out. Quoted strings are
// not known here: the fields read with it have none.
func (h Head) list(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for v := range h.Values(name) {
			for e := range strings.SplitSeq(v, ",") {
				if e = trimOWS(e); e != "" && !yield(e) {
					return
				}
			}
		}
	}
}

// lists reports whether the list of that name has the token.
func (h Head) lists(name, token string) bool {
	for e := range h.list(name) {
		if equalFold(e, token) {
			return true
		}
	}
	return false
}

// trimOWS removes the optional white space of RFC 9110 section 5.6.3.
func trimOWS(s string) string { return strings.Trim(s, " \t") }

// equalFold compares ASCII only. strings.EqualFold would also take the Kelvin
// sign for a k.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

// hasPrefixFold is strings.HasPrefix without regard to ASCII case.
func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && equalFold(s[:len(prefix)], prefix)
}

// containsFold is strings.Contains without regard to ASCII case.
func containsFold(s, word string) bool {
	for i := 0; i+len(word) <= len(s); i++ {
		if equalFold(s[i:i+len(word)], word) {
			return true
		}
	}
	return false
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isAlnum(c byte) bool {
	return isDigit(c) || 'a' <= lower(c) && lower(c) <= 'z'
}

// isTokenChar is tchar of RFC 9110 section 5.6.2.
func isTokenChar(c byte) bool {
	return isAlnum(c) || c != 0 && strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// isToken reports whether s is a token of RFC 9110, which names of fields and
// of cookies have to be.
func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenChar(s[i]) {
			return false
		}
	}
	return s != ""
}

// hasControl reports whether a value holds a control character other than the
// tab: NUL, CR and LF among them. Bytes from 0x80 are opaque text.
func hasControl(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 && c != '\t' || c == 0x7f {
			return true
		}
	}
	return false
}
