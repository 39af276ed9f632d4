package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/redistest"
)

// routeTest is the token of the route API in these tests.
const routeTest = "token-of-the-route-api"

// startProxy starts the program with variables and returns it with the
// address of its route API.
func startProxy(t *testing.T, environ ...string) (*child, string) {
	t.Helper()
	cmd := startChild(t, "program", self(t), append(environ, "CONFIGPROXY_AUTH_TOKEN="+routeTest),
		"serve", "--ip=127.0.0.1", "--port=0", "--api-ip=127.0.0.1", "--api-port=0", "--error-target=http://127.0.0.1:1/hub/error")
	var line struct{ Addr string }
	if err := json.Unmarshal([]byte(cmd.until(t, `"server":"api"`)), &line); err != nil {
		t.Fatal(err)
	}
	return cmd, line.Addr
}

// routeCall calls the route API and returns status and body.
func routeCall(t *testing.T, addr, method, path, body string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+addr+"/api/routes"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "token "+routeTest)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func post(t *testing.T, addr, path string) {
	t.Helper()
	if status, body := routeCall(t, addr, "POST", path, `{"target": "http://127.0.0.1:1", "jupyterhub": true}`); status != 201 {
		t.Fatalf("POST of %s = %d %s, want 201", path, status, body)
	}
}

func end(t *testing.T, cmd *child, by syscall.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(by); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, cmd.stdout) }() // it may have more to say than the pipe holds
	if err := cmd.Wait(); err != nil && by == syscall.SIGTERM {
		t.Errorf("it ended with %v, want 0", err)
	}
}

func TestTwoProcessesOnOneRedisHaveTheSameRoutes(t *testing.T) {
	redis := redistest.Start(t, redistest.Options{})
	url := "SHARE_PROXY_REDIS_URL=redis://" + redis.Addr
	first, one := startProxy(t, url)
	second, two := startProxy(t, url)
	post(t, one, "/user/a")
	if _, table := routeCall(t, two, "GET", "", ""); !strings.Contains(table, `"/user/a"`) {
		t.Errorf("the other process has %s, want the route", table)
	}
	if status, _ := routeCall(t, two, "DELETE", "/user/a", ""); status != 204 {
		t.Errorf("DELETE at the other process = %d, want 204", status)
	}
	if _, table := routeCall(t, one, "GET", "", ""); strings.Contains(table, `"/user/a"`) {
		t.Errorf("the first process still has %s", table)
	}
	post(t, two, "/user/b")
	end(t, first, syscall.SIGTERM)
	end(t, second, syscall.SIGTERM)
	_, three := startProxy(t, url)
	if _, table := routeCall(t, three, "GET", "", ""); !strings.Contains(table, `"/user/b"`) {
		t.Errorf("a process that starts has %s, want the route of those before", table)
	}
}

func TestAProcessStartsWithoutRedisAndHasItsRoutesLater(t *testing.T) {
	redis := redistest.Start(t, redistest.Options{})
	if err := redis.Kill(); err != nil {
		t.Fatal(err)
	}
	_, addr := startProxy(t, "SHARE_PROXY_REDIS_URL=redis://"+redis.Addr) // waits for its limit
	post(t, addr, "/user/a")
	if err := redis.Start(); err != nil {
		t.Fatal(err)
	}
	_, other := startProxy(t, "SHARE_PROXY_REDIS_URL=redis://"+redis.Addr)
	for deadline := time.After(patience); ; { // the first has to find Redis again
		if _, table := routeCall(t, other, "GET", "", ""); strings.Contains(table, `"/user/a"`) {
			return
		}
		select {
		case <-deadline:
			t.Fatal("a route that was posted without Redis is not shared when it is there")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestAProcessThatIsKilledHasItsRoutesFromItsFile(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	first, addr := startProxy(t, "SHARE_PROXY_DATA_DIR="+folder)
	post(t, addr, "/user/a")
	end(t, first, syscall.SIGKILL)
	_, addr = startProxy(t, "SHARE_PROXY_DATA_DIR="+folder)
	if _, table := routeCall(t, addr, "GET", "", ""); !strings.Contains(table, `"/user/a"`) {
		t.Errorf("the restarted process has %s, want the route", table)
	}
	got := runWith(t, []string{"SHARE_PROXY_DATA_DIR=" + folder}, "share-proxy", "serve", "--ip=127.0.0.1", "--port=0", "--api-port=0")
	if got.code != 1 || !strings.Contains(got.stderr, "SHARE_PROXY_DATA_DIR: ") {
		t.Errorf("a second process on the same folder = %+v, want code 1 and the setting's name", got)
	}
}

func TestPlaceNamesTellProcessesApart(t *testing.T) {
	one, two := placeName(Flags{IP: "127.0.0.1", Port: 8000}), placeName(Flags{IP: "127.0.0.1", Port: 8001})
	if one == two || one != placeName(Flags{IP: "127.0.0.1", Port: 8000}) {
		t.Errorf("places %q and %q, want one name for each address", one, two)
	}
	if free := placeName(Flags{}); !strings.Contains(free, fmt.Sprint("pid", syscall.Getpid())) {
		t.Errorf("place %q of a free port, want it to be this process'", free)
	}
}

func TestWhatIsWrongWithRedisIsLoggedAtTheStart(t *testing.T) {
	redis := redistest.Start(t, redistest.Options{Password: planted, Config: []string{"maxmemory 100mb", "maxmemory-policy allkeys-lru"}})
	cmd := startChild(t, "program", self(t), []string{"SHARE_PROXY_REDIS_URL=redis://:" + planted + "@" + redis.Addr, "CONFIGPROXY_AUTH_TOKEN=" + routeTest},
		"serve", "--ip=127.0.0.1", "--port=0", "--api-ip=127.0.0.1", "--api-port=0", "--error-target=http://127.0.0.1:1/hub/error")
	if line := cmd.until(t, `"msg":"redis"`); !strings.Contains(line, `"level":"ERROR"`) || !strings.Contains(line, "maxmemory-policy") || strings.Contains(line, planted) {
		t.Errorf("the log says %s, want an error about the eviction policy without the password", line)
	}
}
