package target

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// host is the Host header of all tests.
const host = "good.example:8000"

// refused are targets that no upstream may see.
var refused = []struct {
	name, raw string
	reason    error
}{
	{"A01 dot segments", "/user/alice/../bob/", errDots},
	{"A01 a single dot", "/user/alice/./lab", errDots},
	{"A01 dots at the end", "/user/alice/..", errDots},
	{"A01 dot at the end", "/user/alice/.", errDots},
	{"A01 dots with a query behind them", "/user/alice/..?x", errDots},
	{"A02 escaped dots", "/user/alice/%2e%2e/bob/", errDots},
	{"A02 half escaped dots", "/user/alice/.%2e/bob/", errDots},
	{"A02 half escaped dots, capital", "/user/alice/%2E./bob/", errDots},
	{"A02 one escaped dot", "/user/alice/%2e/bob/", errDots},
	{"A03 dots before an escaped slash", "/user/alice/..%2fbob/", errDots},
	{"A03 dots behind an escaped slash", "/user/alice/%2f../bob/", errDots},
	{"A03 dots between escaped slashes", "/user/alice%2f..%2fbob/", errDots},
	{"A03 everything escaped", "/user/alice%2F%2E%2E%2Fbob/", errDots},
	{"A05 double slash in front", "//user/bob/lab", errEmptySegment},
	{"A05 nothing but slashes", "//", errEmptySegment},
	{"A06 empty segment", "/user//bob/", errEmptySegment},
	{"A06 empty segment before dots", "/user/alice//../bob", errEmptySegment},
	{"A06 two trailing slashes", "/user/alice//", errEmptySegment},
	{"A07 backslash", `/user/alice/a\b`, errBackslash},
	{"A07 backslash and dots", `/user/alice/..\bob`, errBackslash},
	{"A07 backslash in the prefix", `/user\bob/lab`, errBackslash},
	{"A07 escaped backslash", "/user/alice/..%5cbob", errBackslash},
	{"A07 escaped backslash, capital", "/user%5Cbob", errBackslash},
	{"A09 dots with a path parameter", "/user/alice/..;/bob", errDots},
	{"A09 dots with a named path parameter", "/user/alice/..;x=1/bob", errDots},
	{"A09 dots with an escaped path parameter", "/user/alice/%2e%2e%3bx/bob", errDots},
	{"A09 dot with a path parameter", "/user/alice/.;/bob", errDots},
	{"A12 NUL", "/user/alice/%00", errControl},
	{"A12 CR LF", "/user/alice/%0d%0aX:1", errControl},
	{"A12 DEL", "/user/alice/%7f", errControl},
	{"A12 escaped tab between dots", "/user/alice/.%09./bob", errControl},
	{"A12 last control", "/user/alice/%1f", errControl},
	{"A12 raw NUL", "/user/alice/\x00", errControl},
	{"A12 raw tab", "/user/alice/\t", errControl},
	{"A12 raw DEL", "/user/alice/\x7f", errControl},
	{"A12 raw CR in the query", "/user/alice/?a\rb", errControl},
	{"raw space", "/user/alice/a b", errControl},
	{"raw space in the query", "/user/alice/?a b", errControl},
	{"A13 lone percent", "/user/alice/%", errEscape},
	{"A13 cut escape", "/user/alice/%2", errEscape},
	{"A13 escape cut by the slash", "/user/alice/%2/", errEscape},
	{"A13 bad escape", "/user/alice/%zz", errEscape},
	{"A13 bad second digit", "/user/alice/%2g", errEscape},
	{"A13 byte behind the digits", "/user/alice/%2:", errEscape},
	{"A17 fragment", "/user/bob#/../alice", errFragment},
	{"A17 fragment on a public path", "/healthz#/user/bob", errFragment},
	{"A17 fragment in the query", "/user/bob?x#y", errFragment},
	{"A18 foreign authority", "http://evil/user/bob/", errAuthority},
	{"A18 other port", "http://good.example/user/bob/", errAuthority},
	{"A18 no authority", "http:///user/bob/", errAuthority},
	{"A18 backslash behind the authority", `http://good.example:8000\@evil/`, errAuthority},
	{"A19 other scheme", "file:///etc/passwd", errForm},
	{"A19 other scheme, same authority", "ftp://good.example:8000/", errForm},
	{"A19 userinfo", "http://u:p@good.example:8000/", errAuthority},
	{"A20 asterisk", "*", errForm},
	{"authority form", "good.example:8000", errForm},
	{"empty", "", errForm},
	{"no leading slash", "user/bob/", errForm},
	{"A24 dots behind a public prefix", "/hub/../user/bob/", errDots},
	{"A24 escaped dots behind a public prefix", "/hub/%2e%2e/user/bob", errDots},
	{"A24 dots twice", "/hub/static/../../user/bob", errDots},
	{"A27 zone in the authority", "http://[::1%25a]/", errAuthority},
	{"A27 two ports", "http://good.example:8000:2/", errAuthority},
	{"absolute form with dots", "http://good.example:8000/user/../bob", errDots},
	{"B27 longest and one more", "/" + strings.Repeat("a", maxLength), errLength},
	{"B27 too long in the query", "/?" + strings.Repeat("a", maxLength), errLength},
	{"too many segments", strings.Repeat("/a", maxSegments+1), errSegments},
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.raw, host)
			if !errors.Is(err, tt.reason) {
				t.Errorf("error = %v, want %v", err, tt.reason)
			}
			if got.Path() != "" || len(got.Segments()) != 0 {
				t.Errorf("a refused target has the path %q", got.Path())
			}
		})
	}
}

