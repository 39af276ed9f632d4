// Package e2e runs real clients against a real JupyterHub with share-proxy as its proxy, and prints what it measured.
//
// `make e2e` sets the environment: HUB_VENV, HUB_VERSION, PROXY and REPO. Without it the tests are skipped.
package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/e2e/report"
	"github.com/jupyterhub-share-proxy/share-proxy/deploy/e2e/rig"
)

var (
	rep  report.Report
	repo = os.Getenv("REPO")
	venv = os.Getenv("HUB_VENV")
	// reference says that configurable-http-proxy is measured: fewer rounds, and nearly everything fails.
	reference = os.Getenv("PROXY") == "chp"
)

func TestMain(m *testing.M) {
	if venv == "" || repo == "" {
		fmt.Println("skipped: run by `make e2e`")
		return
	}
	rep.Hub, rep.Proxy = os.Getenv("HUB_VERSION"), os.Getenv("PROXY")
	began := time.Now()
	code := m.Run()
	rep.Print(os.Stdout)
	fmt.Printf("%.0f s\n", time.Since(began).Seconds())
	name := "e2e.json"
	if reference {
		name = "e2e-chp.json"
	}
	if err := rep.Write(filepath.Join(repo, "build", name)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if code == 0 && rep.Failed() > 0 {
		code = 1
	}
	os.Exit(code)
}

// rounds returns how often a measurement is repeated.
func rounds(n int) int {
	if reference {
		return 1
	}
	return n
}

// proxyCommand is what the Hub starts.
func proxyCommand() []string {
	if reference {
		return []string{filepath.Join(repo, "build/chp/node_modules/.bin/configurable-http-proxy")}
	}
	return []string{filepath.Join(repo, "bin/share-proxy"), "serve"}
}

// startHub starts a hub for one test and stops it at the end. Its folder stays in build/e2e for reading.
func startHub(t *testing.T, opt rig.Options) *rig.Hub {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() && rep.Failed() == 0 {
			rep.Saw(t, "0", t.Name(), "could not be prepared, see the log above", false)
		}
	})
	opt.Venv, opt.Proxy = venv, proxyCommand()
	opt.Dir = filepath.Join(repo, "build", "e2e", t.Name())
	must(t, os.RemoveAll(opt.Dir))
	must(t, os.MkdirAll(opt.Dir, 0o755))
	h, err := rig.Start(t.Context(), opt)
	must(t, err)
	t.Cleanup(h.Stop)
	return h
}

// sub runs one part of a point. A part that stops before it could measure counts as a failure of its point.
func sub(t *testing.T, point, name string, f func(t *testing.T, ctx context.Context)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		before := rep.Failed()
		defer func() {
			if t.Failed() && rep.Failed() == before {
				rep.Saw(t, point, name, "could not be measured, see the log above", false)
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		f(t, ctx)
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// person logs somebody in and gives them an API token.
func person(t *testing.T, ctx context.Context, h *rig.Hub, name string) *rig.User {
	t.Helper()
	u := h.Person(name)
	must(t, u.Login(ctx))
	must(t, u.NewAPIKey(ctx))
	return u
}

// enter opens a server's page; it must work.
func enter(t *testing.T, ctx context.Context, u *rig.User, owner, name string) *rig.Visit {
	t.Helper()
	v, err := u.Enter(ctx, owner, name)
	must(t, err)
	return v
}

// share grants a server to somebody by the owner's call through the proxy; it must work.
func share(t *testing.T, ctx context.Context, owner *rig.User, server, guest string) *rig.Answer {
	t.Helper()
	a, err := owner.API(ctx, http.MethodPost, "shares/"+rig.Escape(owner.Name)+"/"+server, map[string]any{"user": guest})
	must(t, err)
	if a.Status != http.StatusOK {
		t.Fatalf("share %s/%s with %s: %d %s", owner.Name, server, guest, a.Status, a.Body)
	}
	return a
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
