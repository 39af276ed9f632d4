package routeapi

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy/route"
)

const token = "s3cret-token"

var now = time.Date(2026, 11, 21, 17, 2, 44, 175_000_000, time.UTC)

// An api is a handler with what it writes to.
type api struct {
	http.Handler
	table *route.Table
	log   bytes.Buffer
	calls []string
}

// newAPI makes a handler with an empty table. change may alter its options.
func newAPI(change func(*Options)) *api {
	a := &api{}
	o := Options{Token: token, Now: func() time.Time { return now }}
	o.OnCall = func(op Op, status int) { a.calls = append(a.calls, string(op)+" "+http.StatusText(status)) }
	if change != nil {
		change(&o)
	}
	a.table = route.NewTable(o.HostRouting)
	if o.Table == nil {
		o.Table = a.table
	}
	o.Log = slog.New(slog.NewTextHandler(&a.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	a.Handler = New(o)
	return a
}

// call sends a request with the token and returns the answer.
func (a *api) call(method, target, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Authorization", "token "+token)
	return a.send(r)
}

func (a *api) send(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

// shown decodes an answer's JSON.
func shown(t *testing.T, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var value map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &value); err != nil || w.Code != http.StatusOK {
		t.Fatalf("answer %d %q is not 200 with a JSON object: %v", w.Code, w.Body, err)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("content type = %q", got)
	}
	return value
}

const posted = `{"target":"http://127.0.0.1:8888","jupyterhub":true,"user":"alice","server_name":"","x":{"y":[1,"<&>"]}}`

func TestCallsAreAnsweredAsByCHP(t *testing.T) {
	const syntax = "Body not valid JSON: SyntaxError"
	const noTarget = "Must specify 'target' as string"
	for _, tt := range []struct {
		name, method, target, body string
		status                     int
		want                       string
		op                         Op
	}{
		{"sub-path of a route", "GET", "/api/routes/user/alice/lab", "", 404, "", OpGet},
		{"path above a route", "GET", "/api/routes/user", "", 404, "", OpGet},
		{"add", "POST", "/api/routes/user/bob", posted, 201, "", OpAdd},
		{"add the root", "POST", "/api/routes", posted, 201, "", OpAdd},
		{"add with a query", "POST", "/api/routes/x?y=z", posted, 201, "", OpAdd},
		{"replace", "POST", "/api/routes/user/alice/", posted, 201, "", OpAdd},
		{"no body", "POST", "/api/routes/x", "", 400, syntax, OpAdd},
		{"bad JSON", "POST", "/api/routes/x", `{"target":`, 400, syntax, OpAdd},
		{"JSON and more", "POST", "/api/routes/x", posted + "x", 400, syntax, OpAdd},
		{"null", "POST", "/api/routes/x", `null`, 400, noTarget, OpAdd},
		{"array", "POST", "/api/routes/x", `[]`, 400, noTarget, OpAdd},
		{"scalar", "POST", "/api/routes/x", `"target"`, 400, noTarget, OpAdd},
		{"no target", "POST", "/api/routes/x", `{}`, 400, noTarget, OpAdd},
		{"null target", "POST", "/api/routes/x", `{"target":null}`, 400, noTarget, OpAdd},
		{"target that is no string", "POST", "/api/routes/x", `{"target":{}}`, 400, noTarget, OpAdd},
		{"target in capitals", "POST", "/api/routes/x", `{"Target":"http://a"}`, 400, noTarget, OpAdd},
		{"target that is no URL", "POST", "/api/routes/x", `{"target":"notaurl"}`, 400, "Invalid 'target': " + route.ErrTarget.Error(), OpAdd},
		{"delete", "DELETE", "/api/routes/user/alice", "", 204, "", OpDelete},
		{"delete with a trailing slash", "DELETE", "/api/routes/user/alice/", "", 204, "", OpDelete},
		{"delete the root", "DELETE", "/api/routes/", "", 204, "", OpDelete},
		{"delete the root without a slash", "DELETE", "/api/routes", "", 204, "", OpDelete},
		{"delete what is not there", "DELETE", "/api/routes/user/bob", "", 404, "", OpDelete},
		{"escape that is no UTF-8", "POST", "/api/routes/%E9", posted, 400, "Malformed escape in the route's path", OpAdd},
		{"date that is none", "GET", "/api/routes?inactiveSince=endoftheuniverse", "", 400, "Invalid datestamp 'endoftheuniverse' must be ISO8601.", OpList},
		{"HEAD", "HEAD", "/api/routes", "", 405, "Method not supported", OpNone},
		{"OPTIONS", "OPTIONS", "/api/routes/x", "", 405, "Method not supported", OpNone},
		{"PUT", "PUT", "/api/routes/x", posted, 405, "Method not supported", OpNone},
		{"PATCH", "PATCH", "/api/routes/x", posted, 405, "Method not supported", OpNone},
		{"root of the listener", "GET", "/", "", 404, "Not Found", OpNone},
		{"root of the API", "GET", "/api/", "", 404, "Not Found", OpNone},
		{"longer word", "GET", "/api/routesx", "", 404, "Not Found", OpNone},
		{"double slash in front", "GET", "//api/routes", "", 404, "Not Found", OpNone},
		{"escaped slash in the API's own path", "GET", "/api%2Froutes", "", 404, "Not Found", OpNone},
		{"dots in the API's own path", "GET", "/x/../api/routes", "", 404, "Not Found", OpNone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAPI(nil)
			a.call("POST", "/api/routes/", `{"target":"http://hub:8081","hub":true}`)
			a.call("POST", "/api/routes/user/alice", posted)
			before := len(a.table.All(t.Context()))

			w := a.call(tt.method, tt.target, tt.body)
			if w.Code != tt.status || w.Body.String() != tt.want {
				t.Errorf("answer = %d %q, want %d %q", w.Code, w.Body, tt.status, tt.want)
			}
			if got, want := a.calls[len(a.calls)-1], string(tt.op)+" "+http.StatusText(tt.status); got != want {
				t.Errorf("OnCall got %q, want %q", got, want)
			}
			if after := len(a.table.All(t.Context())); tt.status >= 400 && after != before {
				t.Errorf("a refused call left %d routes, want %d", after, before)
			}
			if strings.Contains(a.log.String(), token) {
				t.Errorf("the token is in the log: %s", &a.log)
			}
		})
	}
}
