package head

import (
	"slices"
	"strings"
	"testing"
)

// tornadoCookies is tornado.httputil.parse_cookie on the lines as tornado
// joins them, written a second time and differently.
func tornadoCookies(h Head) map[string]string {
	line := strings.Join(slices.Collect(h.Values("Cookie")), ",")
	cookies := map[string]string{}
	space := func(r rune) bool { return strings.ContainsRune("\t\n\v\f\r\x1c\x1d\x1e\x1f \u0085\u00a0", r) }
	latin1 := func(s string) string {
		r := make([]rune, len(s))
		for i := range len(s) {
			r[i] = rune(s[i])
		}
		return string(r)
	}
	for _, chunk := range strings.Split(latin1(line), ";") {
		key, value, ok := strings.Cut(chunk, "=")
		if !ok {
			key, value = "", chunk
		}
		if key, value = strings.TrimFunc(key, space), strings.TrimFunc(value, space); key+value != "" {
			cookies[key] = value
		}
	}
	return cookies
}

func TestKeepEditsCookiesAsText(t *testing.T) {
	own := CookieOf("alice", "")
	const a, h = "jupyterhub-user-alice", "__Host-jupyterhub-user-alice"
	tests := []struct {
		name, cookie string
		keep         Source
		want         string // "-": no Cookie line at all
	}{
		{"nothing to remove", `_xsrf=2|a|b; jupyterhub-session-id=0f; x="a b"; y`, None, `_xsrf=2|a|b; jupyterhub-session-id=0f; x="a b"; y`},
		{"odd text stays as it is", ` a = 1;;b=2 ; =v; "q"=1;`, None, ` a = 1;;b=2 ; =v; "q"=1;`},
		{"the judged cookie stays", a + "=1; b=2", Cookie, a + "=1; b=2"},
		{"C14: not when the header was judged", a + "=1; b=2", Header, "b=2"},
		{"not when the query was judged", "c=1; " + a + "=1; b=2", Query, "c=1; b=2"},
		{"not when nothing was judged", a + "=1", None, "-"},
		{"C14: of several the last stays", a + "=1; b=2; " + a + "=3;c=4", Cookie, "b=2; " + a + "=3;c=4"},
		{"of both names the judged one stays", a + "=1; " + h + "=2", HostCookie, h + "=2"},
		{"and the other way round", a + "=1; " + h + "=2", Cookie, a + "=1"},
		{"the login's state passes", a + "-oauth-state=1; " + a + "-oauth-state-abcdEFGH=2; " + h + "-oauth-state=3", None,
			a + "-oauth-state=1; " + a + "-oauth-state-abcdEFGH=2; " + h + "-oauth-state=3"},
		{"what only looks like it does not", a + "-oauth-state-abc=1; " + a + "-oauth-state-abcdEFG1=2; " + a + "-oauth-stateabcdEFGH=3", None, "-"},
		{"C17: other servers' cookies", "jupyterhub-user-bob=1; jupyterhub-user-bob-oauth-state=1; x=2; __Host-jupyterhub-user-bob=3", Cookie, "x=2"},
		{"a named server's cookies", a + "-nb2=1; " + a + "-nb2-oauth-state=1; x=2; " + a + "2=3", Cookie, "x=2"},
		{"C17: the Hub's cookies", "jupyterhub-hub-login=1; x=2; __Host-jupyterhub-hub-login=3; jupyterhub-services=4", Cookie, "x=2"},
		{"share-proxy's cookies", "share-proxy-session=1; x=2; __Host-share-proxy-csrf=3; service-share-proxy=4; service-share-proxy-oauth-state=5", Cookie, "x=2"},
		{"E11: names in quotes", `"jupyterhub-user-alice"=V; x=1`, Cookie, "x=1"},
		{"E11: names with a dollar", "$Version=1; $jupyterhub-user-alice=V", Cookie, "$Version=1"},
		{"E11: odd blanks before a name", "\u2000__Host-jupyterhub-hub-login=1;\xa0jupyterhub-user-alice=2;x=1", None, "x=1"},
		{"E11: another case", "JupyterHub-User-alice=V; x=1", Cookie, "x=1"},
		{"E11: a name without a value", "jupyterhub-user-alice; x=1", Cookie, "x=1"},
		{"E11: a value without a name", "=jupyterhub-user-alice=V; x=1", Cookie, "x=1"},
		{"a semicolon in quotes parts cookies, as in tornado", `x="1; jupyterhub-user-alice=V"`, Header, `x="1`},
		{"E11: empty elements stay", ";; jupyterhub-user-bob=1;; x=1 ;", Cookie, ";;; x=1 ;"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := Head{{"Host", "h"}, {"COOKIE", tt.cookie}, {"Accept", "*/*"}}
			out, _ := Keep(in, "", own, tt.keep)
			got := out.Get("Cookie")
			if !out.Has("Cookie") {
				got = "-"
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if tt.want == tt.cookie && &out[0] != &in[0] {
				t.Error("the head was copied though nothing changed")
			}
			if in[1].Value != tt.cookie || out[0] != in[0] || out[len(out)-1] != in[2] {
				t.Errorf("other fields changed: %q", out)
			}
		})
	}
}

