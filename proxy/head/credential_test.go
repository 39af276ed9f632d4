package head

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const tok = "cRb5JnZq7D0fXy2uT3vW8aHk1LmPo6" // 30 letters and digits, as oauthlib makes them

var signature = strings.Repeat("0123456789abcdef", 4)

// sealed is the value of a server's cookie as tornado writes it.
func sealed(name, token string) string {
	v := base64.StdEncoding.EncodeToString([]byte(token))
	return fmt.Sprintf("2|1:0|10:1763000000|%d:%s|%d:%s|%s", len(name), name, len(v), v, signature)
}

func TestCookieOf(t *testing.T) {
	// Wanted: f'jupyterhub-user-{quote(name)}' and so on, computed by Python 3.11.
	tests := []struct{ owner, server, want string }{
		{"alice", "", "jupyterhub-user-alice"},
		{"alice", "nb2", "jupyterhub-user-alice-nb2"},
		{"has@", "", "jupyterhub-user-has%40"},
		{"a b", "lab 1", "jupyterhub-user-a%20b-lab%201"},
		{"秀樹", "", "jupyterhub-user-%E7%A7%80%E6%A8%B9"},
		{"~TestJH_.-x", "", "jupyterhub-user-~TestJH_.-x"},
		{"a/b?c%d+e=f;g", "", "jupyterhub-user-a/b%3Fc%25d%2Be%3Df%3Bg"},
		{"", "", ""},
		{"", "nb2", ""},
	}
	for _, tt := range tests {
		if got := CookieOf(tt.owner, tt.server); string(got) != tt.want {
			t.Errorf("CookieOf(%q, %q) = %q, want %q", tt.owner, tt.server, got, tt.want)
		}
	}
}

