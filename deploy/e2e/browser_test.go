package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/e2e/rig"
)

// watchSockets keeps a list of a page's WebSockets with their close codes; it runs before the page's own scripts.
const watchSockets = `(() => {
  const Real = window.WebSocket, list = window.__sockets = [];
  window.WebSocket = class extends Real {
    constructor(url, protocols) {
      protocols === undefined ? super(url) : super(url, protocols);
      const entry = {url: String(url), opened: 0, closed: 0, code: 0, reason: ""};
      list.push(entry);
      this.addEventListener("open", () => { entry.opened = Date.now(); });
      this.addEventListener("close", e => { entry.closed = Date.now(); entry.code = e.code; entry.reason = e.reason; });
    }
  };
})()`

// pageSocket is one entry of that list.
type pageSocket struct {
	URL            string
	Opened, Closed int64
	Code           int
	Reason         string
}

func (s pageSocket) kind() string {
	for part, kind := range map[string]string{"/api/kernels/": "kernel", "/terminals/": "terminal", "globalAwareness": "global awareness",
		"/api/collaboration/room/": "document room", "/api/events/": "events"} {
		if strings.Contains(s.URL, part) {
			return kind
		}
	}
	return "other"
}

// watchFor is how long a revoked tab is watched: several of JupyterLab's longest pauses between two attempts would be minutes;
// what retries in a tight loop shows in seconds.
const watchFor = 30 * time.Second

// Point 7: what a guest's browser shows.
func TestBrowser(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium: apt-get install chromium")
	}
	h := startHub(t, rig.Options{})
	alice := person(t, t.Context(), h, "alice")
	must(t, h.StartServer(t.Context(), "alice", ""))
	a := enter(t, t.Context(), alice, "alice", "")
	must(t, a.Must(t.Context(), http.MethodPut, "api/contents/story.ipynb", map[string]any{"type": "notebook", "content": notebook}, nil))
	// The question about news would lie over what we want to see.
	must(t, a.Must(t.Context(), http.MethodPut, "lab/api/settings/@jupyterlab/apputils-extension:notification", map[string]any{"raw": `{"fetchNews": "false"}`}, nil))
	must(t, h.Setup(t.Context(), http.MethodPost, "users/bob", nil, nil))
	share(t, t.Context(), alice, "", "bob")

	allocator, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.Flag("headless", "new"), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.WindowSize(1400, 900), chromedp.UserDataDir(filepath.Join(h.Dir, "chromium")))...)
	defer stop()
	ctx, cancel := chromedp.NewContext(allocator)
	defer cancel()
	ctx, cancelTimeout := context.WithTimeout(ctx, 4*time.Minute)
	defer cancelTimeout()
	b := &browser{t: t, ctx: ctx, hub: h}
	sub(t, "7", "browser", func(t *testing.T, _ context.Context) {
		b.t = t
		b.comeIn()
		b.revoked(alice)
		b.navigate()
	})
}

var notebook = map[string]any{"nbformat": 4, "nbformat_minor": 5, "metadata": map[string]any{
	"kernelspec": map[string]any{"name": "python3", "display_name": "Python 3 (ipykernel)"}},
	"cells": []any{map[string]any{"cell_type": "code", "id": "one", "metadata": map[string]any{}, "outputs": []any{}, "execution_count": nil, "source": "6*7"}}}

// browser is bob's Chromium, with one tab.
type browser struct {
	t   *testing.T
	ctx context.Context
	hub *rig.Hub

	mu       sync.Mutex
	requests []request
}

// request is one request or handshake that the tab sent.
type request struct {
	at   time.Time
	what string
}

func (b *browser) run(actions ...chromedp.Action) {
	b.t.Helper()
	must(b.t, chromedp.Run(b.ctx, actions...))
}

// count keeps what the tab sends.
func (b *browser) count(event any) {
	what := ""
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		what = e.Request.Method + " " + e.Request.URL
	case *network.EventWebSocketCreated:
		what = "WS " + e.URL
	default:
		return
	}
	method, address, _ := strings.Cut(what, " ")
	if u, err := url.Parse(address); err == nil {
		what = method + " " + u.Path
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests = append(b.requests, request{time.Now(), what})
}

