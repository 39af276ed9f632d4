package head

import "strings"

// queryToken returns the value of the last argument named token, as tornado's
// get_argument does (parse_qs_bytes: split at &, first =, plus signs and
// escapes decoded, escapes that are none left alone). "" when there is none or
// the last one is empty.
func queryToken(query string) string {
	value := ""
	for param := range strings.SplitSeq(query, "&") {
		if name, v, _ := strings.Cut(param, "="); unescape(name) == "token" {
			value = v
		}
	}
	return unescape(value)
}

// keepQuery returns the query without its arguments named token; with keep,
// the last of them, the one that queryToken reads, stays. All other text is
// untouched and in order. A semicolon parts arguments too (Python did that
// before 3.9.2), but never one that stays.
func keepQuery(query string, keep bool) string {
	last := -1
	for at, param := 0, ""; keep && at <= len(query); at += len(param) + 1 {
		param, _, _ = strings.Cut(query[at:], "&")
		if isTokenParam(param) {
			last = at
		}
	}
	var b []byte // a copy, as soon as something is gone
	edited, begun := false, false
	for at := 0; at <= len(query); {
		n := strings.IndexAny(query[at:], "&;")
		if n < 0 {
			n = len(query) - at
		}
		switch gone := at != last && isTokenParam(query[at:at+n]); {
		case gone && !edited:
			b, edited = append(b, query[:max(at-1, 0)]...), true
		case gone:
		case edited && begun:
			b = append(b, query[at-1:at+n]...) // with the separator before it
		case edited:
			b = append(b, query[at:at+n]...)
			begun = true
		default:
			begun = true
		}
		at += n + 1
	}
	if !edited {
		return query
	}
	return string(b)
}

func isTokenParam(param string) bool {
	name, _, _ := strings.Cut(param, "=")
	return unescape(name) == "token"
}

// unescape is urllib's unquote_plus: a percent sign without two hex digits
// stands for itself.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			b = append(b, ' ')
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			b = append(b, hexValue(s[i+1])<<4|hexValue(s[i+2]))
			i += 2
		default:
			b = append(b, c)
		}
	}
	return string(b)
}

func isHex(c byte) bool { return isDigit(c) || 'a' <= lower(c) && lower(c) <= 'f' }

func hexValue(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return lower(c) - 'a' + 10
}
