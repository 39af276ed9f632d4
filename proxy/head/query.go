package head

import (
	"slices"
	"strings"
)

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
// before 3.9.2), but what queryToken reads has none.
func keepQuery(query string, keep bool) string {
	if !hasTokenParam(query) {
		return query
	}
	params := strings.Split(query, "&")
	last := -1
	for i, param := range params {
		if keep && isTokenParam(param) {
			last = i
		}
	}
	kept := params[:0]
	for i, param := range params {
		if i != last && hasTokenParam(param) {
			parts := slices.DeleteFunc(strings.Split(param, ";"), isTokenParam)
			if len(parts) == 0 {
				continue
			}
			param = strings.Join(parts, ";")
		}
		kept = append(kept, param)
	}
	return strings.Join(kept, "&")
}

// hasTokenParam reports whether an argument is named token, whichever
// character parts the arguments.
func hasTokenParam(query string) bool {
	for {
		i := strings.IndexAny(query, "&;")
		if i < 0 {
			return isTokenParam(query)
		}
		if isTokenParam(query[:i]) {
			return true
		}
		query = query[i+1:]
	}
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
