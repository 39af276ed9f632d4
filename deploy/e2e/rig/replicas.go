package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Replica is one of several proxies that share a Redis.
type Replica struct {
	Public  string // where it serves visitors
	API     string // its route API
	Metrics string // readiness and metrics

	flags []string
	log   string
	cmd   *exec.Cmd
}

// startReplicas starts Redis, the replicas, and nginx in front of both of their listeners.
func (h *Hub) startReplicas(ctx context.Context) error {
	redis, err := h.NewRedis(ctx)
	if err != nil {
		return err
	}
	h.Redis = redis
	for k := range h.opt.Replicas {
		if err := h.addReplica(k); err != nil {
			return err
		}
	}
	for k := range h.Replicas {
		if err := h.StartReplica(ctx, k); err != nil {
			return err
		}
	}
	return h.startNginx(ctx)
}

func (h *Hub) addReplica(k int) error {
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	at := func(n int) string { return fmt.Sprintf("http://127.0.0.1:%d", ports[n]) }
	h.Replicas = append(h.Replicas, &Replica{
		Public: at(0), API: at(1), Metrics: at(2), log: fmt.Sprintf("proxy%d.log", k+1),
		flags: []string{
			"--ip", "127.0.0.1", "--port", strconv.Itoa(ports[0]), "--api-ip", "127.0.0.1", "--api-port", strconv.Itoa(ports[1]),
			"--metrics-ip", "127.0.0.1", "--metrics-port", strconv.Itoa(ports[2]),
			"--error-target", h.Internal + h.Base + "hub/error", "--log-level", "info",
		},
	})
	return nil
}

// StartReplica starts a replica, also one that was ended, and returns when it says that it is ready.
func (h *Hub) StartReplica(ctx context.Context, k int) error {
	r := h.Replicas[k]
	cmd, err := h.runWith(r.log, slices.Concat(h.opt.ProxyEnv, []string{
		"SHARE_PROXY_REDIS_URL=" + h.Redis.URL, "SHARE_PROXY_TRUSTED_PROXIES=127.0.0.1/32",
	}), slices.Concat(h.opt.Proxy, r.flags)...)
	if err != nil {
		return err
	}
	r.cmd = cmd
	return waitFor(ctx, 10*time.Second, func() error { return answers(ctx, r.Metrics+"/readyz") })
}

// EndReplica sends SIGTERM to a replica and returns its exit code when it has ended.
func (h *Hub) EndReplica(k int) (int, error) {
	r := h.Replicas[k]
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	err := r.cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// At returns the hub as it is seen through one replica alone, past nginx: for people only.
func (h *Hub) At(k int) *Hub {
	view := *h
	view.Public = h.Replicas[k].Public
	return &view
}

// At returns the same person in another tab, with the same cookies, that goes through another replica.
func (u *User) At(view *Hub) *User {
	tab := u.OldTab()
	tab.Hub = view
	return tab
}

// At returns the same visit in another tab that goes through another replica.
func (v *Visit) At(view *Hub) *Visit {
	return &Visit{User: v.User.At(view), Server: v.Server, PageToken: v.PageToken, Page: v.Page}
}

// RouteAPI calls the route API of a replica.
func (h *Hub) RouteAPI(ctx context.Context, k int, method, path, body string) (*Answer, error) {
	return fetch(ctx, method, h.Replicas[k].API+"/api/routes"+path, body, "Authorization", "token "+routeToken, "Content-Type", "application/json")
}

// Metric returns the value of a line of a replica's metrics by its name and labels, such as `share_proxy_store_up`; 0 if
// there is none.
func (h *Hub) Metric(ctx context.Context, k int, name string) (float64, error) {
	a, err := fetch(ctx, http.MethodGet, h.Replicas[k].Metrics+"/metrics", "")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(a.Body) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, nil
}

// fetch sends one request that is nobody's.
func fetch(ctx context.Context, method, address, body string, head ...string) (*Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(head); i += 2 {
		req.Header.Set(head[i], head[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	at := time.Now()
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return &Answer{Status: res.StatusCode, Header: res.Header, Body: string(text), Path: address, Head: at}, err
}
