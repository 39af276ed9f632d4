package routeapi

import (
	"context"
	"net/http"
	"reflect"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy/route"
)

func TestARestartedProcessShowsWhatWasPosted(t *testing.T) {
	dir := t.TempDir()
	call := func(method, path, body string, want int) map[string]any {
		t.Helper()
		table, end := logged(t, dir)
		defer end()
		a := newAPI(func(o *Options) { o.Table = table })
		w := a.call(method, "/api/routes"+path, body)
		if w.Code != want {
			t.Fatalf("%s %s = %d, want %d", method, path, w.Code, want)
		}
		if method != http.MethodGet {
			return nil
		}
		return shown(t, w)
	}
	call("POST", "/user/alice/", posted, http.StatusCreated)
	call("POST", "/user/bob", posted, http.StatusCreated)
	call("DELETE", "/user/bob/", "", http.StatusNoContent)
	call("DELETE", "/user/bob/", "", http.StatusNotFound)
	want := map[string]any{"/user/alice": map[string]any{
		"target": "http://127.0.0.1:8888", "jupyterhub": true, "user": "alice", "server_name": "",
		"x": map[string]any{"y": []any{1.0, "<&>"}}, "last_activity": "2026-11-21T17:02:44.175Z",
	}}
	if got := call("GET", "", "", http.StatusOK); !reflect.DeepEqual(got, want) {
		t.Errorf("the next process shows %v, want %v", got, want)
	}
}

func TestWhatTheDiskRefusesIsToBeRepeated(t *testing.T) {
	table, end := logged(t, t.TempDir())
	a := newAPI(func(o *Options) { o.Table = table })
	a.call("POST", "/api/routes/x", posted)
	end() // the file is closed
	for _, method := range []string{"POST", "DELETE"} {
		if w := a.call(method, "/api/routes/x", posted); w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s = %d, want 503", method, w.Code)
		}
	}
	if got := shown(t, a.call("GET", "/api/routes", "")); len(got) != 1 {
		t.Errorf("GET of all shows %v, want the route before", got)
	}
}

// contextTable notes the context of a listing.
type contextTable struct {
	*route.Table
	listed context.Context //nolint:containedctx // what is tested
}

func (c *contextTable) All(ctx context.Context) []*route.Route {
	c.listed = ctx
	return nil
}

func TestAListingEndsWithItsCall(t *testing.T) {
	table := &contextTable{Table: route.NewTable(false)}
	a := newAPI(func(o *Options) { o.Table = table })
	type mark struct{}
	r, err := http.NewRequestWithContext(context.WithValue(t.Context(), mark{}, true), "GET", "/api/routes", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "token "+token)
	if a.send(r); table.listed == nil || table.listed.Value(mark{}) == nil {
		t.Error("the table does not learn when the caller of a listing leaves")
	}
}
