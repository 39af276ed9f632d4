package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// child is this test binary as a process that is not testing.
type child struct {
	*exec.Cmd
	stdout io.Reader
	lines  *bufio.Scanner // of it
}

func startChild(t *testing.T, mode, program string, environ []string, args ...string) *child {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(environ, childMode+"="+mode)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return &child{cmd, out, bufio.NewScanner(out)}
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// until reads lines until one has word, and returns it.
func (c *child) until(t *testing.T, word string) string {
	t.Helper()
	for c.lines.Scan() {
		if strings.Contains(c.lines.Text(), word) {
			return c.lines.Text()
		}
	}
	t.Fatalf("it ended without a line with %q", word)
	return ""
}

// freePort returns a port that nothing listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

func TestTheProgramListensAndEndsOnSIGTERM(t *testing.T) {
	dir := t.TempDir()
	pidFile, metrics := filepath.Join(dir, "pid"), freePort(t)
	link := filepath.Join(dir, chpName)
	if err := os.Symlink(self(t), link); err != nil {
		t.Fatal(err)
	}
	cmd := startChild(t, "program", link, []string{"CONFIGPROXY_AUTH_TOKEN=" + planted, "SHARE_PROXY_BOGUS=1", "SHARE_PROXY_SECRET=" + planted},
		"--ip=127.0.0.1", "--port=0", "--api-ip=127.0.0.1", "--api-port=0", "--error-target=http://127.0.0.1:1/hub/error",
		"--metrics-ip=127.0.0.1", fmt.Sprint("--metrics-port=", metrics), "--pid-file", pidFile)
	if config := cmd.until(t, "share-proxy starts"); strings.Contains(config, planted) || !strings.Contains(config, `"SHARE_PROXY_RECHECK_GUESTS":"5s"`) {
		t.Errorf("the first line is %s, want the settings without secrets", config)
	}
	if warning := cmd.until(t, "SHARE_PROXY_BOGUS"); !strings.Contains(warning, `"level":"WARN"`) {
		t.Errorf("the misspelt setting is said as %s, want a warning", warning)
	}
	cmd.until(t, `"variables":["SHARE_PROXY_SECRET"]`)
	for _, server := range []string{"metrics", "public", "api"} {
		var line struct{ Msg, Server, Addr string }
		if text := cmd.until(t, "listening"); json.Unmarshal([]byte(text), &line) != nil || line.Server != server || line.Addr == "" {
			t.Errorf("line %s, want the address of %s", text, server)
		}
	}
	if pid, err := os.ReadFile(pidFile); err != nil || string(pid) != fmt.Sprint(cmd.Process.Pid) {
		t.Errorf("the pid file has %q, %v; want %d", pid, err, cmd.Process.Pid)
	}
	client := http.Client{Timeout: patience}
	if resp, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/livez", metrics)); err != nil || resp.StatusCode != 200 {
		t.Errorf("/livez: %v, %v", resp, err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	cmd.until(t, `"drained"`)
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v, want 0", err)
	}
	if _, err := os.Stat(pidFile); !os.IsNotExist(err) {
		t.Errorf("the pid file is still there: %v", err)
	}
}

func TestASecondSignalEndsTheProcessAtOnce(t *testing.T) {
	cmd := startChild(t, "deaf", self(t), nil)
	cmd.until(t, "up")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	cmd.until(t, "down")
	deadline := time.After(patience)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	// The first of these may come before the handler is gone.
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		select {
		case <-ended:
			tick.Stop()
			status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if !ok || !status.Signaled() || status.Signal() != syscall.SIGTERM {
				t.Errorf("it ended with %v, want by the signal", cmd.ProcessState)
			}
			return
		case <-deadline:
			t.Fatal("it lives on")
		case <-tick.C:
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}
	}
}

func TestAPortInUseIsExit1AndOneLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	port := taken.Addr().(*net.TCPAddr).Port
	got := runWith(t, nil, chpName, "--ip=127.0.0.1", "--port=0", "--api-ip=127.0.0.1", fmt.Sprint("--api-port=", port),
		"--error-target=http://127.0.0.1:1/hub/error")
	if got.code != 1 || strings.Count(got.stderr, "\n") != 1 || !strings.Contains(got.stderr, "cannot bind the api listener") {
		t.Errorf("serve = %+v, want code 1 and one line", got)
	}
}

func TestAPIDFileThatCannotBeWrittenIsExit1(t *testing.T) {
	port := freePort(t)
	got := runWith(t, nil, chpName, "--ip=127.0.0.1", fmt.Sprint("--port=", port), "--api-ip=127.0.0.1", "--api-port=0",
		"--error-target=http://127.0.0.1:1/hub/error", "--pid-file", filepath.Join(t.TempDir(), "no", "pid"))
	if got.code != 1 || !strings.Contains(got.stderr, "--pid-file: ") {
		t.Errorf("serve = %+v, want code 1 and the flag's name", got)
	}
	unbound(t, port)
}

func TestSecretsThatNothingUsesAreMentioned(t *testing.T) {
	cfg, _, err := loadConfig(nil, []string{"SHARE_PROXY_HUB_TOKEN=a", "JUPYTERHUB_API_TOKEN=b", "SHARE_PROXY_SECRET=c"})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(cfg.unusedSecrets()); got != "[SHARE_PROXY_HUB_TOKEN JUPYTERHUB_API_TOKEN SHARE_PROXY_SECRET]" {
		t.Errorf("unusedSecrets = %s", got)
	}
}

func TestTheKeyIsUsedWithRedis(t *testing.T) {
	cfg, _, err := loadConfig(nil, []string{"SHARE_PROXY_REDIS_URL=redis://redis", "SHARE_PROXY_SECRET=0123456789abcdef"})
	if got := cfg.unusedSecrets(); err != nil || len(got) > 0 {
		t.Errorf("unusedSecrets = %q, %v; want none", got, err)
	}
}
