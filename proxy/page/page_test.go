package page_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/page"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The cases of the golden files: what a visitor reads in each situation.
var denied = map[string]page.Denied{
	"guest": {
		SignedInAs: "bob", Server: authz.Server{Owner: "alice"}, Reason: authz.ReasonNoScope,
		Relation: authz.Guest, HubURL: "/hub/home", LogoutURL: "/hub/logout",
	},
	"guest-of-a-named-server": {
		SignedInAs: "has@", Server: authz.Server{Owner: "秀樹", Name: "a b"}, Reason: authz.ReasonNoScope,
		Relation: authz.Guest, HubURL: "/hub/home", LogoutURL: "/hub/logout",
	},
	"owner": {
		SignedInAs: "alice", Server: authz.Server{Owner: "alice"}, Reason: authz.ReasonNoScope,
		Relation: authz.Owner, HubURL: "/hub/home", LogoutURL: "/hub/logout",
	},
	"service": {
		SignedInAs: "culler", Server: authz.Server{Owner: "alice"}, Reason: authz.ReasonNoScope,
		Relation: authz.Service,
	},
	"no-credential": {
		Server: authz.Server{Owner: "alice"}, Reason: authz.ReasonNoCredential, HubURL: "/hub/home",
	},
	"unknown-credential": {
		Server: authz.Server{Owner: "alice"}, Reason: authz.ReasonUnknown, HubURL: "/hub/home",
	},
	"zero": {},
}

func pages(t *testing.T) *page.Pages {
	t.Helper()
	p, err := page.New()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func render(t *testing.T, write func(*bytes.Buffer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPagesReadAsTheGoldenFilesSay(t *testing.T) {
	p := pages(t)
	got := map[string]string{
		"unavailable": render(t, func(b *bytes.Buffer) error {
			return p.Unavailable(b, page.Unavailable{Server: authz.Server{Owner: "alice", Name: "lab"}, HubURL: "/hub/home"})
		}),
		"error": render(t, func(b *bytes.Buffer) error {
			return p.Error(b, 400, "Bad request", "The address is ambiguous.")
		}),
	}
	for name, d := range denied {
		got["denied-"+name] = render(t, func(b *bytes.Buffer) error { return p.Denied(b, d) }) + "JSON: " + d.Message() + "\n"
	}
	for name, text := range got {
		// The style is the same in all of them and no text.
		head, rest, _ := strings.Cut(text, "<style>")
		_, rest, _ = strings.Cut(rest, "</style>")
		compare(t, filepath.Join("testdata", name+".golden"), head+"<style/>"+rest)
	}
}

func compare(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}

func TestHostileNamesStayText(t *testing.T) {
	p := pages(t)
	for _, evil := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</title></style><svg onload=alert(1)>`, `{{.HubURL}}`, "a\x00<b>",
	} {
		for _, d := range denied {
			d.SignedInAs, d.Server = authz.User(evil), authz.Server{Owner: authz.User(evil), Name: authz.ServerName(evil)}
			onlyOurTags(t, evil, render(t, func(b *bytes.Buffer) error { return p.Denied(b, d) }))
		}
		onlyOurTags(t, evil, render(t, func(b *bytes.Buffer) error {
			return p.Unavailable(b, page.Unavailable{Server: authz.Server{Owner: authz.User(evil)}, HubURL: evil})
		}))
		onlyOurTags(t, evil, render(t, func(b *bytes.Buffer) error { return p.Error(b, 404, evil, evil) }))
	}
}

func onlyOurTags(t *testing.T, evil, html string) {
	t.Helper()
	if strings.Contains(html, evil) && strings.ContainsAny(evil, "<>") {
		t.Errorf("%q stands in the page unescaped", evil)
	}
	for _, tag := range []string{"<script", "<img", "<svg", "<b>"} {
		if strings.Contains(html, tag) {
			t.Errorf("%q brought the tag %s into the page", evil, tag)
		}
	}
}

func TestAddressesThatRunSomethingAreNoLinks(t *testing.T) {
	html := render(t, func(b *bytes.Buffer) error {
		d := denied["guest"]
		d.HubURL, d.LogoutURL = "javascript:alert(1)", `/x" onclick="alert(1)`
		return pages(t).Denied(b, d)
	})
	if strings.Contains(html, "javascript:") || strings.Contains(html, ` onclick="`) {
		t.Errorf("a hostile address is in the page:\n%s", html)
	}
}

func TestNoPageLoadsOrRunsAnything(t *testing.T) {
	p := pages(t)
	for name, d := range denied {
		html := render(t, func(b *bytes.Buffer) error { return p.Denied(b, d) })
		for _, bad := range []string{"<script", "<link", "<img", "<iframe", "<form", "src=", "url(", "@import", "style=", "onload="} {
			if strings.Contains(html, bad) {
				t.Errorf("%s: the page contains %q", name, bad)
			}
		}
	}
}

func TestThePolicyAllowsTheStyleOfThePageAndNothingElse(t *testing.T) {
	p := pages(t)
	html := render(t, func(b *bytes.Buffer) error { return p.Denied(b, denied["guest"]) })
	_, rest, _ := strings.Cut(html, "<style>")
	css, _, ok := strings.Cut(rest, "</style>")
	if !ok {
		t.Fatal("the page has no style")
	}
	sum := sha256.Sum256([]byte(css))
	h := http.Header{}
	p.SetHeaders(h)
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
	if got := h.Get("Content-Security-Policy"); got != want {
		t.Errorf("policy %q, want %q", got, want)
	}
}

func TestHeadersKeepThePageOutOfCachesAndFrames(t *testing.T) {
	h := http.Header{"Retry-After": {"5"}, "Content-Type": {"image/png"}}
	pages(t).SetHeaders(h)
	h.Del("Content-Security-Policy") // its own test
	equal(t, h, http.Header{
		"Cache-Control": {"no-store"}, "Content-Type": {"text/html; charset=utf-8"}, "Referrer-Policy": {"no-referrer"},
		"Retry-After": {"5"}, "X-Content-Type-Options": {"nosniff"}, "X-Frame-Options": {"DENY"},
	})
	h = http.Header{}
	page.SetJSONHeaders(h)
	equal(t, h, http.Header{
		"Cache-Control": {"no-store"}, "Content-Type": {"application/json"}, "Referrer-Policy": {"no-referrer"},
		"X-Content-Type-Options": {"nosniff"},
	})
}

func equal(t *testing.T, got, want http.Header) {
	t.Helper()
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("headers %v, want %v", got, want)
	}
}

func TestTheWaitingPageLoadsItselfAgain(t *testing.T) {
	html := render(t, func(b *bytes.Buffer) error { return pages(t).Unavailable(b, page.Unavailable{}) })
	if !strings.Contains(html, `<meta http-equiv="refresh" content="5">`) {
		t.Errorf("no refresh in\n%s", html)
	}
}

func TestJSONIsOneObjectWhateverTheMessage(t *testing.T) {
	for _, message := range []string{"plain", `a"b`, "line\nend", "</script>", "秀樹", "b\xffb"} {
		text := render(t, func(b *bytes.Buffer) error { return page.JSON(b, message, "no_scope") })
		var got map[string]string
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		want := map[string]string{"message": strings.ToValidUTF8(message, "\ufffd"), "reason": "no_scope"}
		if !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if strings.Contains(text, "<") {
			t.Errorf("%q could be taken for HTML", text)
		}
	}
}
