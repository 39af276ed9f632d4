package head

import "strings"

// browser reads a Set-Cookie as RFC 6265bis section 5.6 says: the name, the
// path ("" for the request's own), and whether there is a domain.
func browser(setCookie string) (name, path string, domain bool) {
	const wsp = " \t"
	parts := strings.Split(setCookie, ";")
	name, _, ok := strings.Cut(parts[0], "=")
	if !ok {
		name = ""
	}
	for _, part := range parts[1:] {
		attribute, value, _ := strings.Cut(part, "=")
		attribute, value = strings.ToLower(strings.Trim(attribute, wsp)), strings.Trim(value, wsp)
		switch {
		case len(value) > 1024:
		case attribute == "path" && strings.HasPrefix(value, "/"):
			path = value
		case attribute == "path":
			path = ""
		case attribute == "domain" && value != "":
			domain = true
		}
	}
	return strings.Trim(name, wsp), path, domain
}