func TestNext(t *testing.T) {
	own := CookieOf("alice", "")
	cookie := func(v string) Field { return Field{"Cookie", v} }
	good := "jupyterhub-user-alice=" + sealed("jupyterhub-user-alice", tok)
	hosted := "__Host-jupyterhub-user-alice=" + sealed("__Host-jupyterhub-user-alice", "hosted")
	ws := Field{"Sec-Fetch-Mode", "websocket"}
	tests := []struct {
		name  string
		head  Head
		query string
		after Source
		want  Credential
	}{
		{"nothing", nil, "", None, Credential{}},
		{"S01: a header", Head{{"Authorization", "token abc"}}, "", None, Credential{"abc", Header}},
		{"S02: the cookie", Head{cookie("_xsrf=x; " + good)}, "", None, Credential{tok, Cookie}},
		{"the cookie in quotes", Head{cookie(`jupyterhub-user-alice="` + sealed(string(own), tok) + `"`)}, "", None, Credential{tok, Cookie}},
		{"the cookie with __Host-", Head{cookie(hosted)}, "", None, Credential{"hosted", HostCookie}},
		{"of both cookies the one with __Host-", Head{cookie(good + "; " + hosted)}, "", None, Credential{"hosted", HostCookie}},
		{"and the plain one next", Head{cookie(good + "; " + hosted)}, "", HostCookie, Credential{tok, Cookie}},
		{"nothing behind the last", Head{cookie(good + "; " + hosted)}, "", Cookie, Credential{}},
		{"C14: the header goes before the cookie", Head{cookie(good), {"authorization", "Bearer abc"}}, "", None, Credential{"abc", Header}},
		{"the cookie behind the header", Head{cookie(good), {"Authorization", "Bearer abc"}}, "", Header, Credential{tok, Cookie}},
		{"the query goes before the header", Head{ws, {"Authorization", "Bearer abc"}}, "a=1&token=q", None, Credential{"q", Query}},
		{"the header behind the query", Head{ws, {"Authorization", "Bearer abc"}}, "a=1&token=q", Query, Credential{"abc", Header}},
		{"G02: no query without the mode", Head{}, "token=q", None, Credential{}},
		{"G02: no query with another mode", Head{{"Sec-Fetch-Mode", "cors"}}, "token=q", None, Credential{}},
		{"the mode in another case is another mode", Head{{"Sec-Fetch-Mode", "WebSocket"}}, "token=q", None, Credential{}},
		{"of several in the query the last", Head{ws}, "token=a&x=1&%74ok%65n=b%2Bc", None, Credential{"b+c", Query}},
		{"an empty last one in the query counts as none", Head{ws, {"Authorization", "Bearer abc"}}, "token=a&token=", None, Credential{"abc", Header}},
		{"a blank in the query is no token", Head{ws}, "token=a+b", None, Credential{}},
		{"E11: two cookies of the name, the last one", Head{cookie(good + "; jupyterhub-user-alice=" + sealed(string(own), "last"))}, "", None, Credential{"last", Cookie}},
		{"on two lines too", Head{cookie(good), cookie("jupyterhub-user-alice=" + sealed(string(own), "last"))}, "", None, Credential{"last", Cookie}},
		{"a malformed last cookie hides a good one, as in tornado", Head{cookie(good + "; jupyterhub-user-alice=x")}, "", None, Credential{}},
		{"C17: another server's cookie is none", Head{cookie("jupyterhub-user-bob=" + sealed("jupyterhub-user-bob", tok))}, "", None, Credential{}},
		{"a named server's cookie is none", Head{cookie("jupyterhub-user-alice-nb2=" + sealed("jupyterhub-user-alice-nb2", tok))}, "", None, Credential{}},
		{"another case of the name is none", Head{cookie("JUPYTERHUB-user-alice=" + sealed(string(own), tok))}, "", None, Credential{}},
		{"E11: a name in quotes is none", Head{cookie(`"jupyterhub-user-alice"=` + sealed(string(own), tok))}, "", None, Credential{}},
		{"E11: $Version and $name are none", Head{cookie("$Version=1; $jupyterhub-user-alice=" + sealed(string(own), tok))}, "", None, Credential{}},
		{"E11: U+2000 before the name is none", Head{cookie("\u2000__Host-jupyterhub-user-alice=" + sealed(string(own), tok))}, "", None, Credential{}},
		{"E11: blanks around name and value, as tornado strips them", Head{cookie(" \xa0jupyterhub-user-alice\x85 = " + sealed(string(own), tok) + " ")}, "", None, Credential{tok, Cookie}},
		{"E11: empty elements", Head{cookie(";; ;" + good + ";;")}, "", None, Credential{tok, Cookie}},
		{"E11: a nameless element is none", Head{cookie("=" + good)}, "", None, Credential{}},
		{"Basic passes by, the cookie decides", Head{cookie(good), {"Authorization", "Basic YTpi"}}, "", None, Credential{tok, Cookie}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Next(tt.head, tt.query, own, tt.after); got.Token != tt.want.Token || got.Source != tt.want.Source {
				t.Errorf("got %s %q, want %s %q", got.Source, got.Token, tt.want.Source, tt.want.Token)
			}
		})
	}
}

func TestNoServerHasNoCookie(t *testing.T) {
	h := Head{{"Cookie", "=" + sealed("", tok) + "; __Host-=" + sealed("__Host-", tok)}}
	if got := Next(h, "", "", None); got.Source != None {
		t.Errorf("got a credential from %v, want none", got.Source)
	}
}

func TestG01AuthorizationIsReadAsTheServerReadsIt(t *testing.T) {
	// ok: whether re.compile(r'(?:token|bearer)\s+(.+)', re.I).match(value) of
	// services/auth.py matches; tok: its group where it can be a token.
	tests := []struct {
		value, tok string
		ok         bool
	}{
		{"token X", "X", true}, {"Bearer X", "X", true}, {"bearer  X", "X", true}, {"TOKEN\tX", "X", true},
		{"tOkEn\xa0X", "X", true}, {"bearer \x85 X", "X", true},
		{"Basic dG9rZW46", "", false}, {"tokenX", "", false}, {"token", "", false}, {"", "", false},
		{"xtoken X", "", false}, {" token X", "", false}, {"Bearer=X", "", false}, {"to\u212aen X", "", false},
		{"Bearer a b", "", true}, {"Bearer a, Bearer b", "", true}, {`token "X"`, "", true}, {"token é", "", true},
		{"token " + strings.Repeat("a", maxToken), strings.Repeat("a", maxToken), true},
		{"token " + strings.Repeat("a", maxToken+1), "", true},
	}
	for _, tt := range tests {
		h := Head{{"Authorization", tt.value}}
		if got := Next(h, "", "", None); got.Token != tt.tok {
			t.Errorf("%.40q: got token %.40q, want %.40q", tt.value, got.Token, tt.tok)
		}
		if kept, _ := Keep(h, "", "", None); kept.Has("Authorization") == tt.ok {
			t.Errorf("%.40q: kept %v, want it removed exactly when the server would use it", tt.value, !tt.ok)
		}
	}
}

