package head

import (
	"strconv"
	"strings"
	"time"
)

// maxSession bounds the Hub's session id; it makes 32 hex digits.
const maxSession = 128

// SessionID returns the visitor's session at the Hub, the value of
// jupyterhub-session-id as tornado reads it: of several the last. "" when
// there is none or when it is none that the Hub makes. The cookie is not
// signed: whoever sends it can claim any session, so it may lead to a new
// question to the Hub but to nothing else.
func SessionID(h Head) string {
	id := ""
	for p := range h.pairs() {
		if p.name == "jupyterhub-session-id" {
			id = unquote(p.value)
		}
	}
	if len(id) > maxSession || !isToken(id) {
		return ""
	}
	return id
}

// ClearsSession reports whether an answer of the Hub ends the visitor's
// session there: it clears jupyterhub-session-id or jupyterhub-hub-login, as
// its logout does (clear_login_cookie in handlers/base.py), on whichever page
// an authenticator has put that. A cookie is cleared by an empty value, by a
// Max-Age of nothing, or by an Expires that is not after now.
func ClearsSession(h Head, now time.Time) bool {
	for value := range h.Values("Set-Cookie") {
		first, attributes, _ := strings.Cut(value, ";")
		name, content := attribute(first)
		name = strings.TrimPrefix(name, hostPrefix)
		if name != "jupyterhub-session-id" && name != "jupyterhub-hub-login" {
			continue
		}
		if unquote(content) == "" || hasEnded(attributes, now) {
			return true
		}
	}
	return false
}

// hasEnded reads the attributes of a cookie as browsers do: of several of one
// name the last valid one counts, and Max-Age goes before Expires.
func hasEnded(attributes string, now time.Time) bool {
	var expires, maxAge, ended bool
	for raw := range attributesOf(attributes) {
		name, value := attribute(raw)
		switch {
		case equalFold(name, "max-age"):
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				maxAge, ended = true, n <= 0
			}
		case equalFold(name, "expires"):
			if t, err := parseDate(value); err == nil {
				expires = !t.After(now)
			}
		}
	}
	if maxAge {
		return ended
	}
	return expires
}

// parseDate reads the date forms that Python's libraries write into cookies.
func parseDate(s string) (t time.Time, err error) {
	for _, layout := range [...]string{time.RFC1123, "Mon, 02-Jan-2006 15:04:05 MST", "Mon, 02-Jan-06 15:04:05 MST"} {
		if t, err = time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, err
}
