package head

import (
	"slices"
	"testing"
)

// mallory's scope is that of her default server under a base URL.
var mallory = Scope{Cookie: CookieOf("mallory", ""), Prefix: "/base/user/mallory/"}

const page = "/base/user/mallory/lab"

func TestFilterRemovesOriginWideFields(t *testing.T) {
	for _, name := range []string{"Clear-Site-Data", "Alt-Svc", "Strict-Transport-Security", "NEL", "Report-To", "Reporting-Endpoints",
		"Public-Key-Pins", "Public-Key-Pins-Report-Only", "Origin-Agent-Cluster", "Expect-CT", "Accept-CH", "Accept-CH-Lifetime", "Critical-CH", "Alt-Used", "Set-Login", "Use-As-Dictionary", "Sec-Session-Registration",
		"Secure-Session-Registration", "Sec-Session-Challenge", "Secure-Session-Challenge", "Set-Cookie2", "share-proxy-cut"} {
		for _, s := range []Scope{mallory, {Prefix: "/user/m/", Own: true}} {
			h := Head{{"Content-Type", "text/html"}, {name, "x"}, {"ETag", `"1"`}}
			if got, want := s.Filter(h, page), (Head{h[0], h[2]}); !slices.Equal(got, want) {
				t.Errorf("E15 E17 %s: got %q, want %q", name, got, want)
			}
		}
	}
}

