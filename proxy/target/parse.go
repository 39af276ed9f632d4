package target

import "strings"

const (
	// maxLength is the longest target that Parse reads, in bytes. It is twice
	// what configurable-http-proxy took for a whole request head (Node's 16 KiB),
	// and below the 64 kB that a request line must never reach.
	maxLength = 32 << 10

	// maxSegments bounds the work that one path may cause. File systems give up
	// long before (PATH_MAX is 4096 bytes).
	maxSegments = 512
)

// Parse reads raw, the target of a request line exactly as it was received, in
// origin form or in absolute form (RFC 9112, 3.2). host is the value of the
// Host header; the authority of an absolute target must equal it but for the
// case of letters. The other two forms, authority and asterisk, are refused.
//
// The error wraps ErrAmbiguous or ErrTooLong with a constant reason; it never
// contains any part of the target.
func Parse(raw, host string) (Target, error) {
	if len(raw) > maxLength {
		return Target{}, errLength
	}
	origin, err := originForm(raw, host)
	if err != nil {
		return Target{}, err
	}
	t := Target{}
	t.path, t.query, t.hasQuery = strings.Cut(origin, "?")
	if err := checkQuery(t.query); err != nil {
		return Target{}, err
	}
	if err := t.split(); err != nil {
		return Target{}, err
	}
	return t, nil
}

// originForm takes the authority off an absolute target.
func originForm(raw, host string) (string, error) {
	if strings.HasPrefix(raw, "/") {
		return raw, nil
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return "", errForm
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	authority, origin := rest[:end], rest[end:]
	if !isAuthority(authority) || !strings.EqualFold(authority, host) {
		return "", errAuthority
	}
	if !strings.HasPrefix(origin, "/") {
		origin = "/" + origin
	}
	return origin, nil
}

// isAuthority reports whether s is made of the bytes of host names, addresses
// and ports. No userinfo, no zone, no escapes: with those, readers differ.
func isAuthority(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !isAlphanumeric(c) && strings.IndexByte("-._:[]", c) < 0 {
			return false
		}
	}
	return s != ""
}

// checkQuery refuses what cannot stand in a request line, and the fragment.
// Escapes in a query are its reader's business.
func checkQuery(query string) error {
	for i := range len(query) {
		if err := checkRaw(query[i]); err != nil {
			return err
		}
	}
	return nil
}

// split fills in the segments of the path.
func (t *Target) split() error {
	rest := t.path[1:]
	for rest != "" {
		raw, after, _ := strings.Cut(rest, "/")
		if raw == "" {
			return errEmptySegment
		}
		if t.n == maxSegments {
			return errSegments
		}
		segment, err := decode(raw)
		if err != nil {
			return err
		}
		if hasDots(segment) {
			return errDots
		}
		t.add(segment)
		rest = after
	}
	return nil
}
