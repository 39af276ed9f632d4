// Package rig starts a real JupyterHub with a proxy in front, and has clients that behave as browsers do.
//
// Everything binds to 127.0.0.1 and lives in one folder. The package does not judge: it opens, sends, stamps and
// records; what the figures must be is said by the checks that use it.
package rig

import (
	"context"
	_ "embed" // the hub's configuration and the recorder
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

//go:embed jupyterhub_config.py
var hubConfig []byte

//go:embed recorder.py
var recorder []byte

// Options say which hub to start.
type Options struct {
	Venv     string   // virtual environment with jupyterhub
	Proxy    []string // the command that the Hub starts, such as bin/share-proxy serve
	Dir      string   // folder of the hub; made, and left for reading after the run
	Base     string   // base URL, "/" when empty
	External bool     // the rig starts the proxy itself, so that it outlives the Hub
	Port     int      // where the proxy listens; 0 takes a free one
	Config   string   // another jupyterhub_config.py than the rig's own
	Replicas int      // how many proxies share a Redis behind nginx; 0 is one proxy without either
	ProxyEnv []string // variables for the proxy, in addition
}

// Hub is a running JupyterHub. Its fields do not change once Start has returned.
type Hub struct {
	Public   string // scheme and authority where the proxy listens
	Internal string // the Hub's own address, which the proxy does not see
	Base     string // base URL, with a slash at both ends
	Dir      string
	Token    string // of the service "setup", which may do everything
	Port     int
	Redis    *Redis     // nil without replicas
	Replicas []*Replica // empty without

	opt              Options
	database         string // folder of the Hub's database
	env              []string
	hubPort, apiPort int
	hub, proxy       *exec.Cmd
	started          []*exec.Cmd // all processes, those that have ended too
}

// Start starts the proxy, where that is the rig's part, and the Hub, and returns when both answer.
func Start(ctx context.Context, opt Options) (*Hub, error) {
	if opt.Base == "" {
		opt.Base = "/"
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	if opt.Port != 0 {
		ports[0] = opt.Port
	}
	h := &Hub{
		opt: opt, Base: opt.Base, Dir: opt.Dir, Token: "setup-token-of-the-rig", Port: ports[0],
		Public:   fmt.Sprintf("http://127.0.0.1:%d", ports[0]),
		Internal: fmt.Sprintf("http://127.0.0.1:%d", ports[1]),
		hubPort:  ports[1], apiPort: ports[2],
	}
	if err := h.writeFiles(); err != nil {
		return nil, err
	}
	switch {
	case opt.Replicas > 0:
		err = h.startReplicas(ctx)
	case opt.External:
		err = h.StartProxy(ctx)
	}
	if err != nil {
		h.Stop()
		return nil, err
	}
	if err := h.StartHub(ctx); err != nil {
		h.Stop()
		return nil, err
	}
	return h, nil
}

func (h *Hub) writeFiles() error {
	if err := os.MkdirAll(filepath.Join(h.Dir, "home"), 0o755); err != nil {
		return err
	}
	if err := h.placeDatabase(); err != nil {
		return err
	}
	config := hubConfig
	if h.opt.Config != "" {
		other, err := os.ReadFile(h.opt.Config)
		if err != nil {
			return err
		}
		config = other
	}
	command, err := json.Marshal(h.opt.Proxy)
	if err != nil {
		return err
	}
	external := "0"
	if h.opt.External || h.opt.Replicas > 0 {
		external = "1"
	}
	h.env = append(os.Environ(),
		"PATH="+filepath.Join(h.opt.Venv, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"),
		"PYTHONFAULTHANDLER=1", "RIG_MARK="+h.Dir, "RIG_DIR="+h.Dir, "RIG_DATABASE="+h.database, "RIG_BASE="+h.Base, "RIG_PROXY="+string(command), "RIG_EXTERNAL="+external,
		"RIG_PORT="+strconv.Itoa(h.Port), "RIG_HUB_PORT="+strconv.Itoa(h.hubPort), "RIG_API_PORT="+strconv.Itoa(h.apiPort),
		"RIG_TOKEN="+h.Token, "RIG_RECORDER="+filepath.Join(h.Dir, "recorder.py"), "CONFIGPROXY_AUTH_TOKEN="+routeToken,
	)
	return errors.Join(
		os.WriteFile(filepath.Join(h.Dir, "jupyterhub_config.py"), config, 0o644),
		os.WriteFile(filepath.Join(h.Dir, "recorder.py"), recorder, 0o644),
	)
}

// placeDatabase keeps the Hub's database in memory where the machine has such a folder: on a busy disk one commit takes up
// to a second, in which the Hub answers nobody, and that is not what is measured.
func (h *Hub) placeDatabase() (err error) {
	h.database, err = os.MkdirTemp("/dev/shm", "rig-")
	if err != nil {
		h.database, err = os.MkdirTemp("", "rig-")
	}
	return err
}

// routeToken is the token of the route API, as the Hub and the proxies have it.
const routeToken = "route-token-of-the-rig"

// run starts a program whose output goes to a file of the hub's folder.
func (h *Hub) run(log string, command ...string) (*exec.Cmd, error) {
	return h.runWith(log, nil, command...)
}

// runWith is run with variables in addition.
func (h *Hub) runWith(log string, environ []string, command ...string) (*exec.Cmd, error) {
	out, err := os.OpenFile(filepath.Join(h.Dir, log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = h.Dir, slices.Concat(h.env, environ), out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	h.started = append(h.started, cmd)
	return cmd, nil
}

// StartProxy starts the one proxy of an External hub, also after KillProxy, and returns when its route API is open.
func (h *Hub) StartProxy(ctx context.Context) error {
	cmd, err := h.runWith("proxy.log", h.opt.ProxyEnv, append(h.opt.Proxy,
		"--ip", "127.0.0.1", "--port", strconv.Itoa(h.Port), "--api-ip", "127.0.0.1", "--api-port", strconv.Itoa(h.apiPort),
		"--error-target", h.Internal+h.Base+"hub/error", "--log-level", "info")...)
	h.proxy = cmd
	if err != nil {
		return err
	}
	return waitFor(ctx, 10*time.Second, func() error { return open(fmt.Sprintf("127.0.0.1:%d", h.apiPort)) })
}

// KillProxy ends the one proxy of an External hub at once, as a crash would.
func (h *Hub) KillProxy() {
	_ = h.proxy.Process.Kill()
	_ = h.proxy.Wait()
}

// open says whether somebody listens at an address.
func open(address string) error {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		conn.Close()
	}
	return err
}

// StartHub starts the Hub process and returns when it answers behind the proxy. After KillHub it starts the same hub again.
func (h *Hub) StartHub(ctx context.Context) error {
	cmd, err := h.run("hub.log", filepath.Join(h.opt.Venv, "bin", "jupyterhub"), "-f", filepath.Join(h.Dir, "jupyterhub_config.py"))
	h.hub = cmd
	if err != nil {
		return err
	}
	err = waitFor(ctx, 60*time.Second, func() error {
		return answers(ctx, h.Public+h.Base+"hub/api/")
	})
	if err != nil {
		_ = cmd.Process.Signal(syscall.SIGABRT) // python says where it was: PYTHONFAULTHANDLER
		time.Sleep(time.Second)
		return fmt.Errorf("the hub did not come up, see %s: %w", filepath.Join(h.Dir, "hub.log"), err)
	}
	return nil
}

// KillHub ends the Hub process at once, as a crash would. The proxy and the user servers live on if the hub is External.
func (h *Hub) KillHub() {
	if h.hub != nil && h.hub.Process != nil {
		_ = h.hub.Process.Kill()
		_ = h.hub.Wait()
	}
	h.hub = nil
}

// Shutdown asks the Hub to end, which ends the proxy and the user servers, and then ends what is left.
func (h *Hub) Shutdown() {
	if h.hub != nil && h.hub.Process != nil {
		_ = h.hub.Process.Signal(syscall.SIGTERM)
		done := make(chan struct{})
		go func() { _ = h.hub.Wait(); close(done) }()
		select {
		case <-done:
			h.hub = nil
		case <-time.After(30 * time.Second):
		}
	}
	h.Stop()
}

// Stop ends the Hub, the proxy and every user server at once.
func (h *Hub) Stop() {
	h.killMarked()
	for _, cmd := range h.started {
		if cmd.ProcessState == nil { // nobody has waited for it
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // Redis and nginx write their titles where the mark was
			_ = cmd.Wait()
		}
	}
	if h.database != "" {
		_ = os.RemoveAll(h.database)
	}
}

// killMarked ends the processes that carry this hub's folder in their environment, kernels and terminals too.
func (h *Hub) killMarked() {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		environ, err := os.ReadFile(file)
		if err != nil || !strings.Contains("\x00"+string(environ), "\x00RIG_MARK="+h.Dir+"\x00") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && pid != os.Getpid() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func answers(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", address, res.Status)
	}
	return nil
}

// waitFor asks until there is no error, and returns the last one when the time is over.
func waitFor(ctx context.Context, limit time.Duration, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// freePorts returns ports of 127.0.0.1 that nobody listened on a moment ago, below those that outgoing connections take.
func freePorts(n int) (ports []int, err error) {
	for range 1000 {
		port := 10_000 + rand.IntN(20_000)
		l, failed := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err = failed; err != nil {
			continue
		}
		defer l.Close()
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, err
}
