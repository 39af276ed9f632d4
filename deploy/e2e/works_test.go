package e2e

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/e2e/rig"
)

// Point 1: what works behind configurable-http-proxy works.
func TestWorks(t *testing.T) {
	h := startHub(t, rig.Options{})
	ctx := t.Context()
	alice, bob := person(t, ctx, h, "alice"), person(t, ctx, h, "bob")

	sub(t, "1", "spawn page with server-sent events", func(t *testing.T, ctx context.Context) { spawnByPage(t, ctx, alice) })
	a := enter(t, ctx, alice, "alice", "")
	share(t, ctx, alice, "", "bob")
	b := enter(t, ctx, bob, "alice", "")
	sub(t, "1", "Lab, kernel, terminal", func(t *testing.T, ctx context.Context) { useServer(t, ctx, a, "alice at her server") })
	sub(t, "1", "guest", func(t *testing.T, ctx context.Context) { useServer(t, ctx, b, "bob at alice's server") })
	sub(t, "1", "document", func(t *testing.T, ctx context.Context) { editTogether(t, ctx, a, b) })
	sub(t, "1", "100 MB", func(t *testing.T, ctx context.Context) { bigFiles(t, ctx, h, a) })
	sub(t, "1", "named server", func(t *testing.T, ctx context.Context) {
		must(t, h.StartServer(ctx, "alice", "second"))
		useServer(t, ctx, enter(t, ctx, alice, "alice", "second"), "named server alice/second")
	})
	for _, name := range []string{"has@", "秀樹", "a b"} {
		sub(t, "1", "user "+name, func(t *testing.T, ctx context.Context) { oddName(t, ctx, h, name) })
	}
}

// Point 1, under a base URL with a space and an @.
func TestWorksUnderBaseURL(t *testing.T) {
	h := startHub(t, rig.Options{Base: "/@/space%20word/"})
	sub(t, "1", "base URL", func(t *testing.T, ctx context.Context) { oddName(t, ctx, h, "has@") })
}

// oddName has a user with that name use their server, and share it with bob.
func oddName(t *testing.T, ctx context.Context, h *rig.Hub, name string) {
	owner := person(t, ctx, h, name)
	must(t, h.StartServer(ctx, name, ""))
	v := enter(t, ctx, owner, name, "")
	useServer(t, ctx, v, fmt.Sprintf("user %q under %s", name, h.Base))
	bob := h.Person("bob")
	must(t, bob.Login(ctx))
	share(t, ctx, owner, "", "bob")
	b := enter(t, ctx, bob, name, "")
	answer, err := owner.API(ctx, http.MethodPatch, "shares/"+rig.Escape(name)+"/", map[string]any{"user": "bob"})
	must(t, err)
	after, err := b.Call(ctx, http.MethodGet, "api/status", nil, nil)
	must(t, err)
	rep.Is(t, "1", fmt.Sprintf("user %q: a revoked guest's next request", name), http.StatusForbidden, after.Status)
	rep.Saw(t, "1", fmt.Sprintf("user %q: the answer to the revoke", name), cutHeader(answer), strings.HasPrefix(cutHeader(answer), "done;"))
}

// spawnByPage starts alice's server as a browser does, and reads the progress events.
func spawnByPage(t *testing.T, ctx context.Context, u *rig.User) {
	page, err := u.Navigate(ctx, u.Hub.Base+"hub/spawn/"+rig.Escape(u.Name))
	must(t, err)
	began := time.Now()
	res, err := u.Send(ctx, http.MethodGet, u.Hub.Base+"hub/api/users/"+rig.Escape(u.Name)+"/server/progress?_xsrf="+xsrfOf(page.Body), nil,
		"Accept", "text/event-stream", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Site", "same-origin", "Referer", u.Hub.Public+u.Hub.Base+"hub/spawn-pending/"+u.Name)
	must(t, err)
	defer res.Body.Close()
	var first time.Duration
	events, last := 0, ""
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			if events == 0 {
				first = time.Since(began)
			}
			events, last = events+1, data
		}
	}
	rep.Saw(t, "1", "spawn page: progress events", fmt.Sprintf("%d events, first after %.0f ms, last says ready", events, milliseconds(first)),
		res.Header.Get("Content-Type") == "text/event-stream" && events >= 2 && strings.Contains(last, `"ready": true`))
}

func xsrfOf(page string) string {
	_, rest, _ := strings.Cut(page, `xsrf_token: "`)
	token, _, _ := strings.Cut(rest, `"`)
	return token
}