func TestKeepJoinsCookieLines(t *testing.T) {
	in := Head{{"Cookie", "a=1; jupyterhub-user-bob=2"}, {"Host", "h"}, {"cookie", "jupyterhub-hub-login=1"}, {"Cookie", "c=3;d=4"}}
	out, _ := Keep(in, "", "", None)
	if want := (Head{{"Cookie", "a=1; c=3;d=4"}, {"Host", "h"}}); !slices.Equal(out, want) {
		t.Errorf("got %q, want %q", out, want)
	}
	// tornado joins lines with a comma: b=1,jupyterhub-user-alice would be b's value.
	out, _ = Keep(Head{{"Cookie", "b=1"}, {"Cookie", "jupyterhub-user-alice=x"}}, "", "jupyterhub-user-alice", Cookie)
	if got := tornadoCookies(out)["jupyterhub-user-alice"]; got != "x" {
		t.Errorf("the judged cookie reaches the server as %q, want x", got)
	}
}

func TestKeepTakesOutTheOtherAuthorization(t *testing.T) {
	for value, stays := range map[string]Source{"token abc": Header, "Bearer x y": Header, "Basic YTpi": 99, "Digest a=b": 99} {
		for _, keep := range []Source{None, Query, Header, HostCookie, Cookie} {
			out, _ := Keep(Head{{"Authorization", value}}, "", "c", keep)
			if want := stays == 99 || keep == stays; out.Has("Authorization") != want {
				t.Errorf("%q with %d kept: there is %v, want %v", value, keep, !want, want)
			}
		}
	}
}

func TestKeepQuery(t *testing.T) {
	tests := []struct{ query, none, judged string }{
		{"", "", ""},
		{"a=1&b=%zz&&c=a+b;d", "a=1&b=%zz&&c=a+b;d", "a=1&b=%zz&&c=a+b;d"},
		{"token=x", "", "token=x"},
		{"a=1&token=x&b=2", "a=1&b=2", "a=1&token=x&b=2"},
		{"token=x&a=1", "a=1", "token=x&a=1"},
		{"a=1&token=x", "a=1", "a=1&token=x"},
		{"a=1&token", "a=1", "a=1&token"},
		{"token=1&a=b&token=2", "a=b", "a=b&token=2"},
		{"%74oken=1&to%6Ben=2&a", "a", "to%6Ben=2&a"},
		{"tokens=1&xtoken=2&Token=3&token%00=4", "tokens=1&xtoken=2&Token=3&token%00=4", "tokens=1&xtoken=2&Token=3&token%00=4"},
		{"a=1;token=2", "a=1", "a=1"},
		{"a=1;token=2&token=3", "a=1", "a=1&token=3"},
		{"token=a&x=1;token=b", "x=1", "token=a&x=1"},
		{"a&token=1&", "a&", "a&token=1&"},
		{"token=1&to%6ben;token%20a", "token%20a", "token=1&token%20a"},
		{"a;token=1;b&token", "a;b", "a;b&token"},
		{"a=token=x", "a=token=x", "a=token=x"},
		{"+token=1&token+=2", "+token=1&token+=2", "+token=1&token+=2"},
	}
	ws := Head{{"Sec-Fetch-Mode", "websocket"}}
	for _, tt := range tests {
		if _, got := Keep(ws, tt.query, "", Header); got != tt.none {
			t.Errorf("%q without its token: got %q, want %q", tt.query, got, tt.none)
		}
		if _, got := Keep(ws, tt.query, "", Query); got != tt.judged {
			t.Errorf("%q with its token: got %q, want %q", tt.query, got, tt.judged)
		}
		if _, got := Keep(nil, tt.query, "", Query); got != tt.none {
			t.Errorf("G02: %q on plain HTTP: got %q, want %q", tt.query, got, tt.none)
		}
	}
}

