package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

const navigate = "Sec-Fetch-Mode: navigate"

// TestTheThreeAnswers has each enforcement point with allow, deny, and cannot
// know.
func TestTheThreeAnswers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		token  string
		fields []string
		socket bool
		away   bool
		want   int
	}{
		{name: "guest with a share, API", token: "bob", want: 200},
		{name: "guest with a share, navigation", token: "bob", fields: []string{navigate}, want: 200},
		{name: "guest with a share, socket", token: "bob", socket: true, want: 101},
		{name: "owner", token: "alice", want: 200},
		{name: "no share, API", token: "dave", want: 403},
		{name: "no share, navigation", token: "dave", fields: []string{navigate}, want: 403},
		{name: "no share, socket", token: "dave", socket: true, want: 403},
		{name: "unknown token, API", token: "nobody", want: 403},
		{name: "unknown token, socket", token: "nobody", socket: true, want: 403},
		{name: "cannot know, API", token: "bob", away: true, want: 503},
		{name: "cannot know, navigation", token: "bob", fields: []string{navigate}, away: true, want: 503},
		{name: "cannot know, socket", token: "bob", socket: true, away: true, want: 503},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			reached := make(chan struct{}, 10)
			r.userServer(func(w http.ResponseWriter, req *http.Request) {
				reached <- struct{}{}
				if tt.socket {
					echo(nil)(w, req)
				}
			})
			if tt.away {
				r.hub.goAway(errAway)
			}
			var got int
			var head http.Header
			if fields := append(tt.fields, as(tt.token)); tt.socket {
				_, res := r.handshake("/user/alice/api/events", fields...)
				got, head = res.StatusCode, res.Header
			} else {
				res := r.do("GET", "/user/alice/api", fields...)
				got, head = res.StatusCode, res.Header
			}
			if got != tt.want {
				t.Errorf("status %d, want %d", got, tt.want)
			}
			if (len(reached) > 0) != (tt.want < 300) {
				t.Errorf("the server saw %d requests", len(reached))
			}
			if tt.want >= 400 && (head.Get("Set-Cookie") != "" || head.Get("Location") != "" || head.Get("Cache-Control") != "no-store") {
				t.Errorf("a refusal touches cookies, redirects or may be stored: %v", head)
			}
			if (head.Get("Retry-After") != "") != (tt.want == 503) {
				t.Errorf("Retry-After %q with status %d", head.Get("Retry-After"), got)
			}
		})
	}
}

func TestTheRefusalSaysWhoWhoseAndWhy(t *testing.T) {
	r := newRig(t)
	r.userServer(func(http.ResponseWriter, *http.Request) {})
	page, _ := io.ReadAll(r.do("GET", "/user/alice/lab", navigate, as("dave")).Body)
	for _, want := range []string{"dave", "alice", "/hub/home", "/hub/logout"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page does not say %q:\n%s", want, page)
		}
	}
	json, _ := io.ReadAll(r.do("GET", "/user/alice/api", as("dave")).Body)
	if !strings.Contains(string(json), `"reason":"no_scope"`) {
		t.Errorf("the API says %s, want the reason no_scope", json)
	}
}

// TestOnlyTheJudgedCredentialGoesOn: a revoked token beside a good one must
// not reach a server that still has the old answer in its own cache (C14).
func TestOnlyTheJudgedCredentialGoesOn(t *testing.T) {
	r := newRig(t)
	r.userServer(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.WriteString(w, req.Header.Get("Authorization")+"|"+req.Header.Get("Cookie")+"|"+req.URL.RawQuery)
	})
	for _, tt := range []struct {
		name   string
		path   string
		fields []string
		status int
		want   string
	}{
		{"header before cookie", "?token=carol&x=1", []string{as("bob"), cookie("alice")}, 200, "token bob||x=1"},
		{"an unknown header is passed over", "", []string{as("nobody"), cookie("bob")}, 200,
			"|" + strings.TrimPrefix(cookie("bob"), "Cookie: ") + "|"},
		{"a header without access decides", "", []string{as("dave"), cookie("bob")}, 403, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := r.do("GET", "/user/alice/api"+tt.path, tt.fields...)
			body, _ := io.ReadAll(res.Body)
			if res.StatusCode != tt.status || tt.status == 200 && string(body) != tt.want {
				t.Errorf("%d, the server saw %q; want %d, %q", res.StatusCode, body, tt.status, tt.want)
			}
		})
	}
}

// TestALoginNeedsNoCredentialAndNothingElsePasses: what the server serves to
// anybody does not leak through.
func TestALoginNeedsNoCredentialAndNothingElsePasses(t *testing.T) {
	r := newRig(t)
	r.userServer(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/user/alice/", "/user/alice/lab":
			w.Header().Set("Location", "/hub/api/oauth2/authorize?client_id=x")
			w.WriteHeader(http.StatusFound)
		case "/user/alice/oauth_callback":
			w.Header().Set("Location", "/user/alice/")
			w.WriteHeader(http.StatusFound)
		default:
			_, _ = io.WriteString(w, "a page for anybody")
		}
	})
	for _, tt := range []struct {
		name   string
		method string
		path   string
		fields []string
		want   int
	}{
		{"navigation that begins a login", "GET", "/user/alice/lab", []string{navigate}, 302},
		{"with a token that has ended", "GET", "/user/alice/lab", []string{navigate, cookie("nobody")}, 302},
		{"its callback", "GET", "/user/alice/oauth_callback?code=1&state=2", []string{navigate}, 302},
		{"navigation to a page for anybody", "GET", "/user/alice/public", []string{navigate}, 403},
		{"an API call", "GET", "/user/alice/", nil, 403},
		{"a POST", "POST", "/user/alice/lab", []string{navigate}, 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := r.status(tt.method, tt.path, tt.fields...); got != tt.want {
				t.Errorf("status %d, want %d", got, tt.want)
			}
		})
	}
}

// TestASocketThatIsRefusedPassesTheServersAnswer (D05).
func TestASocketThatIsRefusedPassesTheServersAnswer(t *testing.T) {
	r := newRig(t)
	r.userServer(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no such kernel", http.StatusNotFound)
	})
	_, res := r.handshake("/user/alice/api/kernels/1/channels", as("bob"))
	body, err := io.ReadAll(res.Body)
	if res.StatusCode != 404 || !strings.Contains(string(body), "no such kernel") || err != nil {
		t.Errorf("got %d %q %v, want the server's 404", res.StatusCode, body, err)
	}
}

func TestASocketWithACookieMustComeFromThisHost(t *testing.T) {
	r := newRig(t)
	r.userServer(echo(nil))
	for _, tt := range []struct {
		name   string
		fields []string
		want   int
	}{
		{"own origin", []string{cookie("bob")}, 101},
		{"said to be cross-site", []string{cookie("bob"), "Sec-Fetch-Site: cross-site"}, 403},
		{"second origin", []string{cookie("bob"), "Origin: https://evil.example"}, 403},
		{"a token needs none", []string{as("bob"), "Sec-Fetch-Site: cross-site"}, 101},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, res := r.handshake("/user/alice/api", tt.fields...); res.StatusCode != tt.want {
				t.Errorf("status %d, want %d", res.StatusCode, tt.want)
			}
		})
	}
}
