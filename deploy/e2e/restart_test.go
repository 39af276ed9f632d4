package e2e

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/e2e/rig"
)

// Point 8: a rolling restart that nobody notices.
func TestRollingRestart(t *testing.T) {
	r := startReplicated(t, "SHARE_PROXY_DRAIN=4s")
	sub(t, "8", "rolling restart", func(t *testing.T, ctx context.Context) {
		r.t, r.ctx = t, ctx
		r.roll()
	})
}

// roll restarts one replica after the other while alice and bob work through nginx.
func (r *replicated) roll() {
	t, ctx := r.t, r.ctx
	alice, bob := r.place.owner.At(r.all), r.bob.At(r.all)
	var probes []*probe
	var tabs []*tab
	run, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	for range 3 {
		for _, v := range []*rig.Visit{alice, bob} {
			p := &probe{name: v.Name, head: []string{"Sec-Fetch-Mode", "navigate"}}
			probes = append(probes, p)
			running.Go(func() { p.run(run, v.At(r.all)) })
			tabs = append(tabs, openTab(t, run, v, r.place.kernel))
		}
	}
	waitProbes(t, probes)
	var exits []int
	for k := range r.all.Replicas {
		code, err := r.all.EndReplica(k)
		must(t, err)
		exits = append(exits, code)
		must(t, r.all.StartReplica(ctx, k))
	}
	time.Sleep(500 * time.Millisecond)
	stop()
	running.Wait()
	var failed, closes, codes []int
	var away []float64
	for _, p := range probes {
		failed = append(failed, p.count(time.Time{}, func(code int) bool { return code != http.StatusOK }))
	}
	for _, tab := range tabs {
		gaps, ends := tab.leave()
		away, codes = append(away, gaps...), append(codes, ends...)
		closes = append(closes, len(gaps))
	}
	rep.Is(t, "8", "rolling restart: exit codes", 0, exits...)
	served := 0
	for _, p := range probes {
		served += p.served()
	}
	rep.AtLeast(t, "8", "rolling restart: requests served meanwhile", 500, served)
	rep.Is(t, "8", "rolling restart: requests that failed, by six clients", 0, failed...)
	if len(codes) > 0 {
		rep.Is(t, "8", "rolling restart: close codes of sockets", 1012, codes...)
	}
	rep.AtLeast(t, "8", "rolling restart: sockets closed", 6, total(closes))
	rep.Below(t, "8", "rolling restart: socket closed, to the first message on a new one", 2000, away...)
	rep.Saw(t, "8", "rolling restart: what failed", failures(probes), failures(probes) == "nothing")
}

func total(counts []int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// failures tells the statuses of requests that were not served.
func failures(probes []*probe) string {
	counts := map[string]int{}
	for _, p := range probes {
		for _, code := range p.code {
			if code != http.StatusOK {
				counts[fmt.Sprintf("%s: %d", p.name, code)]++
			}
		}
	}
	if len(counts) == 0 {
		return "nothing"
	}
	return fmt.Sprint(counts)
}

func waitProbes(t *testing.T, probes []*probe) {
	t.Helper()
	for range 500 {
		all := true
		for _, p := range probes {
			all = all && p.served() > 0
		}
		if all {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("not every client's requests are served")
}

// tab is a browser tab with a kernel socket that is opened again when it ends.
type tab struct {
	stop  context.CancelFunc
	done  chan struct{}
	gaps  []float64
	codes []int
	err   error
}

func openTab(t *testing.T, ctx context.Context, v *rig.Visit, kernel string) *tab {
	t.Helper()
	k, err := v.OpenKernel(ctx, kernel)
	must(t, err)
	run, stop := context.WithCancel(ctx)
	tab := &tab{stop: stop, done: make(chan struct{})}
	go func() {
		defer close(tab.done)
		tab.stay(run, v, kernel, k)
	}()
	return tab
}

// stay opens the socket again whenever it has ended.
func (tab *tab) stay(ctx context.Context, v *rig.Visit, kernel string, k *rig.Kernel) {
	defer func() { k.Close() }()
	for {
		for !k.Wait(20 * time.Millisecond) {
			if ctx.Err() != nil {
				return
			}
		}
		end, code, _ := k.End()
		if ctx.Err() != nil {
			return
		}
		next, err := v.OpenKernel(ctx, kernel)
		for err != nil && ctx.Err() == nil && time.Since(end) < 10*time.Second {
			tab.err = err
			pause(ctx, 50*time.Millisecond)
			next, err = v.OpenKernel(ctx, kernel)
		}
		if err != nil {
			return
		}
		k.Close()
		k = next
		for k.Tape.Count() == 0 && ctx.Err() == nil && !k.Wait(time.Millisecond) {
		}
		tab.gaps, tab.codes = append(tab.gaps, milliseconds(time.Since(end))), append(tab.codes, code)
	}
}

func (tab *tab) leave() (gaps []float64, codes []int) {
	tab.stop()
	<-tab.done
	return tab.gaps, tab.codes
}

// Point 8: a single process that is killed has its routes at once when it is back; the Hub looks after them every five minutes.
func TestDataDir(t *testing.T) {
	if reference {
		t.Skip("configurable-http-proxy keeps nothing")
	}
	folder := t.TempDir()
	h := startHub(t, rig.Options{External: true, ProxyEnv: []string{"SHARE_PROXY_DATA_DIR=" + filepath.Join(folder, "data")}})
	ctx := t.Context()
	alice, bob := person(t, ctx, h, "alice"), person(t, ctx, h, "bob")
	must(t, h.StartServer(ctx, "alice", ""))
	owner := enter(t, ctx, alice, "alice", "")
	share(t, ctx, alice, "", "bob")
	guest := enter(t, ctx, bob, "alice", "")
	sub(t, "8", "killed and restarted", func(t *testing.T, ctx context.Context) {
		var owners, guests []int
		var ms []float64
		for range rounds(5) {
			h.KillProxy()
			began := time.Now()
			must(t, h.StartProxy(ctx))
			for _, v := range []*rig.Visit{owner, guest} {
				a, err := v.Call(ctx, http.MethodGet, "api/status", nil, nil)
				must(t, err)
				if v == owner {
					owners = append(owners, a.Status)
					ms = append(ms, milliseconds(time.Since(began)))
				} else {
					guests = append(guests, a.Status)
				}
			}
		}
		rep.Is(t, "8", "one process with a file, killed: the owner's first request", http.StatusOK, owners...)
		rep.Is(t, "8", "one process with a file, killed: the guest's first request", http.StatusOK, guests...)
		rep.Below(t, "8", "one process with a file: start to the first answer", 2000, ms...)
	})
}
