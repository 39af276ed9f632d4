package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const many = 5000

// post posts and removes routes at a replica, some at a time, and returns how long the posts took.
func (w *world) post(ctx context.Context, rounds, atOnce int) ([]time.Duration, error) {
	var mu sync.Mutex
	var took []time.Duration
	var fault error
	var running sync.WaitGroup
	for c := range atOnce {
		running.Go(func() {
			for n := c; n < rounds; n += atOnce {
				began := time.Now()
				err := w.route(ctx, 0, http.MethodPost, fmt.Sprintf("/user/posted-%d", n), w.routeOf(n))
				mu.Lock()
				took, fault = append(took, time.Since(began)), firstOf(fault, err)
				mu.Unlock()
			}
		})
	}
	running.Wait()
	return took, fault
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (w *world) routeOf(n int) string {
	return fmt.Sprintf(`{"target": "http://%s", "jupyterhub": true, "user": "posted-%d", "server_name": ""}`, w.hub.address, n)
}

// routes posts routes with three replicas, and starts a fourth with many of them.
func routes(ctx context.Context, w *world, rounds int) error {
	if err := w.startAll(ctx, 3); err != nil {
		return err
	}
	if err := w.postAll(ctx, "3 replicas", rounds); err != nil {
		return err
	}
	if err := w.postMany(ctx); err != nil {
		return err
	}
	return w.startWithMany(ctx, "a replica starts with %d routes: to ready")
}

// postAll posts routes one after the other, and ten at once.
func (w *world) postAll(ctx context.Context, who string, rounds int) error {
	for _, atOnce := range []int{1, 10} {
		took, err := w.post(ctx, rounds, atOnce)
		if err != nil {
			return err
		}
		times(fmt.Sprintf("%s: POST of a route, %d at once", who, atOnce), took)
	}
	return nil
}

// postMany posts the many routes.
func (w *world) postMany(ctx context.Context) error {
	_, err := w.post(ctx, many, 10)
	return err
}

// startWithMany starts one more process and counts what it has.
func (w *world) startWithMany(ctx context.Context, name string, environ ...string) error {
	_, took, err := w.startReplica(ctx, environ...)
	if err != nil {
		return err
	}
	n, err := w.count(ctx, len(w.replicas)-1)
	line(fmt.Sprintf(name, n), "%d ms", took.Milliseconds())
	return err
}

// count returns how many routes of posted users a replica has.
func (w *world) count(ctx context.Context, k int) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.replicas[k].api+"/api/routes", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "token "+token)
	res, err := w.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return strings.Count(string(text), `"/user/posted-`), err
}

// alone posts routes to one process, without and with a file.
func alone(ctx context.Context, w *world, rounds int) error {
	if _, _, err := w.startReplica(ctx); err != nil {
		return err
	}
	if err := w.postAll(ctx, "one process in memory", rounds); err != nil {
		return err
	}
	data := "SHARE_PROXY_DATA_DIR=" + filepath.Join(w.folder, "data")
	w.replicas = nil
	r, _, err := w.startReplica(ctx, data)
	if err != nil {
		return err
	}
	if err := w.postAll(ctx, "one process with a file", rounds); err != nil {
		return err
	}
	if err := w.postMany(ctx); err != nil {
		return err
	}
	if err := r.cmd.Process.Kill(); err != nil {
		return err
	}
	_ = r.cmd.Wait()
	return w.startWithMany(ctx, "one process with a file starts with %d routes: to ready", data)
}
