package routeapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy/route"
)

func TestPostReplacesDataAndActivity(t *testing.T) {
	clock := now
	a := newAPI(func(o *Options) { o.Now = func() time.Time { return clock } })
	a.call("POST", "/api/routes/x", `{"target":"http://a","old":1}`)
	clock = clock.Add(time.Minute)
	a.call("POST", "/api/routes/x", `{"target":"http://a","new":2}`)
	want := map[string]any{"target": "http://a", "new": 2.0, "last_activity": "2026-11-21T17:03:44.175Z"}
	if got := shown(t, a.call("GET", "/api/routes/x", "")); !reflect.DeepEqual(got, want) {
		t.Errorf("after the second post: %v, want %v", got, want)
	}
}

// quoted escapes a path as the Hub does: quote(path, safe="@/~").
func quoted(path string) string {
	var b strings.Builder
	for _, c := range []byte(path) {
		if strings.IndexByte("@/~-._", c) >= 0 || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + strings.ToUpper(string("0123456789abcdef"[c>>4])+string("0123456789abcdef"[c&15])))
		}
	}
	return b.String()
}

func TestEveryNameSurvivesTheRoundTrip(t *testing.T) {
	names := []string{"has@", "秀樹", "a b", "~TestJH", "50fia", "zoe", "a%2Fb", "..", ".", "a\\b", "x+y", "%41"}
	for c := byte(' '); c < 0x7f; c++ {
		if c != '/' {
			names = append(names, "x"+string(c)+"y")
		}
	}
	a := newAPI(nil)
	server := httptest.NewServer(a)
	defer server.Close()
	do := func(method, path string) int {
		r, err := http.NewRequest(method, server.URL, strings.NewReader(posted))
		if err != nil {
			t.Fatal(err)
		}
		r.URL = &url.URL{Scheme: "http", Host: r.URL.Host, Opaque: path} // as escaped here
		r.Header.Set("Authorization", "token "+token)
		res, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		return res.StatusCode
	}
	for _, name := range names {
		key := "/@/space word/user/" + name
		if got := do("POST", "/api/routes"+quoted(key)); got != http.StatusCreated {
			t.Errorf("POST %q = %d", name, got)
		}
		all := shown(t, a.call("GET", "/api/routes", ""))
		if _, ok := all[key]; !ok || len(all) != 1 {
			t.Errorf("%q is shown as %v", key, all)
		}
		if got := do("DELETE", "/api/routes"+quoted(key)); got != http.StatusNoContent {
			t.Errorf("DELETE %q = %d", name, got)
		}
	}
}

func TestWritesAreLoggedWithoutSecrets(t *testing.T) {
	a := newAPI(nil)
	a.call("POST", "/api/routes/user/alice?q=s3cret", `{"target":"http://127.0.0.1:8888/s3cret?s3cret","data":"s3cret"}`)
	a.call("DELETE", "/api/routes/user/alice", "")
	a.call("POST", "/api/routes/x", `{"target":"http://u:s3cret@a"}`)
	got := a.log.String()
	for _, want := range []string{"Route added /user/alice -> http://127.0.0.1:8888\"", "Route removed /user/alice"} {
		if !strings.Contains(got, want) {
			t.Errorf("the log lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "s3cret") {
		t.Errorf("a secret is in the log:\n%s", got)
	}
}

// A brokenTable could not apply a write.
type brokenTable struct{ *route.Table }

func (brokenTable) Add(context.Context, *route.Route) error      { return errors.New("away") }
func (brokenTable) Remove(context.Context, string) (bool, error) { return false, errors.New("away") }

func TestWritesThatWereNotAppliedAreToBeRepeated(t *testing.T) {
	a := newAPI(func(o *Options) { o.Table = brokenTable{route.NewTable(false)} })
	for _, method := range []string{"POST", "DELETE"} {
		if w := a.call(method, "/api/routes/x", posted); w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s = %d, want 503", method, w.Code)
		}
	}
}

func TestBodiesAreBounded(t *testing.T) {
	a := newAPI(nil)
	for size, want := range map[int]int{maxBody: http.StatusCreated, maxBody + 1: http.StatusRequestEntityTooLarge} {
		head := `{"target":"http://a","x":"`
		body := head + strings.Repeat("x", size-len(head)-2) + `"}`
		if w := a.call("POST", "/api/routes/x", body); w.Code != want {
			t.Errorf("%d bytes: %d, want %d", size, w.Code, want)
		}
	}
	r := httptest.NewRequest("POST", "/api/routes/x", io.MultiReader(strings.NewReader(`{"target":`), brokenReader{}))
	r.Header.Set("Authorization", "token "+token)
	if w := a.send(r); w.Code != http.StatusBadRequest {
		t.Errorf("broken body: %d, want 400", w.Code)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
