package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const token = "route-token-of-the-figures"

// world is a hub, a user server, a Redis, and the replicas that were started.
type world struct {
	program  string
	folder   string
	hub      *hub
	redis    string // address
	started  []*exec.Cmd
	replicas []*replica
	client   *http.Client
}

// replica is one process of the proxy.
type replica struct {
	public, api, metrics string // host and port
	cmd                  *exec.Cmd
}

// inWorld makes a world, has f live in it, and ends all of its processes.
func inWorld(program string, f func(*world) error) (err error) {
	program, err = filepath.Abs(program)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "figures-")
	if err != nil {
		return err
	}
	w := &world{program: program, folder: folder, hub: newHub(), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	defer func() {
		for _, cmd := range w.started {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		w.hub.close()
		if err == nil {
			err = os.RemoveAll(folder)
		} else {
			err = fmt.Errorf("%w (logs: %s)", err, folder)
		}
	}()
	return f(w)
}

// startRedis starts a redis-server without a disk.
func (w *world) startRedis(ctx context.Context) error {
	w.redis = freeAddress()
	_, port, _ := net.SplitHostPort(w.redis)
	if err := w.start("redis.log", nil, "redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", w.folder); err != nil {
		return err
	}
	return until(ctx, func() error {
		conn, err := net.Dial("tcp", w.redis)
		if err == nil {
			conn.Close()
		}
		return err
	})
}

// startReplica starts one more process with variables of its own and returns how long it took until it said that it is ready.
func (w *world) startReplica(ctx context.Context, environ ...string) (*replica, time.Duration, error) {
	r := &replica{public: freeAddress(), api: freeAddress(), metrics: freeAddress()}
	port := func(address string) string { _, port, _ := net.SplitHostPort(address); return port }
	if w.redis != "" {
		environ = append(environ, "SHARE_PROXY_REDIS_URL=redis://"+w.redis)
	}
	began := time.Now()
	err := w.start(fmt.Sprintf("replica%d.log", len(w.replicas)), environ, w.program, "serve", "--ip=127.0.0.1", "--port="+port(r.public),
		"--api-ip=127.0.0.1", "--api-port="+port(r.api), "--metrics-ip=127.0.0.1", "--metrics-port="+port(r.metrics),
		"--error-target=http://"+w.hub.address+"/hub/error", "--log-level=warn")
	if err != nil {
		return nil, 0, err
	}
	r.cmd = w.started[len(w.started)-1]
	w.replicas = append(w.replicas, r)
	err = until(ctx, func() error {
		return w.expect(ctx, http.MethodGet, "http://"+r.metrics+"/readyz", "", "", http.StatusOK)
	})
	return r, time.Since(began), err
}

// startAll starts Redis and n replicas and posts the routes of the hub and of alice's server.
func (w *world) startAll(ctx context.Context, n int) error {
	if err := w.startRedis(ctx); err != nil {
		return err
	}
	for range n {
		if _, _, err := w.startReplica(ctx); err != nil {
			return err
		}
	}
	return w.postRoutes(ctx)
}

// postRoutes posts the routes of the hub and of alice's server.
func (w *world) postRoutes(ctx context.Context) error {
	return errors.Join(
		w.route(ctx, 0, http.MethodPost, "/", fmt.Sprintf(`{"target": "http://%s", "jupyterhub": true, "hub": true}`, w.hub.address)),
		w.route(ctx, 0, http.MethodPost, "/user/alice", fmt.Sprintf(`{"target": "http://%s", "jupyterhub": true, "user": "alice", "server_name": ""}`, w.hub.address)),
	)
}

// route calls the route API of a replica.
func (w *world) route(ctx context.Context, k int, method, path, body string) error {
	want := http.StatusCreated
	if method == http.MethodDelete {
		want = http.StatusNoContent
	}
	return w.expect(ctx, method, "http://"+w.replicas[k].api+"/api/routes"+path, token, body, want)
}

// expect sends a request with somebody's token and wants a status.
func (w *world) expect(ctx context.Context, method, address, who, body string, want int) error {
	got, err := w.call(ctx, method, address, who, body)
	if err == nil && got != want {
		err = fmt.Errorf("%s %s: %d, not %d", method, address, got, want)
	}
	return err
}

// call sends a request with somebody's token and returns the status.
func (w *world) call(ctx context.Context, method, address, who, body string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	if who != "" {
		req.Header.Set("Authorization", "token "+who)
	}
	res, err := w.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// start starts a process whose output goes to a file.
func (w *world) start(log string, environ []string, command ...string) error {
	out, err := os.Create(filepath.Join(w.folder, log))
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(append(os.Environ(), "CONFIGPROXY_AUTH_TOKEN="+token), environ...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	w.started = append(w.started, cmd)
	return nil
}

// until asks until there is no error, for ten seconds.
func until(ctx context.Context, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		err := ask()
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// freeAddress returns an address of 127.0.0.1 where nobody listened a moment ago, below the ports that outgoing connections take.
func freeAddress() string {
	for {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000)))
		if err == nil {
			l.Close()
			return l.Addr().String()
		}
	}
}
