package proxy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy"
)

// TestHealth is for exactly one target.
func TestHealth(t *testing.T) {
	r := newRig(t)
	res := r.do("GET", "/_chp_healthz")
	if body, _ := io.ReadAll(res.Body); res.StatusCode != 200 || string(body) != `{"status":"OK"}` {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	for _, path := range []string{"/user/alice/_chp_healthz", "/user/alice/?/_chp_healthz", "/_chp_healthz/user/alice"} { // A21, C15
		r.userServer(func(http.ResponseWriter, *http.Request) { t.Error("it reached the server") })
		if got := r.status("GET", path, "User-Agent: kube-probe/1.30"); got == 200 {
			t.Errorf("%s is served as the health page", path)
		}
	}
}

// TestTheErrorTargetServesPagesAndSeesNoQuery: a query may hold a token.
func TestTheErrorTargetServesPagesAndSeesNoQuery(t *testing.T) {
	asked := make(chan string, 10)
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked <- req.RequestURI
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Set-Cookie", "a=b")
		_, _ = io.WriteString(w, "the page for "+req.URL.Path)
	}))
	t.Cleanup(pages.Close)
	target, err := url.Parse(pages.URL + "/hub/error")
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(o *proxy.Options) { o.ErrorTarget = target })
	r.remove("/")
	r.route("/user/alice", "http://127.0.0.1:1", aliceData)
	for _, tt := range []struct {
		path string
		want int
		page string
	}{
		{"/nowhere?code=secret", 404, "/hub/error/404"},
		{"/user/alice/lab?token=secret", 503, "/hub/error/503"},
	} {
		res := r.do("GET", tt.path, as("alice"))
		body, _ := io.ReadAll(res.Body)
		if res.StatusCode != tt.want || string(body) != "the page for "+tt.page {
			t.Errorf("%s: %d %q, want %d and the page %s", tt.path, res.StatusCode, body, tt.want, tt.page)
		}
		if res.Header.Get("Set-Cookie") != "" || res.Header.Get("Content-Type") != "text/html" {
			t.Errorf("%s: head %v", tt.path, res.Header)
		}
		path, _, _ := strings.Cut(tt.path, "?")
		if got, want := await(t, asked, "the page is fetched"), tt.page+"?url="+url.QueryEscape(path); got != want {
			t.Errorf("the error target was asked for %q, want %q", got, want)
		}
	}
	target.Host = "127.0.0.1:1" // away as well
	if got := r.status("GET", "/nowhere"); got != 404 {
		t.Errorf("without the error target: %d, want our own 404", got)
	}
}

// TestOurOwnAnswersAreNotStoredFramedOrSniffed (E23, F25, F26).
func TestOurOwnAnswersAreNotStoredFramedOrSniffed(t *testing.T) {
	r := newRig(t)
	r.userServer(func(http.ResponseWriter, *http.Request) {})
	for _, fields := range [][]string{{as("dave"), navigate}, {as("dave")}} {
		res := r.do("GET", "/user/alice/lab", fields...)
		page := len(fields) > 1
		for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("navigation %v: %s is %q, want %q", page, name, got, want)
			}
		}
		if csp := res.Header.Get("Content-Security-Policy"); page && !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("the page may be framed: %q", csp)
		}
		if res.StatusCode != 403 || res.Header.Get("Location") != "" {
			t.Errorf("navigation %v: %d, Location %q", page, res.StatusCode, res.Header.Get("Location"))
		}
	}
}
