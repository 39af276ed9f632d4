package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/e2e/rig"
)

// Point 2: who has no share is refused before a byte reaches the server; who has one is in at once.
func TestAccess(t *testing.T) {
	h := startHub(t, rig.Options{})
	ctx := t.Context()
	alice, bob := person(t, ctx, h, "alice"), person(t, ctx, h, "bob")
	must(t, h.StartServer(ctx, "alice", "rec"))
	must(t, h.StartServer(ctx, "alice", ""))
	rec := &recorded{t: t, file: filepath.Join(h.Dir, "home", "alice", "requests.jsonl"), server: h.ServerPath("alice", "rec")}

	// bob gets a cookie of the recorder first, so that he has something to be refused with.
	share(t, ctx, alice, "rec", "bob")
	_, err := bob.Navigate(ctx, rec.server)
	must(t, err)
	v := &rig.Visit{User: bob, Server: rec.server, PageToken: bob.APIKey}
	sub(t, "2", "upload", func(t *testing.T, ctx context.Context) { uploadCut(t, ctx, alice, v, rec) })
	sub(t, "2", "without a share", func(t *testing.T, ctx context.Context) { refused(t, ctx, v, rec) })
	sub(t, "2", "granted", func(t *testing.T, ctx context.Context) { granted(t, ctx, alice, bob) })
}

// recorded reads what the recorder wrote down.
type recorded struct {
	t      *testing.T
	file   string
	server string
}

// lines returns the lines from a position on, and the position behind them.
func (r *recorded) lines(from int) ([]map[string]any, int) {
	r.t.Helper()
	text, err := os.ReadFile(r.file)
	must(r.t, err)
	var lines []map[string]any
	for line := range strings.Lines(string(text[from:])) {
		var m map[string]any
		must(r.t, json.Unmarshal([]byte(line), &m))
		lines = append(lines, m)
	}
	return lines, len(text)
}

// refused tries every kind of request without a share, by every credential, and looks at what the server saw.
func refused(t *testing.T, ctx context.Context, v *rig.Visit, rec *recorded) {
	_, from := rec.lines(0)
	token := []string{"Authorization", "token " + v.APIKey}
	nobody := v.Hub.Person("nobody")
	tries := []struct {
		name   string
		who    *rig.User
		method string
		path   string
		head   []string
	}{
		{"page by cookie", v.User, http.MethodGet, "", []string{"Sec-Fetch-Mode", "navigate", "Accept", "text/html"}},
		{"API call by cookie", v.User, http.MethodGet, "api/contents", []string{"Sec-Fetch-Mode", "cors"}},
		{"POST by cookie", v.User, http.MethodPost, "api/kernels", nil},
		{"API call by token", nobody, http.MethodGet, "api/contents", token},
		{"page by token", nobody, http.MethodGet, "lab", append([]string{"Sec-Fetch-Mode", "navigate", "Accept", "text/html"}, token...)},
		{"API call by nobody", nobody, http.MethodGet, "api/contents", []string{"Sec-Fetch-Mode", "cors"}},
		{"POST by nobody", nobody, http.MethodPost, "api/contents", nil},
	}
	for _, try := range tries {
		a, err := try.who.Do(ctx, try.method, v.Server+try.path, strings.NewReader(""), try.head...)
		must(t, err)
		rep.Is(t, "2", "no share: "+try.name, http.StatusForbidden, a.Status)
		if try.name == "page by cookie" {
			names := strings.Contains(a.Body, "bob") && strings.Contains(a.Body, "alice") && strings.HasPrefix(a.Header.Get("Content-Type"), "text/html")
			rep.Saw(t, "2", "no share: the page says who and whose", fmt.Sprintf("%d bytes of %s", len(a.Body), a.Header.Get("Content-Type")), names)
		}
	}
	for _, way := range []string{"cookie", "token"} {
		who := v
		path := "api/events/subscribe"
		if way == "token" {
			who = &rig.Visit{User: nobody, Server: v.Server}
			path += "?token=" + url.QueryEscape(v.APIKey)
		}
		_, err := who.Socket(ctx, "events", path, func(websocket.MessageType, []byte) {})
		status, _ := err.(*rig.Refused)
		if status == nil {
			t.Fatalf("WebSocket by %s: %v", way, err)
		}
		rep.Is(t, "2", "no share: WebSocket by "+way, http.StatusForbidden, status.Status)
	}
	seen, _ := rec.lines(from)
	rep.Is(t, "2", "no share: requests that reached the server", 0, len(seen))
}