func TestFilterLeavesTheRest(t *testing.T) {
	h := Head{{"Content-Security-Policy", "frame-ancestors 'self'"}, {"Location", "http://169.254.169.254/"}, {"Connection", "close"},
		{"Set-Cookie", "a=1; Path=/base/user/mallory/"}, {"X-JupyterHub-Version", "5.5.1"}}
	got := mallory.Filter(h, page)
	if !slices.Equal(got, h) || &got[0] != &h[0] {
		t.Errorf("got %q, want the same head", got)
	}
	if n := testing.AllocsPerRun(100, func() { mallory.Filter(h[:3], page) }); n > 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func TestE14ServiceWorkersStayUnderThePrefix(t *testing.T) {
	tests := []struct {
		value string
		pass  bool
	}{
		{"/base/user/mallory/", true}, {"/base/user/mallory", true}, {"/base/user/mallory/static/", true},
		{"/", false}, {"/base/", false}, {"/base/user/mallory2/", false}, {"", false}, {"./", false}, {"..", false},
		{"/base/user/mallory/../alice/", false}, {"/base/user/mallory/.%2E/alice/", false}, {"/base/user/mallory/%2e%2E/", false},
		{`/base/user/mallory/..\..\`, false}, {"/base/user/mallory//", false}, {"https://hub.example/", false}, {"/base/user/mallory/\t../", false},
		{"/base/user/mallory/?/..", false}, {"/base/user/mallory/...", true}, {"/base/user/mallory/.x", true},
	}
	for _, tt := range tests {
		h := Head{{"service-worker-allowed", tt.value}}
		if got := mallory.Filter(h, page); (len(got) == 1) != tt.pass {
			t.Errorf("%q: got %q, want pass %v", tt.value, got, tt.pass)
		}
		if got := (Scope{Prefix: "/user/m/", Own: true}).Filter(h, page); len(got) != 1 {
			t.Errorf("%q on a host of its own: got %q, want it to pass", tt.value, got)
		}
		if got := (Scope{}).Filter(h, page); len(got) != 0 {
			t.Errorf("%q without a scope: got %q, want nothing", tt.value, got)
		}
	}
}

func TestSetCookie(t *testing.T) {
	const same = "same"
	tests := []struct{ name, value, want string }{ // "": dropped
		{"E04: its own path", "a=1; Path=/base/user/mallory/; HttpOnly", same},
		{"E04: its own path without the slash", "a=1; Path=/base/user/mallory", same},
		{"E04: a path below", "a=1; path = /base/user/mallory/api ; Secure", same},
		{"E04: no path", "a=b=c; Max-Age=5; SameSite=Lax; Partitioned", same},
		{"S08: its token cookie", "jupyterhub-user-mallory=\"2|1:0|x\"; expires=Wed, 01 Jan 2031 00:00:00 GMT; HttpOnly; Path=/base/user/mallory/", same},
		{"S07: its login state", "jupyterhub-user-mallory-oauth-state=x; Path=/base/user/mallory/", same},
		{"_xsrf with its own path", "_xsrf=2|x; Path=/base/user/mallory/", same},
		{"E06: its own cookie with __Host-", "__Host-jupyterhub-user-mallory=x; Path=/; Secure", same},
		{"E06: that one's login state", "__Host-jupyterhub-user-mallory-oauth-state=x; Path=/; Secure", same},
		{"E05: that one with a domain", "__Host-jupyterhub-user-mallory=x; Path=/; domain=example; Secure", "__Host-jupyterhub-user-mallory=x; Path=/; Secure"},
		{"E04: the root", "a=1; Path=/", "a=1; Path=/base/user/mallory/"},
		{"E04: the Hub's path", "a=1; Secure; PATH=/base/hub/; HttpOnly", "a=1; Secure; HttpOnly; Path=/base/user/mallory/"},
		{"E04: _xsrf for the Hub", "_xsrf=x;path=/base/hub/", "_xsrf=x; Path=/base/user/mallory/"},
		{"E04: a neighbour with the same beginning", "a=1; Path=/base/user/mallory2/", "a=1; Path=/base/user/mallory/"},
		{"E04: repeated, the last is foreign", "a=1; Path=/base/user/mallory/; Path=/", "a=1; Path=/base/user/mallory/"},
		{"E04: repeated, the last is its own", "a=1; Path=/; Path=/base/user/mallory/", "a=1; Path=/base/user/mallory/"},
		{"E04: a quoted path", `a=1; Path="/base/user/mallory/"`, "a=1; Path=/base/user/mallory/"},
		{"E04: an empty path", "a=1; Path=", "a=1; Path=/base/user/mallory/"},
		{"E04: a path without a value", "a=1; Path", "a=1; Path=/base/user/mallory/"},
		{"E04: a relative path", "a=1; Path=base", "a=1; Path=/base/user/mallory/"},
		{"E04: a tab around the name", "a=1;\tpath\t=\t/", "a=1; Path=/base/user/mallory/"},
		{"E04: a path so long that browsers ignore it", "a=1; Path=/base/user/mallory/" + long, "a=1; Path=/base/user/mallory/"},
		{"E05: a domain", "a=1; Domain=example.com", "a=1"},
		{"E05: domains in odd spellings", "a=1; DOMAIN=x; Secure; domain; domain =.x", "a=1; Secure"},
		{"an attribute that only contains the word", "a=1; subdomain=x", same},
		{"E01: share-proxy's session", "share-proxy-session=x; Path=/base/user/mallory/", ""},
		{"E01: with a prefix", "__Host-share-proxy-session=x; Path=/; Secure", ""},
		{"E01: the service's client", "service-share-proxy=x", ""},
		{"E06: the session id", "jupyterhub-session-id=x; Path=/base/user/mallory/", ""},
		{"E06: the Hub's login", "jupyterhub-hub-login=x", ""},
		{"E06: the services' cookie", "jupyterhub-services=x", ""},
		{"E04: alice's token cookie", "jupyterhub-user-alice=x; Path=/base/user/alice/", ""},
		{"E04: alice's login state", "jupyterhub-user-alice-oauth-state=x", ""},
		{"a named server's cookie", "jupyterhub-user-mallory-nb2=x", ""},
		{"E06: another case", "JupyterHub-Session-ID=x", ""},
		{"E06: __Host-", "__Host-a=x; Path=/; Secure", ""},
		{"E06: __Secure- in another case", "__SECURE-a=x; Secure", ""},
		{"E06: __Http-", "__Http-a=x", ""},
		{"E06: __Host-Http-", "__Host-Http-a=x", ""},
		{"E06: blanks before the name", " \t__Host-a=x", ""},
		{"a name with odd characters", "\u2000__Host-a=x", ""},
		{"a quoted name", `"jupyterhub-session-id"=x`, ""},
		{"a nameless cookie", "=jupyterhub-session-id=x", ""},
		{"a cookie without an equals sign", "jupyterhub-session-id", ""},
		{"nothing", "", ""},
		{"a control character", "a=1\x00; Path=/base/user/mallory/", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want == same {
				tt.want = tt.value
			}
			got := mallory.Filter(Head{{"Set-Cookie", tt.value}}, page).Get("Set-Cookie")
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// long is longer than browsers let an attribute be.
var long = func() string {
	b := make([]byte, maxAttribute)
	for i := range b {
		b[i] = 'a'
	}
	return string(b)
}()

func TestACookieWithoutPathOnTheBarePrefixGetsOne(t *testing.T) {
	// The browser would take /base/user for a request to /base/user/mallory.
	h := Head{{"Set-Cookie", "a=1"}}
	if got, want := mallory.Filter(h, "/base/user/mallory").Get("Set-Cookie"), "a=1; Path=/base/user/mallory/"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := mallory.Filter(h, "/base/user/mallory/").Get("Set-Cookie"); got != "a=1" {
		t.Errorf("below the prefix: got %q, want it unchanged", got)
	}
}

func TestCookiesInSubdomainMode(t *testing.T) {
	s := Scope{Cookie: CookieOf("mallory", ""), Prefix: "/user/mallory/", Own: true}
	for value, want := range map[string]string{
		"a=1; Path=/":                               "a=1; Path=/",
		"a=1; Path=/; Domain=hub.example":           "a=1; Path=/",
		"jupyterhub-session-id=x":                   "",
		"jupyterhub-user-alice=x":                   "",
		"__Host-a=x; Secure; Path=/":                "",
		"jupyterhub-user-mallory=x; Path=/":         "jupyterhub-user-mallory=x; Path=/",
		"__Host-jupyterhub-user-mallory=x; Path=/;": "__Host-jupyterhub-user-mallory=x; Path=/;",
	} {
		if got := s.Filter(Head{{"Set-Cookie", value}}, "/user/mallory").Get("Set-Cookie"); got != want {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
	}
	if got := (Scope{}).Filter(Head{{"Set-Cookie", "a=1"}, {"Set-Cookie", "b=1; Path=/"}}, "/"); len(got) != 0 {
		t.Errorf("without a scope: got %q, want nothing", got)
	}
}

func TestAnswerRemovesWhatEndsAtThisHop(t *testing.T) {
	h := Head{{"Content-Type", "a"}, {"Connection", "close, X-Foo"}, {"Keep-Alive", "5"}, {"x-foo", "1"}, {"Transfer-Encoding", "chunked"},
		{"Trailer", "X"}, {"Upgrade", "h2"}, {"Proxy-Authenticate", "Basic"}, {"Set-Cookie", "a=1"}}
	if got, want := Answer(h, false), (Head{h[0], h[8]}); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Answer(h[:1], false); &got[0] != &h[0] {
		t.Error("the head was copied though nothing changed")
	}
	switched := Answer(Head{{"Upgrade", "websocket"}, {"Connection", "upgrade"}, {"Sec-WebSocket-Accept", "x"}}, true)
	if !WebSocket(switched) || !switched.lists("Connection", "upgrade") || len(switched) != 3 {
		t.Errorf("a 101: got %q, want the upgrade once", switched)
	}
}

// FuzzSetCookie: what passes is, as browsers read it (RFC 6265bis section
// 5.6), confined to the server's path and to its own or nobody's name.
func FuzzSetCookie(f *testing.F) {
	f.Add("a=1; Path=/base/user/mallory/")
	f.Add("a=1; Path=/; path =/base/user/mallory/;domain=x")
	f.Add(" __Host-jupyterhub-user-mallory=1; Path=/")
	f.Add("=jupyterhub-session-id=1;Path=\"/\"")
	f.Fuzz(func(t *testing.T, value string) {
		got := mallory.Filter(Head{{"Set-Cookie", value}}, page).Get("Set-Cookie")
		if got == "" {
			return
		}
		if again := mallory.Filter(Head{{"Set-Cookie", got}}, page).Get("Set-Cookie"); again != got {
			t.Errorf("a second time changes it: %q, then %q", got, again)
		}
		name, path, domain := browser(got)
		if domain || hasPrefixFold(name, "__") && name != "__Host-jupyterhub-user-mallory" && isPrefixed(name) && mallory.Cookie.roleOf(name) != loginState {
			t.Errorf("%q passed as %q", value, got)
		}
		if !hasPrefixFold(name, "__Host-") && path != "" && path+"/" != mallory.Prefix && (len(path) < len(mallory.Prefix) || path[:len(mallory.Prefix)] != mallory.Prefix) {
			t.Errorf("%q passed as %q with path %q", value, got, path)
		}
	})
}