func TestParseRefusesAuthorityThatEqualsAnOddHost(t *testing.T) {
	for _, h := range []string{"", "u@good", "[::1%25a]", "a b", "a%41"} {
		if _, err := Parse("http://"+h+"/", h); !errors.Is(err, errAuthority) {
			t.Errorf("authority %q: error = %v, want %v", h, err, errAuthority)
		}
	}
}

// accepted are targets, their segments, and what goes upstream when all of the
// segments belong to the route.
var accepted = []struct {
	name, raw string
	segments  []string
	upstream  string
}{
	{"root", "/", nil, "/"},
	{"A08 escaped letters", "/%75ser/b%6fb/", []string{"user", "bob"}, "/user/bob/"},
	{"no trailing slash", "/user/bob", []string{"user", "bob"}, "/user/bob"},
	{"A04 escaped slash", "/u/api/x/a%2Fb", []string{"u", "api", "x", "a/b"}, "/u/api/x/a%2Fb"},
	{"A04 URL as a segment", "/v2/git/https%3A%2F%2Fx.org%2fa/", []string{"v2", "git", "https://x.org/a"}, "/v2/git/https%3A%2F%2Fx.org%2Fa/"},
	{"A09 path parameter is part of the name", "/user/bob;x=1/", []string{"user", "bob;x=1"}, "/user/bob%3Bx%3D1/"},
	{"A14 no UTF-8", "/user/alice/%ff%fe", []string{"user", "alice", "\xff\xfe"}, "/user/alice/%FF%FE"},
	{"A14 overlong dots", "/a/%c0%ae%c0%ae/", []string{"a", "\xc0\xae\xc0\xae"}, "/a/%C0%AE%C0%AE/"},
	{"A15 decoded once", "/a/%252e%252e/bob", []string{"a", "%2e%2e", "bob"}, "/a/%252e%252e/bob"},
	{"A15 slash decoded once", "/a/%252f", []string{"a", "%2f"}, "/a/%252f"},
	{"three dots", "/a/.../b..c/.x/x.", []string{"a", "...", "b..c", ".x", "x."}, "/a/.../b..c/.x/x."},
	{"user has@", "/user/has%40/", []string{"user", "has@"}, "/user/has@/"},
	{"user ~TestJH", "/user/%7eTestJH/", []string{"user", "~TestJH"}, "/user/~TestJH/"},
	{"user a b", "/user/a%20b/", []string{"user", "a b"}, "/user/a%20b/"},
	{"user 秀樹", "/user/%e7%a7%80%E6%A8%B9/", []string{"user", "秀樹"}, "/user/%E7%A7%80%E6%A8%B9/"},
	{"user 秀樹 unescaped", "/user/秀樹/", []string{"user", "秀樹"}, "/user/%E7%A7%80%E6%A8%B9/"},
	{"user a+b", "/user/a+b/", []string{"user", "a+b"}, "/user/a%2Bb/"},
	{"every other delimiter", "/!$&'()*,;=:%2b", []string{"!$&'()*,;=:+"}, "/%21%24%26%27%28%29%2A%2C%3B%3D%3A%2B"},
	{"bytes that need an escape", `/"<>^{|}` + "`", []string{"\"<>^{|}`"}, "/%22%3C%3E%5E%7B%7C%7D%60"},
	{"absolute form", "HTTP://GOOD.example:8000/user/bob", []string{"user", "bob"}, "/user/bob"},
	{"absolute form without a path", "http://good.example:8000", nil, "/"},
	{"more segments than fit inline", strings.Repeat("/%61", 40), slices.Repeat([]string{"a"}, 40), strings.Repeat("/a", 40)},
	{"most segments", strings.Repeat("/a", maxSegments), slices.Repeat([]string{"a"}, maxSegments), strings.Repeat("/a", maxSegments)},
	{"longest", "/" + strings.Repeat("a", maxLength-1), []string{strings.Repeat("a", maxLength-1)}, "/" + strings.Repeat("a", maxLength-1)},
}

