package e2e

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/e2e/rig"
)

// place is a server where things happen: a kernel and a terminal that emit numbered, stamped lines all the time, a document, a
// big file, and books in which they write down the stamps that clients send them.
type place struct {
	owner                    *rig.Visit
	server                   string // name; empty for the default server
	kernel, terminal         string
	kernelBook, terminalBook string
	watch                    *watch       // the owner's own sockets
	roomTicks, ownersRefused atomic.Int64 // what the owner did meanwhile
	slowestOwner             atomic.Int64 // microseconds
	stop                     context.CancelFunc
	running                  sync.WaitGroup
}

const document = "doc.txt"

// furnish prepares a running server of the owner.
func furnish(t *testing.T, ctx context.Context, h *rig.Hub, owner *rig.Visit, server string) *place {
	t.Helper()
	p := &place{owner: owner, server: server, kernelBook: filepath.Join(h.Dir, "kernel.book"), terminalBook: filepath.Join(h.Dir, "terminal.book")}
	var err error
	p.kernel, err = owner.NewKernel(ctx)
	must(t, err)
	p.terminal, err = owner.NewTerminal(ctx)
	must(t, err)
	must(t, owner.Must(ctx, http.MethodPut, "api/contents/"+document, map[string]any{"type": "file", "format": "text", "content": "hello"}, nil))
	must(t, os.WriteFile(filepath.Join(h.Dir, "home", owner.Name, "slow.bin"), make([]byte, 200<<20), 0o644))
	p.watch = openWatch(t, ctx, p, owner)
	must(t, p.watch.terminal.StartTicks(ctx, h, p.terminalBook))
	must(t, p.watch.kernel.StartTicks(ctx, p.kernelBook))
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	p.stop = stop
	p.running.Go(func() { p.tickRoom(run) })
	p.running.Go(func() { p.useAsOwner(run) })
	t.Cleanup(func() { stop(); p.running.Wait(); p.watch.close() })
	return p
}

// tickRoom has the owner send a tick to the document's room every 20 ms.
func (p *place) tickRoom(ctx context.Context) {
	for n := 1; ctx.Err() == nil; n++ {
		if p.watch.room.Tick(ctx, n, time.Now().UnixNano()) != nil {
			return
		}
		p.roomTicks.Add(1)
		pause(ctx, 20*time.Millisecond)
	}
}

// useAsOwner has the owner send requests all the time; each that is not served counts.
func (p *place) useAsOwner(ctx context.Context) {
	for ctx.Err() == nil {
		began := time.Now()
		a, err := p.owner.Call(ctx, http.MethodGet, "api/status", nil, nil)
		if ctx.Err() == nil && (err != nil || a.Status != http.StatusOK) {
			p.ownersRefused.Add(1)
		}
		p.slowestOwner.Store(max(p.slowestOwner.Load(), time.Since(began).Microseconds()))
		pause(ctx, 50*time.Millisecond)
	}
}

// watch is somebody who looks on: a kernel, a terminal and a room socket, which should lose nothing.
type watch struct {
	kernel   *rig.Kernel
	terminal *rig.Terminal
	room     *rig.Room
}

func openWatch(t *testing.T, ctx context.Context, p *place, v *rig.Visit) *watch {
	t.Helper()
	w := &watch{}
	var err error
	w.kernel, err = v.OpenKernel(ctx, p.kernel)
	must(t, err)
	w.terminal, err = v.OpenTerminal(ctx, p.terminal)
	must(t, err)
	w.room, err = v.OpenRoom(ctx, document)
	must(t, err)
	return w
}

func (w *watch) close() {
	w.kernel.Close()
	w.terminal.Close()
	w.room.Close()
}

// lost returns how many messages are missing and how many of the sockets are closed.
func (w *watch) lost() (missing, closed int) {
	for _, s := range []*rig.Socket{w.kernel.Socket, w.terminal.Socket, w.room.Socket} {
		if s.Wait(0) {
			closed++
		}
	}
	return w.kernel.Tape.Missing() + w.terminal.Tape.Missing(), closed
}

