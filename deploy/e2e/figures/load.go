package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// load has 20 guests and the owner send requests to all replicas and counts what Redis is asked meanwhile.
func load(ctx context.Context, w *world, _ int) error {
	const seconds, clients = 10, 21
	if err := w.startAll(ctx, 3); err != nil {
		return err
	}
	names := []string{"alice"}
	for g := range clients - 1 {
		names = append(names, fmt.Sprintf("guest-%d", g))
	}
	if err := w.expect(ctx, http.MethodPost, w.shares(0), "alice", fmt.Sprintf(`{"user": %q}`, strings.Join(names[1:], ",")), http.StatusOK); err != nil {
		return err
	}
	idleBefore, err := w.commands()
	if err != nil {
		return err
	}
	time.Sleep(2 * time.Second)
	before, err := w.commands()
	if err != nil {
		return err
	}
	asked := w.hub.asked.Load()
	var served, failed atomic.Int64
	run, stop := context.WithTimeout(ctx, seconds*time.Second)
	defer stop()
	var running sync.WaitGroup
	for c, name := range names {
		running.Go(func() {
			for n := c; run.Err() == nil; n++ {
				status, err := w.call(run, http.MethodGet, "http://"+w.replicas[n%3].public+page, name, "")
				switch {
				case run.Err() != nil:
				case err == nil && status == http.StatusOK:
					served.Add(1)
				default:
					failed.Add(1)
				}
			}
		})
	}
	running.Wait()
	after, err := w.commands()
	if err != nil {
		return err
	}
	line(fmt.Sprintf("%d people, 3 replicas: requests per second", clients), "%.0f (failed: %d)", float64(served.Load())/seconds, failed.Load())
	line("questions to the hub per request", "%.4f", float64(w.hub.asked.Load()-asked)/float64(served.Load()))
	idle := float64(before-idleBefore) / 2
	line("calls to Redis per second when nobody asks", "%.1f", idle)
	line("calls to Redis per request, the regular ones included", "%.4f", float64(after-before)/float64(served.Load()))
	line("calls to Redis per second under that load", "%.1f", float64(after-before)/seconds)
	return nil
}

// commands returns how many calls Redis has had from clients: scripts count as one, what they call does not.
func (w *world) commands() (int, error) {
	conn, err := net.Dial("tcp", w.redis)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if _, err := fmt.Fprint(conn, "INFO commandstats\r\nQUIT\r\n"); err != nil {
		return 0, err
	}
	calls := map[string]int{}
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		name, rest, _ := strings.Cut(lines.Text(), ":calls=")
		number, _, _ := strings.Cut(rest, ",")
		if n, err := strconv.Atoi(number); err == nil {
			calls[strings.TrimPrefix(name, "cmdstat_")] = n
		}
	}
	return calls["evalsha"] + calls["eval"] + calls["get"], nil // no script calls GET
}