// comeIn logs bob in by the form, and opens alice's notebook and a terminal.
func (b *browser) comeIn() {
	chromedp.ListenTarget(b.ctx, b.count)
	b.run(network.Enable(),
		chromedp.ActionFunc(func(ctx context.Context) error {
			_, err := page.AddScriptToEvaluateOnNewDocument(watchSockets).Do(ctx)
			return err
		}),
		chromedp.Navigate(b.hub.Public+"/hub/login?next=/hub/home"),
		chromedp.SendKeys("#username_input", "bob"), chromedp.SendKeys("#password_input", "any"),
		chromedp.Submit("#username_input"))
	b.until("bob is logged in", 20*time.Second, `location.pathname === '/hub/home' && document.readyState === 'complete'`)
	b.run(chromedp.Navigate(b.hub.Public + "/user/alice/lab"))
	b.until("JupyterLab is open", 60*time.Second, `(() => {
		const form = document.querySelector('form [type=submit]');
		if (location.pathname.includes('/oauth2/authorize') && form) { form.click(); return false; }
		return !!(window.jupyterapp && document.querySelector('.jp-LabShell'));
	})()`)
	b.run(chromedp.Evaluate(`window.jupyterapp.restored.then(() => { window.__opened = Promise.all([
		window.jupyterapp.commands.execute('docmanager:open', {path: 'story.ipynb', kernel: {name: 'python3'}}),
		window.jupyterapp.commands.execute('terminal:create-new')]); }); 0`, nil))
	b.until("all sockets are open", 60*time.Second, `(() => {
		const open = part => window.__sockets.some(s => s.url.includes(part) && s.opened && !s.closed);
		return open('/api/kernels/') && open('/terminals/') && open('room/json:notebook') && open('/api/events/');
	})()`)
	time.Sleep(2 * time.Second) // the page settles: requests of a page that still loads are not counted as retries
	b.screenshot("1-before.png")
}

// revoked has alice revoke, and watches the tab.
func (b *browser) revoked(alice *rig.User) {
	t := b.t
	answer, err := alice.API(b.ctx, http.MethodPatch, aliceShares, map[string]any{"user": "bob"})
	must(t, err)
	at := answer.Head
	time.Sleep(2 * time.Second)
	b.screenshot("2-after-2s.png")
	early := b.dialogs()
	time.Sleep(time.Until(at.Add(watchFor)))
	b.screenshot("3-after-30s.png")

	var closed []string
	left := 0
	for _, s := range b.sockets() {
		switch {
		case s.Opened == 0 || s.Closed != 0 && s.Closed < at.UnixMilli()-1000:
		case s.Closed == 0:
			left++
		default:
			closed = append(closed, fmt.Sprintf("%s %d %q after %d ms", s.kind(), s.Code, s.Reason, max(0, s.Closed-at.UnixMilli())))
		}
	}
	rep.Saw(t, "7", "sockets of the page: what they saw", strings.Join(closed, ", "), len(closed) >= 4)
	rep.Is(t, "7", "sockets of the page left open", 0, left)
	rep.Saw(t, "7", "the page after 2 s", early, true)
	rep.Saw(t, "7", "the page after 30 s", b.dialogs(), true)
	b.retries("the page left alone", at, watchFor)

	// bob clicks the button that the dialog offers first, and the page has nothing more to ask for.
	b.run(chromedp.Evaluate(`document.querySelectorAll('.jp-Dialog .jp-mod-accept').forEach(e => e.click())`, nil))
	b.until("the dialog led to the page that says what happened", 20*time.Second,
		`document.readyState === 'complete' && !document.querySelector('.jp-LabShell') && document.body.innerText.includes('No access')`)
	at = time.Now()
	time.Sleep(10 * time.Second)
	b.screenshot("4-after-reload.png")
	rep.Is(t, "7", "the page after Reload: requests within 10 s", 0, b.sentAfter(at))
}

// sentAfter returns how many requests the tab sent after a moment.
func (b *browser) sentAfter(at time.Time) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.requests {
		if r.at.After(at) {
			n++
		}
	}
	return n
}