func TestG12TamperedCookiesHoldNoToken(t *testing.T) {
	const name = "jupyterhub-user-alice"
	good := sealed(name, tok)
	if got := signedToken(pair{name: name, value: good}); got != tok {
		t.Fatalf("the untouched cookie: got %q, want the token", got)
	}
	for n := range len(good) {
		if got := signedToken(pair{name: name, value: good[:n]}); got != "" {
			t.Errorf("cut to %d bytes: got %q, want none", n, got)
		}
	}
	fields := strings.Split(good, "|")
	swapped := func(i, j int) string {
		f := append([]string(nil), fields...)
		f[i], f[j] = f[j], f[i]
		return strings.Join(f, "|")
	}
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	withField := func(v string) string { return strings.Replace(good, fields[4], v, 1) }
	for what, v := range map[string]string{
		"empty": "", "version 1": "Y1Ji|1763000000|" + signature[:40], "version 3": "3" + good[1:],
		"name and value swapped": swapped(3, 4), "time and value swapped": swapped(2, 4),
		"another name":               sealed("jupyterhub-user-bob", tok),
		"the name with __Host-":      sealed("__Host-"+name, tok),
		"a wrong length":             withField("41:" + b64(tok)),
		"a length with a zero":       withField("040:" + b64(tok)),
		"a length with a sign":       withField("+40:" + b64(tok)),
		"a length without a field":   withField(":" + b64(tok)),
		"a huge length":              withField("99999999999999999999:" + b64(tok)),
		"no base64":                  withField("4:a?b="),
		"base64 with stray bits":     withField("4:YR=="),
		"an empty token":             sealed(name, ""),
		"a token with a blank":       sealed(name, "a b"),
		"a token with a control":     sealed(name, "a\nb"),
		"a token with other letters": sealed(name, "aé"),
		"an overlong token":          sealed(name, strings.Repeat("a", maxToken+1)),
		"a signature in upper case":  strings.ToUpper(good),
		"a longer signature":         good + "0",
		"escapes in quotes":          `"` + strings.Replace(good, "|", `\174`, 1) + `"`,
	} {
		if got := signedToken(pair{name: name, value: v}); got != "" {
			t.Errorf("%s: got %q, want none", what, got)
		}
	}
}

func TestCredentialsPrintAsTheirSource(t *testing.T) {
	c := Credential{"secret-token", Header}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("a", "b", c, "c", &c)
	slog.New(slog.NewTextHandler(&log, nil)).Info("a", "b", c, "c", &c)
	fmt.Fprintf(&log, "%v %+v %#v %s %q", c, c, c, c, c)
	text, err := json.Marshal(struct{ C Credential }{c})
	if err != nil {
		t.Fatal(err)
	}
	log.Write(text)
	if got := log.String(); strings.Contains(got, "secret") || strings.Count(got, "header") != 10 {
		t.Errorf("got %s, want header ten times and no token", got)
	}
}

func TestSourceNamesAreAClosedSet(t *testing.T) {
	for s, want := range map[Source]string{None: "none", Query: "query", Header: "header", HostCookie: "cookie", Cookie: "cookie", 99: "none"} {
		if s.String() != want || s.IsCookie() != (want == "cookie") {
			t.Errorf("%d: got %q, cookie %v, want %q", s, s, s.IsCookie(), want)
		}
	}
}

func FuzzSignedToken(f *testing.F) {
	f.Add("jupyterhub-user-alice", sealed("jupyterhub-user-alice", tok))
	f.Add("a", `"2|1:0|1:5|1:a|4:YQ==|x"`)
	f.Fuzz(func(t *testing.T, name, value string) {
		got := signedToken(pair{name: name, value: value})
		if got == "" {
			return
		}
		if !isIssued([]byte(got)) || !strings.Contains(value, base64.StdEncoding.EncodeToString([]byte(got))) || !strings.Contains(value, ":"+name+"|") {
			t.Errorf("%q in %q: got %q", name, value, got)
		}
	})
}
