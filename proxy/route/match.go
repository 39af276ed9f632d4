package route

import (
	"errors"
	"strings"
)

var (
	// ErrNone is returned by Match when no route leads there. The answer is 404.
	ErrNone = errors.New("no route")

	// ErrSlash is returned by Match for an escaped slash in the part of a path
	// that chooses the route. The answer is 400.
	ErrSlash = errors.New("escaped slash where a route is chosen")
)

// Match returns the longest route that the segments begin with, and how many of
// them it consumed: those may be forwarded in canonical form, the rest belongs to
// the upstream. host is the Host header; it matters to a table with hosts only,
// and its case and port do not. Paths have case.
//
// The segments are decoded, so one may contain a slash that was escaped. Where
// the walk along the segments stands before such a one and some longer route could
// still be chosen, readers could disagree on whose server is meant, and Match
// returns ErrSlash: for /user%2Fbob/lab always, for /user/alice/x%2Fy when alice
// has a named server besides (then her own server's first segment decides between
// the two). Behind the last choice an escaped slash is the upstream's own
// business: /user/alice/api/contents/a%2Fb passes.
func (t *Table) Match(host string, segments []string) (r *Route, n int, err error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	r = t.root.route
	at := &t.root
	if t.hosts {
		at = at.children[hostKey(host)]
		if at == nil {
			segments = nil // a host of nobody's: only the root is left
		} else if at.route != nil {
			r = at.route
		}
	}
	for i, segment := range segments {
		if len(at.children) == 0 {
			break
		}
		if strings.IndexByte(segment, '/') >= 0 {
			return nil, 0, ErrSlash
		}
		if at = at.children[segment]; at == nil {
			break
		}
		if at.route != nil {
			r, n = at.route, i+1
		}
	}
	if r == nil {
		return nil, 0, ErrNone
	}
	return r, n, nil
}

// hostKey takes the port off a Host header and folds its case.
func hostKey(host string) string {
	end := strings.IndexByte(host, ']') + 1 // an IPv6 address has colons inside
	if colon := strings.IndexByte(host[end:], ':'); colon >= 0 {
		host = host[:end+colon]
	}
	return strings.ToLower(host)
}
