package target

import (
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
)

// FuzzParse checks that what upstream parses is what was judged: whatever is
// accepted has, in its forwarded form, the same segments for us and the same
// first n segments for every kind of reader that may stand behind the proxy.
func FuzzParse(f *testing.F) {
	for _, tt := range refused {
		if len(tt.raw) < 1000 {
			f.Add(tt.raw)
		}
	}
	for _, tt := range accepted {
		if len(tt.raw) < 1000 {
			f.Add(tt.raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := Parse(raw, host)
		if err != nil {
			return
		}
		segments := got.Segments()
		for _, n := range []int{0, 1, 2, 3, len(segments) / 2, len(segments)} {
			if n > len(segments) {
				continue
			}
			checkForwarded(t, got.Upstream(n), segments, n)
		}
		if got.Upstream(0) != got.Path() {
			t.Errorf("Upstream(0) = %q, want the path %q", got.Upstream(0), got.Path())
		}
	})
}

// checkForwarded compares the readings of up with the segments that were judged.
func checkForwarded(t *testing.T, up string, segments []string, n int) {
	t.Helper()
	again, err := Parse(up, "")
	if err != nil {
		t.Fatalf("Upstream(%d) = %q is refused: %v", n, up, err)
	}
	if !slices.Equal(again.Segments(), segments) {
		t.Errorf("Upstream(%d) = %q has the segments %q, want %q", n, up, again.Segments(), segments)
	}
	if twice := again.Upstream(n); twice != up {
		t.Errorf("the canonical form %q is not stable: %q", up, twice)
	}
	want := segments[:n]
	if slices.ContainsFunc(want, func(s string) bool { return strings.Contains(s, "/") }) {
		return // route.Table refuses these before anything is forwarded
	}
	for name, read := range readers {
		if got := read(t, up); len(got) < n || !slices.Equal(got[:n], want) {
			t.Errorf("%s reads %q as %q, want the first segments %q", name, up, got, want)
		}
	}
}

// readers are models of what may stand behind the proxy.
var readers = map[string]func(t *testing.T, path string) []string{
	// Go's own: decoded as a whole, then cleaned, as http.ServeMux does.
	"net/url": func(t *testing.T, p string) []string {
		u, err := url.ParseRequestURI(p)
		if err != nil {
			t.Fatalf("net/url refuses %q: %v", p, err)
		}
		return strings.Split(strings.TrimPrefix(path.Clean(u.Path), "/"), "/")
	},
	// tornado: the raw path is split by a pattern, each group is decoded once.
	"tornado": func(t *testing.T, p string) []string {
		pieces := strings.Split(p[1:], "/")
		for i := range pieces {
			pieces[i] = unescapeLeniently(pieces[i])
		}
		return pieces
	},
	// WHATWG URL, as Node has it: "\" is a slash, "%2e" is a dot, dots are
	// resolved, escapes stay; the routers behind it decode the pieces.
	"whatwg": func(t *testing.T, p string) []string {
		var stack []string
		for _, piece := range strings.Split(strings.ReplaceAll(p, `\`, "/")[1:], "/") {
			switch strings.ReplaceAll(strings.ToLower(piece), "%2e", ".") {
			case ".":
			case "..":
				stack = stack[:max(0, len(stack)-1)]
			default:
				stack = append(stack, unescapeLeniently(piece))
			}
		}
		return stack
	},
	// A NUL or a line end ends the path, which is decoded, then resolved.
	"C": func(t *testing.T, p string) []string {
		p = unescapeLeniently(p)
		if cut := strings.IndexAny(p, "\x00\r\n"); cut >= 0 {
			p = p[:cut]
		}
		return strings.Split(strings.TrimPrefix(path.Clean(p), "/"), "/")
	},
	// Servlet containers decode, drop parameters, then resolve dots. (The names
	// keep theirs here: what matters is that nothing climbs.)
	"servlet": func(t *testing.T, p string) []string {
		var stack []string
		for _, piece := range strings.Split(unescapeLeniently(p), "/") {
			switch name, _, _ := strings.Cut(piece, ";"); {
			case name == "..":
				stack = stack[:max(0, len(stack)-1)]
			case name != "." && piece != "":
				stack = append(stack, piece)
			}
		}
		return stack
	},
}

// unescapeLeniently decodes once, as Python's unquote: what is no escape stays.
func unescapeLeniently(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			b.WriteByte(unhex(s[i+1])<<4 | unhex(s[i+2]))
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
