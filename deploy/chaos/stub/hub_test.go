package stub

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/history"
)

// newTestHub returns a Hub with alice, who shares, and bob.
func newTestHub() (*Hub, *history.Log) {
	log := history.NewLog()
	return NewHub(log, "alice",
		Person{Name: "alice", Token: "a", Session: "sa", Owner: true}, Person{Name: "bob", Token: "b", Session: "sb"}), log
}

// send sends a call as the holder of a token.
func send(h *Hub, method, path, body, token string, fields ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/hub/"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "token "+token)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	h.serve(w, r, 1)
	return w
}

// may reports whether the Hub says that a token reaches alice's server.
func may(t *testing.T, h *Hub, token string) bool {
	t.Helper()
	w := send(h, http.MethodGet, "api/user", "", token)
	var user struct{ Scopes []string }
	if err := json.Unmarshal(w.Body.Bytes(), &user); err != nil {
		t.Fatalf("the hub said %q: %v", w.Body, err)
	}
	return slices.Contains(user.Scopes, "access:servers!server=alice/") || slices.Contains(user.Scopes, "access:servers!user=alice")
}

func TestHubChangesAccess(t *testing.T) {
	for _, test := range []struct {
		name               string
		method, path, body string
		token              string
		cookie             string
		shared, stays      bool // bob has a share before, and after
		status             int
		bobIsKnown         bool
	}{
		{"alice shares", "POST", "api/shares/alice/", `{"user":"bob"}`, "a", "", false, true, 201, true},
		{"alice revokes", "PATCH", "api/shares/alice/", `{"user":"bob"}`, "a", "", true, false, 200, true},
		{"alice revokes somebody else", "PATCH", "api/shares/alice/", `{"user":"carl"}`, "a", "", true, true, 200, true},
		{"alice revokes all", "DELETE", "api/shares/alice/", "", "a", "", true, false, 204, true},
		{"alice revokes all of another server", "DELETE", "api/shares/alice/lab", "", "a", "", true, true, 204, true},
		{"bob leaves", "DELETE", "api/users/bob/shared/alice/", "", "b", "", true, false, 204, true},
		{"bob logs out", "GET", "logout", "", "b", "jupyterhub-session-id=sb", true, false, 302, false},
		{"bob logs out of no session", "GET", "logout", "", "b", "jupyterhub-session-id=x", true, true, 302, true},
		{"bob gives himself a share", "POST", "api/shares/alice/", `{"user":"bob"}`, "b", "", false, false, 403, true},
		{"bob revokes all", "DELETE", "api/shares/alice/", "", "b", "", true, true, 403, true},
		{"a stranger revokes", "PATCH", "api/shares/alice/", `{"user":"bob"}`, "x", "", true, true, 403, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			h, log := newTestHub()
			if test.shared {
				h.Share("bob", "")
			}
			id := log.Begin(history.Change{}, "bob")
			w := send(h, test.method, test.path, test.body, test.token, "Cookie", test.cookie, FieldChange, "1")
			if w.Code != test.status {
				t.Errorf("status = %d, want %d", w.Code, test.status)
			}
			if got := h.Welcome("bob"); got != test.stays {
				t.Errorf("bob is welcome = %v, want %v", got, test.stays)
			}
			if known := send(h, "GET", "api/user", "", "b").Code == 200; known != test.bobIsKnown {
				t.Errorf("bob is known = %v, want %v", known, test.bobIsKnown)
			}
			if test.bobIsKnown && may(t, h, "b") != test.stays {
				t.Errorf("the hub lets bob in = %v, want %v", !test.stays, test.stays)
			}
			if !may(t, h, "a") {
				t.Error("the hub does not let alice in")
			}
			c := log.History().Changes[id-1]
			if did := c.Committed > 0 && c.Answering >= c.Committed; did != (test.status < 400) {
				t.Errorf("change = %+v, status %d", c, test.status)
			}
		})
	}
}

func TestHubInItsManner(t *testing.T) {
	for _, test := range []struct {
		name              string
		manner            Manner
		status            int
		commit, answering time.Duration
	}{
		{"at once", Manner{}, 200, 0, 0},
		{"slowly", Manner{Commit: 20 * time.Millisecond, Answer: 50 * time.Millisecond}, 200, 20 * time.Millisecond, 50 * time.Millisecond},
		{"after it has failed", Manner{Commit: 10 * time.Second, Answer: time.Second, Status: 500}, 500, 10 * time.Second, time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, log := newTestHub()
				h.Share("bob", "")
				log.Begin(history.Change{}, "bob")
				begin := log.Now()
				w := send(h, "PATCH", "api/shares/alice/", `{"user":"bob"}`, "a", FieldChange, "1", FieldManner, test.manner.String())
				time.Sleep(time.Minute) // virtual: until what goes on is done
				synctest.Wait()
				c := log.History().Changes[0]
				if w.Code != test.status || c.Committed-begin != test.commit || c.Answering-begin != test.answering {
					t.Errorf("status %d, done after %s, answered after %s; want %d, %s, %s",
						w.Code, c.Committed-begin, c.Answering-begin, test.status, test.commit, test.answering)
				}
				if h.Welcome("bob") {
					t.Error("bob is welcome still")
				}
			})
		})
	}
}