// uploadCut revokes while bob uploads, and looks at which bytes got to the server.
func uploadCut(t *testing.T, ctx context.Context, alice *rig.User, v *rig.Visit, rec *recorded) {
	var late, pieces, statuses []int
	var ms []float64
	for range rounds(10) {
		share(t, ctx, alice, "rec", "bob")
		_, from := rec.lines(0)
		up := v.Upload(ctx, http.MethodPost, "upload", "")
		for range 500 {
			if lines, _ := rec.lines(from); len(lines) > 5 {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		a, err := alice.API(ctx, http.MethodPatch, "shares/alice/rec", map[string]any{"user": "bob"})
		must(t, err)
		ended, status, at := up.Wait(patience)
		if !ended {
			at = time.Now()
		}
		ms = append(ms, max(0, milliseconds(at.Sub(a.Head))))
		time.Sleep(20 * time.Millisecond)
		lines, _ := rec.lines(from)
		tape := &rig.Tape{}
		for _, line := range lines {
			if text, ok := line["text"].(string); ok {
				tape.Take(text)
			}
		}
		late, pieces, statuses = append(late, tape.EmittedAfter(a.Head)), append(pieces, tape.Count()), append(statuses, status)
		up.Close()
	}
	rep.AtLeast(t, "3", "upload: lines that reached the server before", 3, pieces...)
	rep.Is(t, "3", "upload: lines sent after the answer that reached the server", 0, late...)
	rep.Below(t, "3", "upload: answer to upload ended", 50, ms...)
	rep.Saw(t, "3", "upload: what the uploader is told", fmt.Sprint(statuses), true)
}

// granted has bob come in by the three ways of granting; each begins with a refusal that must not be remembered.
func granted(t *testing.T, ctx context.Context, alice, bob *rig.User) {
	share(t, ctx, alice, "", "bob")
	v := enter(t, ctx, bob, "alice", "")
	a := enter(t, ctx, alice, "alice", "")
	ways := []struct {
		name  string
		grant func() (*rig.Answer, error)
	}{
		{"REST API", func() (*rig.Answer, error) {
			return alice.API(ctx, http.MethodPost, aliceShares, map[string]any{"user": "bob"})
		}},
		{"share code", func() (*rig.Answer, error) { return acceptCode(t, ctx, alice, bob) }},
		{"JupyterLab's share dialog", func() (*rig.Answer, error) {
			return a.HubCall(ctx, http.MethodPost, aliceShares, map[string]any{"user": "bob", "scopes": []string{"access:servers!server=alice/"}})
		}},
	}
	for _, way := range ways {
		var ms []float64
		var refusals, late []int
		for range rounds(20) {
			_, err := alice.API(ctx, http.MethodPatch, aliceShares, map[string]any{"user": "bob"})
			must(t, err)
			refusal, err := v.Call(ctx, http.MethodGet, "api/status", nil, nil)
			must(t, err)
			refusals = append(refusals, refusal.Status)
			answer, err := way.grant()
			must(t, err)
			if answer.Status >= 400 {
				t.Fatalf("%s: %d %s", way.name, answer.Status, answer.Body)
			}
			first, refused := firstServed(ctx, v, answer.Head)
			ms, late = append(ms, first), append(late, refused)
		}
		rep.Is(t, "2", "before it was granted by "+way.name, http.StatusForbidden, refusals...)
		rep.Is(t, "2", "granted by "+way.name+": requests refused after the answer", 0, late...)
		rep.Below(t, "2", "granted by "+way.name+": answer to first request served", 500, ms...)
	}
}

// firstServed returns the time from a moment until the server answers v, in milliseconds, and how many requests were refused until then.
func firstServed(ctx context.Context, v *rig.Visit, at time.Time) (ms float64, refused int) {
	for time.Since(at) < patience {
		a, err := v.Call(ctx, http.MethodGet, "api/status", nil, nil)
		if err == nil && a.Status == http.StatusOK {
			break
		}
		refused++
		time.Sleep(2 * time.Millisecond)
	}
	return milliseconds(time.Since(at)), refused
}

// acceptCode has alice make a Hub share code and bob accept it on the Hub's page.
func acceptCode(t *testing.T, ctx context.Context, alice, bob *rig.User) (*rig.Answer, error) {
	made, err := alice.API(ctx, http.MethodPost, "share-codes/alice/", map[string]any{})
	must(t, err)
	var code struct {
		AcceptURL string `json:"accept_url"`
	}
	must(t, json.Unmarshal([]byte(made.Body), &code))
	return bob.SubmitForm(ctx, code.AcceptURL)
}
