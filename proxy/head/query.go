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
	var b []byte
	for at := 0; at <= len(query); {
		n := strings.IndexAny(query[at:], "&;")
		if n < 0 {
			n = len(query) - at
		}
		gone := at != last && isTokenParam(query[at:at+n])
		switch {
		case gone && b == nil:
			b = append(make([]byte, 0, len(query)), query[:at]...)
		case !gone && b != nil:
			b = append(b, query[at:at+n]...)
		}
		at += n + 1
		if !gone && b != nil && at <= len(query) {
			b = append(b, query[at-1])
		}
	}
	if b == nil {
		return query
	}
	return endOf(string(b), query)
}

// endOf takes off the separator that stood before an argument at the end that
// is gone. One that the query itself ended with stays.
func endOf(edited, query string) string {
	if n := len(edited); n > 0 && isSeparator(edited[n-1]) && !isSeparator(query[len(query)-1]) {
		return edited[:n-1]
	}
	return edited
}

func isSeparator(c byte) bool { return c == '&' || c == ';' }

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