// useServer runs code in a kernel and a command in a terminal, through one visit.
func useServer(t *testing.T, ctx context.Context, v *rig.Visit, who string) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	began := time.Now()
	id, err := v.NewKernel(ctx)
	must(t, err)
	k, err := v.OpenKernel(ctx, id)
	must(t, err)
	defer k.Close()
	out, err := k.Output(ctx, "print(6*7)")
	must(t, err)
	rep.Saw(t, "1", who+": page, kernel", fmt.Sprintf("6*7 = %s after %.0f ms", strings.TrimSpace(out), milliseconds(time.Since(began))), strings.TrimSpace(out) == "42")

	name, err := v.NewTerminal(ctx)
	must(t, err)
	term, err := v.OpenTerminal(ctx, name)
	must(t, err)
	defer term.Close()
	must(t, term.Type(ctx, "echo $((6*7))\r"))
	seen := ""
	for !strings.Contains(seen, "42") {
		select {
		case text := <-term.Text:
			seen += text
		case <-ctx.Done():
			t.Fatalf("terminal said %q", seen)
		}
	}
	rep.Saw(t, "1", who+": terminal", "answered", true)
	must(t, v.Must(ctx, http.MethodDelete, "api/terminals/"+name, nil, nil))
	must(t, v.Must(ctx, http.MethodDelete, "api/kernels/"+id, nil, nil))
}

// editTogether has two people type in one document; each sees the other's text, and the file has both.
func editTogether(t *testing.T, ctx context.Context, a, b *rig.Visit) {
	must(t, a.Must(ctx, http.MethodPut, "api/contents/together.txt", map[string]any{"type": "file", "format": "text", "content": ""}, nil))
	one, err := a.OpenRoom(ctx, "together.txt")
	must(t, err)
	defer one.Close()
	two, err := b.OpenRoom(ctx, "together.txt")
	must(t, err)
	defer two.Close()
	must(t, one.Insert(ctx, "written by alice "))
	must(t, two.WaitText(ctx, "written by alice ", 10*time.Second))
	must(t, two.Insert(ctx, "written by bob "))
	must(t, one.WaitText(ctx, "written by bob ", 10*time.Second))
	saved := ""
	for range 100 {
		var file struct{ Content string }
		must(t, a.Must(ctx, http.MethodGet, "api/contents/together.txt", nil, &file))
		if saved = file.Content; strings.Contains(saved, "alice") && strings.Contains(saved, "bob") {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	rep.Saw(t, "1", "document edited together by two", fmt.Sprintf("saved %q", saved), strings.Contains(saved, "alice") && strings.Contains(saved, "bob"))
}

// bigFiles downloads and uploads 100 MB and compares checksums.
func bigFiles(t *testing.T, ctx context.Context, h *rig.Hub, v *rig.Visit) {
	home := filepath.Join(h.Dir, "home", "alice")
	data := make([]byte, 100_000_000)
	_, _ = rand.Read(data)
	want := sha256.Sum256(data)
	must(t, os.WriteFile(filepath.Join(home, "big.bin"), data, 0o644))

	began := time.Now()
	res, err := v.Send(ctx, http.MethodGet, v.Server+"files/big.bin", nil, "Sec-Fetch-Mode", "navigate")
	must(t, err)
	defer res.Body.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, res.Body)
	must(t, err)
	got := hex.EncodeToString(sum.Sum(nil))
	rep.Saw(t, "1", "download of 100 MB", fmt.Sprintf("%d bytes in %.0f ms, same checksum", n, milliseconds(time.Since(began))), got == hex.EncodeToString(want[:]))

	// JupyterLab uploads in pieces of 1 MB, numbered, the last -1; a program sends one body. Both are tried.
	began = time.Now()
	const piece = 1_000_000
	for i := 0; i*piece < len(data); i++ {
		chunk := i + 1
		if (i+1)*piece >= len(data) {
			chunk = -1
		}
		must(t, v.Must(ctx, http.MethodPut, "api/contents/pieces.bin", map[string]any{"type": "file", "format": "base64", "chunk": chunk,
			"content": base64.StdEncoding.EncodeToString(data[i*piece : (i+1)*piece])}, nil))
	}
	rep.Saw(t, "1", "upload of 100 MB in pieces", fmt.Sprintf("%.0f ms, same checksum", milliseconds(time.Since(began))), sameFile(home, "pieces.bin", want))
	began = time.Now()
	must(t, v.Must(ctx, http.MethodPut, "api/contents/whole.bin", map[string]any{"type": "file", "format": "base64",
		"content": base64.StdEncoding.EncodeToString(data)}, nil))
	rep.Saw(t, "1", "upload of 100 MB in one body", fmt.Sprintf("%.0f ms, same checksum", milliseconds(time.Since(began))), sameFile(home, "whole.bin", want))
}

func sameFile(home, name string, want [sha256.Size]byte) bool {
	data, err := os.ReadFile(filepath.Join(home, name))
	return err == nil && sha256.Sum256(data) == want
}

// cutHeader is what the proxy says of a revoke.
func cutHeader(a *rig.Answer) string {
	if value := a.Header.Get("Share-Proxy-Cut"); value != "" {
		return value
	}
	return "(no Share-Proxy-Cut)"
}
