package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/history"
)

// apiToken is the token of the route API, and the key of what is in Redis.
const apiToken = "the-token-that-all-replicas-share"

// replica is one process of share-proxy.
type replica struct {
	*process
	number int
	place  place
	log    *history.Log
	client *http.Client

	mu     sync.Mutex // guards the fields below
	down   history.Instant
	isDown bool
}

// newReplica describes replica k, from 1.
func newReplica(k int, p place, binary, logs, redis string, log *history.Log, s settings) *replica {
	host := fmt.Sprintf("%s%d", p, served+k)
	r := &replica{number: k, place: p, log: log, client: &http.Client{Timeout: 15 * time.Second}}
	r.process = &process{
		name: fmt.Sprintf("replica-%d", k), path: binary, logs: logs,
		args: []string{
			"serve", "--ip", host, "--port", fmt.Sprint(publicPort), "--api-ip", host, "--api-port", fmt.Sprint(apiPort),
			"--metrics-ip", host, "--metrics-port", fmt.Sprint(metricsPort),
		},
		env: []string{
			"CONFIGPROXY_AUTH_TOKEN=" + apiToken,
			"JUPYTERHUB_API_URL=http://" + p.at(hub+k, hubPort) + "/hub/api",
			"SHARE_PROXY_REVOCATION_BOUND=" + s.bound.String(),
			"SHARE_PROXY_RECHECK_GUESTS=" + s.guests.String(),
			"SHARE_PROXY_DRAIN=2s",
		},
	}
	if redis != "" {
		r.env = append(r.env, "SHARE_PROXY_REDIS_URL="+redis)
	}
	return r
}

// public is where visitors find it.
func (r *replica) public() string { return r.place.at(served+r.number, publicPort) }

// launch starts it and waits until it is ready.
func (r *replica) launch(ctx context.Context) error {
	if err := r.process.start(); err != nil {
		return err
	}
	return until(ctx, 15*time.Second, r.ready)
}

// start starts it and waits until it is ready, and has its table: one that
// starts while the store is away is ready without, after 5 s.
func (r *replica) start(ctx context.Context) error {
	r.fell()
	err := r.launch(ctx)
	if err == nil {
		_ = until(ctx, 30*time.Second, func() error { // recover tells what is missing
			if table, err := r.table(); err != nil || len(table) > 0 {
				return err
			}
			return errors.New("no routes yet")
		})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log.Span(history.ReplicaDown, r.number, r.down)
	r.isDown = false
	return err
}

// fell notes that it is going down, if it is not yet.
func (r *replica) fell() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.isDown {
		r.isDown, r.down = true, r.log.Now()
	}
}

// end drains it; kill does not.
func (r *replica) end()  { r.fell(); r.process.end() }
func (r *replica) kill() { r.fell(); r.process.kill() }

// pauseFor stops it and continues it.
func (r *replica) pauseFor(ctx context.Context, d time.Duration) {
	from := r.log.Now()
	r.pause()
	pause(ctx, d)
	r.resume()
	r.log.Span(history.ReplicaPaused, r.number, from)
}

func (r *replica) ready() error {
	res, err := r.client.Get("http://" + r.place.at(served+r.number, metricsPort) + "/readyz")
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s is not ready: %d", r.name, res.StatusCode)
	}
	return nil
}

// table returns the targets of its routes by path.
func (r *replica) table() (map[string]string, error) {
	body, err := r.api(http.MethodGet, "", nil, http.StatusOK)
	if err != nil {
		return nil, err
	}
	var routes map[string]struct{ Target string }
	if err := json.Unmarshal(body, &routes); err != nil {
		return nil, err
	}
	targets := make(map[string]string, len(routes))
	for path, route := range routes {
		targets[path] = route.Target
	}
	return targets, nil
}

// route makes a route as the Hub does. data names whose it is.
func (r *replica) route(path, target string, data map[string]any) error {
	body := map[string]any{"target": target}
	for name, value := range data {
		body[name] = value
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	_, err = r.api(http.MethodPost, path, text, http.StatusCreated)
	return err
}

// api calls the route API.
func (r *replica) api(method, path string, body []byte, want int) ([]byte, error) {
	req, err := http.NewRequest(method, "http://"+r.place.at(served+r.number, apiPort)+"/api/routes"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "token "+apiToken)
	res, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != want {
		err = fmt.Errorf("%s: %s /api/routes%s: status %d: %s", r.name, method, path, res.StatusCode, answer)
	}
	return answer, err
}

// pause waits for a time or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