// retries reports what the tab sent in the time after a moment. What would be a tight loop is one request that is repeated more
// often than once a second; a tab has several things that try again, each on its own.
func (b *browser) retries(name string, at time.Time, during time.Duration) {
	b.mu.Lock()
	counts, total, late, most := map[string]int{}, 0, 0, 0
	for _, r := range b.requests {
		if r.at.After(at) {
			counts[r.what]++
			total++
			if r.at.After(at.Add(during - 10*time.Second)) {
				late++
			}
			most = max(most, counts[r.what])
		}
	}
	b.mu.Unlock()
	var texts []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		texts = append(texts, fmt.Sprintf("%s (%d)", what, counts[what]))
	}
	perSecond := func(n int) float64 { return float64(n) / during.Seconds() }
	rep.Saw(b.t, "7", name+": what it sends", strings.Join(texts, ", "), true)
	rep.Saw(b.t, "7", name+": its most frequent request", fmt.Sprintf("%.2f a second", perSecond(most)), perSecond(most) < 1)
	// A remark, not a check: how many things of a page try again, and how soon, is JupyterLab's, whatever the proxy answers.
	rep.Saw(b.t, "7", name+": all its requests together", fmt.Sprintf("%.2f a second, in the last 10 s %.1f", perSecond(total), float64(late)/10), true)
}

// navigate has bob go to alice's server again.
func (b *browser) navigate() {
	var text string
	res, err := chromedp.RunResponse(b.ctx, chromedp.ActionFunc(func(ctx context.Context) error {
		// A page with unsaved changes asks before it is left.
		chromedp.ListenTarget(ctx, func(event any) {
			if _, ok := event.(*page.EventJavascriptDialogOpening); ok {
				go func() { _ = chromedp.Run(b.ctx, page.HandleJavaScriptDialog(true)) }()
			}
		})
		return nil
	}), chromedp.Navigate(b.hub.Public+"/user/alice/lab"))
	must(b.t, err)
	b.run(chromedp.Text("body", &text, chromedp.ByQuery))
	b.screenshot("5-navigation.png")
	text = strings.Join(strings.Fields(text), " ")
	rep.Is(b.t, "7", "a navigation afterwards", http.StatusForbidden, int(res.Status))
	rep.Saw(b.t, "7", "a navigation afterwards shows", fmt.Sprintf("%.400s", text), strings.Contains(text, "bob") && strings.Contains(text, "alice"))
}

// dialogs returns the text of the dialogs and notifications that the page shows.
func (b *browser) dialogs() string {
	var texts []string
	b.run(chromedp.Evaluate(`[...document.querySelectorAll('.jp-Dialog-content, .jp-toast-message, .Toastify__toast-body')].map(e => e.innerText)`, &texts))
	if len(texts) == 0 {
		return "no dialog"
	}
	for i, text := range texts {
		texts[i] = strings.Join(strings.Fields(text), " ")
	}
	return strings.Join(texts, " | ")
}

func (b *browser) sockets() []pageSocket {
	var text string
	b.run(chromedp.Evaluate(`JSON.stringify(window.__sockets)`, &text))
	var list []pageSocket
	must(b.t, json.Unmarshal([]byte(text), &list))
	return list
}

// until evaluates an expression until it is true.
func (b *browser) until(what string, limit time.Duration, expression string) {
	b.t.Helper()
	for began := time.Now(); time.Since(began) < limit; time.Sleep(200 * time.Millisecond) {
		var ok bool
		// An error is a page that is just being left.
		if chromedp.Run(b.ctx, chromedp.Evaluate(expression, &ok)) == nil && ok {
			return
		}
	}
	b.screenshot("failed.png")
	b.t.Fatalf("not within %s: %s", limit, what)
}

// screenshot writes what the tab shows to build/screens.
func (b *browser) screenshot(name string) {
	b.t.Helper()
	var png []byte
	b.run(chromedp.CaptureScreenshot(&png))
	folder := filepath.Join(repo, "build", "screens")
	must(b.t, os.MkdirAll(folder, 0o755))
	must(b.t, os.WriteFile(filepath.Join(folder, name), png, 0o644))
}