func TestAnonymousRequestsCarryNoCredential(t *testing.T) {
	own := CookieOf("alice", "")
	h := Head{{"Sec-Fetch-Mode", "websocket"}, {"Authorization", "token a"},
		{"Cookie", string(own) + "=" + sealed(string(own), tok) + "; __Host-" + string(own) + "=" + sealed("__Host-"+string(own), tok)}}
	out, query := Keep(h, "token=q", own, None)
	if c := Next(out, query, own, None); c.Source != None || query != "" || out.Has("Cookie") || out.Has("Authorization") {
		t.Errorf("got %q ? %q, want no credential left", out, query)
	}
}

func TestKeepDoesNotAllocateWhenNothingGoes(t *testing.T) {
	h := Head{{"Host", "h"}, {"Authorization", "token abc"}, {"Accept", "*/*"}}
	if n := testing.AllocsPerRun(100, func() { Keep(h, "a=1&b=2", "jupyterhub-user-alice", Header) }); n > 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
	h = append(h[:1:1], Field{"Cookie", "_xsrf=1; jupyterhub-user-alice=" + sealed("jupyterhub-user-alice", tok)})
	if n := testing.AllocsPerRun(100, func() { Keep(h, "", "jupyterhub-user-alice", Cookie) }); n > 0 {
		t.Errorf("with a cookie: got %v allocations, want 0", n)
	}
}

// FuzzKeep: what is left holds exactly the judged credential, as tornado reads
// it, and no reserved name.
func FuzzKeep(f *testing.F) {
	name := string(CookieOf("alice", ""))
	f.Add("a=1; "+name+"=x", "", "token abc", "token=x", byte(Cookie))
	f.Add(name+"="+sealed(name, tok), "__Host-"+name+"="+sealed("__Host-"+name, tok), "", "a;token=1&token=2", byte(Query))
	f.Add(`"`+name+`"=1;;=v; $`+name, "jupyterhub-hub-login=1\xa0", "Basic x", "%74oken", byte(None))
	f.Add("x=\"1; \x85"+name+" =2", "", "bearer\xa0x", "token=", byte(Header))
	f.Fuzz(func(t *testing.T, line1, line2, authorization, query string, keep byte) {
		own, source := ServerCookie(name), Source(keep%5)
		in := Head{{"Sec-Fetch-Mode", "websocket"}, {"Cookie", line1}, {"Authorization", authorization}}
		if line2 != "" {
			in = append(in, Field{"Cookie", line2})
		}
		judged := Next(in, query, own, source-min(source, 1))
		if judged.Source != source {
			judged = Credential{}
		}
		out, q := Keep(in, query, own, judged.Source)
		if got := Next(out, q, own, None); got.Token != judged.Token || got.Source != judged.Source {
			t.Fatalf("judged %s %q, left %s %q\n%q %q", judged.Source, judged.Token, got.Source, got.Token, out, q)
		}
		for cookie := range tornadoCookies(out) {
			switch own.roleOf(cookie) {
			case reserved:
				t.Errorf("%q is still there: %q", cookie, out)
			case token, hostToken:
				if !judged.Source.IsCookie() {
					t.Errorf("%q is still there beside %s: %q", cookie, judged.Source, out)
				}
			}
		}
		if again, q2 := Keep(out, q, own, judged.Source); !slices.Equal(again, out) || q2 != q {
			t.Errorf("a second time changes it: %q %q, then %q %q", out, q, again, q2)
		}
	})
}