// guest is somebody with everything open at once, sending on all of it.
type guest struct {
	*watch
	visit    *rig.Visit
	place    *place
	events   *rig.Socket
	download *rig.Download
	upload   *rig.Upload
	probes   []*probe
	began    time.Time
	sent     struct{ kernel, terminal atomic.Int64 } // messages handed to the sockets
	hush     atomic.Bool                             // send no more
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// comeIn opens everything and returns when traffic flows on all of it.
func comeIn(t *testing.T, ctx context.Context, p *place, v *rig.Visit) *guest {
	t.Helper()
	g := &guest{visit: v, place: p, began: time.Now(), watch: openWatch(t, ctx, p, v)}
	var err error
	g.events, err = v.Socket(ctx, "events", "api/events/subscribe", func(websocket.MessageType, []byte) {})
	must(t, err)
	g.download, err = v.Download(ctx, "files/slow.bin")
	must(t, err)
	g.upload = v.Upload(ctx, http.MethodPut, "api/contents/upload.txt", `{"type":"file","format":"text","content":"`)
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	g.stop = stop
	g.probes = []*probe{
		{name: "cookie", head: []string{"Sec-Fetch-Mode", "navigate"}},
		{name: "page token", head: []string{"Authorization", "token " + v.PageToken}, bare: true},
		{name: "API token", head: []string{"Authorization", "token " + v.APIKey}, bare: true},
	}
	for _, probe := range g.probes {
		g.running.Go(func() { probe.run(run, v) })
	}
	before := p.watch.room.Tape.Count()
	g.running.Go(func() { g.send(run) })
	g.waitTraffic(t, before)
	return g
}

// send leaves stamps through every socket, until it is stopped or the sockets end.
func (g *guest) send(ctx context.Context) {
	for n := 1; ctx.Err() == nil && !g.hush.Load(); n++ {
		kernel := g.kernel.Leave(ctx, time.Now().UnixNano())
		if kernel == nil {
			g.sent.kernel.Add(1)
		}
		terminal := g.terminal.Leave(ctx, time.Now().UnixNano())
		if terminal == nil {
			g.sent.terminal.Add(1)
		}
		room := g.room.Tick(ctx, n, time.Now().UnixNano())
		if kernel != nil && terminal != nil && room != nil {
			return
		}
		pause(ctx, 25*time.Millisecond)
	}
}

func (g *guest) waitTraffic(t *testing.T, roomBefore int) {
	t.Helper()
	for range 500 {
		flows := g.kernel.Tape.Count() > 3 && g.terminal.Tape.Count() > 3 && g.room.Tape.Count() > 0 && g.place.watch.room.Tape.Count() > roomBefore
		for _, p := range g.probes {
			flows = flows && p.served() > 0
		}
		if flows {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s has no traffic: kernel %d, terminal %d, room %d ticks, sent to the room %d; requests served: %d, %d, %d", g.visit.Name,
		g.kernel.Tape.Count(), g.terminal.Tape.Count(), g.room.Tape.Count(), g.place.watch.room.Tape.Count()-roomBefore,
		g.probes[0].served(), g.probes[1].served(), g.probes[2].served())
}

// sockets returns the guest's four WebSockets.
func (g *guest) sockets() []*rig.Socket {
	return []*rig.Socket{g.kernel.Socket, g.terminal.Socket, g.room.Socket, g.events}
}

// emittedAfter returns how many messages the guest received that were emitted after a moment.
func (g *guest) emittedAfter(moment time.Time) int {
	return g.kernel.Tape.EmittedAfter(moment) + g.terminal.Tape.EmittedAfter(moment) + g.room.Tape.EmittedAfter(moment)
}

// deliveredAfter returns how many messages that the guest sent after a moment got to the server or to the others.
func (g *guest) deliveredAfter(t *testing.T, moment time.Time) int {
	t.Helper()
	return stampsAfter(t, g.place.kernelBook, moment) + stampsAfter(t, g.place.terminalBook, moment) + g.place.watch.room.Tape.EmittedAfter(moment)
}

func stampsAfter(t *testing.T, book string, moment time.Time) int {
	t.Helper()
	text, err := os.ReadFile(book)
	must(t, err)
	n := 0
	for line := range strings.Lines(string(text)) {
		if stamp, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64); err == nil && stamp > moment.UnixNano() {
			n++
		}
	}
	return n
}

// undelivered has the guest send no more, and returns how many messages did not get to the server's kernel and terminal. It waits as
// long as some arrive: a kernel needs milliseconds for each, a terminal more, and on a busy machine what was held for seconds takes a
// minute to be worked off.
func (g *guest) undelivered(t *testing.T) (kernel, terminal int) {
	t.Helper()
	g.hush.Store(true)
	for last, progress := -1, time.Now(); time.Since(progress) < 15*time.Second; time.Sleep(10 * time.Millisecond) {
		kernel = int(g.sent.kernel.Load()) - stampsAfter(t, g.place.kernelBook, g.began)
		terminal = int(g.sent.terminal.Load()) - stampsAfter(t, g.place.terminalBook, g.began)
		if kernel == 0 && terminal == 0 {
			break
		}
		if kernel+terminal != last {
			last, progress = kernel+terminal, time.Now()
		}
	}
	return kernel, terminal
}

// leave ends everything from the guest's side.
func (g *guest) leave() {
	g.stop()
	g.close()
	g.events.Close()
	g.download.Close()
	g.upload.Close()
	g.running.Wait()
}

// probe sends the same request all the time, by one of a guest's credentials.
type probe struct {
	name string
	head []string
	bare bool // without cookies, as a program

	mu   sync.Mutex
	sent []time.Time
	code []int
}

func (p *probe) run(ctx context.Context, v *rig.Visit) {
	user := v.User
	if p.bare {
		user = v.Hub.Person(v.Name)
	}
	for ctx.Err() == nil {
		sent := time.Now()
		a, err := user.Do(ctx, http.MethodGet, v.Server+"api/status", nil, p.head...)
		if ctx.Err() != nil {
			return
		}
		code := 0
		if err == nil {
			code = a.Status
		}
		p.mu.Lock()
		p.sent, p.code = append(p.sent, sent), append(p.code, code)
		p.mu.Unlock()
		pause(ctx, 5*time.Millisecond)
	}
}

func (p *probe) served() int {
	return p.count(time.Time{}, func(code int) bool { return code == http.StatusOK })
}

// count returns how many requests sent after a moment were answered so.
func (p *probe) count(after time.Time, fits func(code int) bool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for i, code := range p.code {
		if p.sent[i].After(after) && fits(code) {
			n++
		}
	}
	return n
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