func TestParseAccepts(t *testing.T) {
	for _, tt := range accepted {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.raw, host)
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			if !slices.Equal(got.Segments(), tt.segments) {
				t.Errorf("segments = %q, want %q", got.Segments(), tt.segments)
			}
			for _, n := range []int{len(tt.segments), len(tt.segments) + 1} {
				if up := got.Upstream(n); up != tt.upstream {
					t.Errorf("Upstream(%d) = %q, want %q", n, up, tt.upstream)
				}
			}
		})
	}
}

func TestUpstreamLeavesTheRestAsReceived(t *testing.T) {
	const raw = `/%75ser/%62ob/%61/a%2fb/%ff/"/秀/`
	got, err := Parse(raw+"?x=%zz&/../", host)
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []string{
		`/%75ser/%62ob/%61/a%2fb/%ff/"/秀/`,
		`/user/%62ob/%61/a%2fb/%ff/"/秀/`,
		`/user/bob/%61/a%2fb/%ff/"/秀/`,
		`/user/bob/a/a%2fb/%ff/"/秀/`,
	} {
		if up := got.Upstream(n); up != want {
			t.Errorf("Upstream(%d) = %q, want %q", n, up, want)
		}
	}
	if got.Path() != raw {
		t.Errorf("Path() = %q, want %q", got.Path(), raw)
	}
}

func TestPrefixEndStopsBeforeATrailingSlash(t *testing.T) {
	for n, want := range []int{0, 2, 5, 5} {
		if got := prefixEnd("/a/bb/", n); got != want {
			t.Errorf("prefixEnd of %d segments = %d, want %d", n, got, want)
		}
	}
}

func TestQueryIsWhatFollowsTheFirstQuestionMark(t *testing.T) {
	for _, tt := range []struct {
		raw, path, query string
		has              bool
	}{
		{"/a", "/a", "", false},
		{"/a?", "/a", "", true},
		{"/a?b?c", "/a", "b?c", true},
		{`/a?x=/../\%zz//%00`, "/a", `x=/../\%zz//%00`, true}, // A21: opaque
		{"http://good.example:8000?/hub/login", "/", "/hub/login", true},
	} {
		got, err := Parse(tt.raw, host)
		if err != nil {
			t.Errorf("%s refused: %v", tt.raw, err)
			continue
		}
		if got.Path() != tt.path || got.RawQuery() != tt.query || got.HasQuery() != tt.has {
			t.Errorf("%s = %q, %q, %v; want %q, %q, %v", tt.raw,
				got.Path(), got.RawQuery(), got.HasQuery(), tt.path, tt.query, tt.has)
		}
	}
}

func TestErrorsDoNotQuoteTheTarget(t *testing.T) {
	for _, tt := range refused {
		if _, err := Parse("/s3cret"+tt.raw+"s3cret", host); err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error quotes the target: %v", tt.name, err)
		}
		if a, l := errors.Is(tt.reason, ErrAmbiguous), errors.Is(tt.reason, ErrTooLong); a == l {
			t.Errorf("%v wraps neither or both of the two kinds", tt.reason)
		}
	}
}

const plain = "/base/user/alice/api/contents/work/notebook.ipynb?content=1"

func TestPlainTargetDoesNotAllocate(t *testing.T) {
	allocations := testing.AllocsPerRun(100, func() {
		got, err := Parse(plain, host)
		if err != nil || len(got.Segments()) != 7 || got.Upstream(3) != got.Path() {
			t.Fatal("parsed wrongly")
		}
	})
	if allocations != 0 {
		t.Errorf("allocations = %v, want 0", allocations)
	}
}

func BenchmarkParse(b *testing.B) {
	for name, raw := range map[string]string{
		"plain":   plain,
		"escaped": "/user/%E7%A7%80%E6%A8%B9/files/a%20b%2Fc.txt",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				t, err := Parse(raw, host)
				if err != nil || t.Upstream(2) == "" {
					b.Fatal(err)
				}
			}
		})
	}
}
