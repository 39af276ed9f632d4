// Package target reads the target of a request line: once, into segments that
// have one meaning, or not at all.
//
// A proxy that judges one path and forwards another hands out servers. The
// ways to get there are old: dot segments and their escaped spellings, empty
// segments, backslashes, slashes that are escaped here and decoded there,
// fragments, an authority in the target that is not the Host. Parse refuses
// every target on which two readers could disagree about the segments; what is
// left is split at its slashes and each segment is decoded exactly once.
//
// Invariants, for every Target that Parse returned:
//
//   - no segment is empty, and none is, or contains behind an escaped slash,
//     "." or "..", with or without path parameters;
//   - no segment contains a control character or a backslash;
//   - parsing Upstream(n) again gives the same segments, for every n;
//   - a segment contains a slash only when the client escaped it. Jupyter needs
//     those in its own part of the path (document rooms, git URLs). The package
//     route sees to it that none stands where a route is chosen.
//
// What it deliberately does not do: resolve, collapse or repair anything, look
// into the query, decode twice, or know about routes. Bytes that are no UTF-8
// are opaque: they equal nothing but themselves.
package target

// inline is the number of segments that a Target holds without allocating.
// Jupyter's own paths have up to ten below a base URL.
const inline = 12

// A Target is the target of one request line in its only reading. It is made
// by Parse; the zero Target stands for no target at all and must not be routed.
// A Target is not changed after Parse: it may be read by many goroutines.
type Target struct {
	path     string
	query    string
	hasQuery bool

	n    int
	few  [inline]string
	many []string // all segments, when there are more than inline
}

// Segments returns the decoded segments of the path; the root has none, and a
// trailing slash adds none. The slice belongs to t and must not be changed.
func (t *Target) Segments() []string {
	if t.many != nil {
		return t.many
	}
	return t.few[:t.n]
}

// Path returns the path as it was received, with its leading slash. An absolute
// target without a path has the path "/" (RFC 9112, 3.2.2).
func (t *Target) Path() string { return t.path }

// RawQuery returns what was received behind the first "?", without it.
func (t *Target) RawQuery() string { return t.query }

// HasQuery reports whether there was a "?", even with nothing behind it.
func (t *Target) HasQuery() bool { return t.hasQuery }

// Upstream returns the path to forward when a route has consumed the first n
// segments: those in canonical form, so that the server recognises its own
// prefix however the client spelled it, and the rest byte for byte as received.
// It does not allocate when nothing has to be changed. With more segments asked
// for than there are, all are made canonical.
func (t *Target) Upstream(n int) string {
	end := prefixEnd(t.path, n)
	if isCanonical(t.path[:end]) {
		return t.path
	}
	b := make([]byte, 0, len(t.path)+16)
	b = appendCanonical(b, t.path[:end])
	b = append(b, t.path[end:]...)
	return string(b)
}

// Prefix returns the first n segments in canonical form with a slash at both
// ends: the prefix that a server behind a route of n segments calls its own.
// For n of 0 that is "/".
func (t *Target) Prefix(n int) string {
	up := t.Upstream(n)
	end := prefixEnd(up, n)
	if end < len(up) && up[end] == '/' {
		return up[:end+1]
	}
	return up[:end] + "/"
}

// add appends a decoded segment.
func (t *Target) add(segment string) {
	switch {
	case t.n < inline:
		t.few[t.n] = segment
	case t.many == nil:
		t.many = append(make([]string, 0, 4*inline), t.few[:]...)
		fallthrough
	default:
		t.many = append(t.many, segment)
	}
	t.n++
}
