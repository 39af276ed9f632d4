package proxy_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// many are open sockets of which the client's end is in this process, without
// a goroutine, and so is the server's.
type many struct {
	clients, servers []net.Conn
}

func (m *many) close() {
	for _, c := range append(m.clients, m.servers...) {
		_ = c.Close()
	}
}

// openMany opens n sockets of bob's. They cost the process almost nothing but
// what the proxy needs for them.
func (r *rig) openMany(n int) *many {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	m := &many{}
	r.t.Cleanup(func() {
		_ = l.Close()
		m.close()
	})
	r.route("/user/alice", "http://"+l.Addr().String(), `"user":"alice","server_name":"","jupyterhub":true`)
	buf := make([]byte, 4<<10)
	for range n {
		client, err := net.Dial("tcp", r.addr)
		if err != nil {
			r.t.Fatal(err)
		}
		_, _ = io.WriteString(client, handshakeOf(r, "bob"))
		server, err := l.Accept()
		if err != nil {
			r.t.Fatal(err)
		}
		_, _ = server.Read(buf) // the handshake is one packet
		_, _ = io.WriteString(server, accepted())
		if n, err := client.Read(buf); err != nil || !bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 101")) {
			r.t.Fatalf("handshake: %q, %v", buf[:n], err)
		}
		m.clients, m.servers = append(m.clients, client), append(m.servers, server)
	}
	return m
}

// BenchmarkIdleSocket prints what an open, silent socket costs the process, of
// which about 1 KiB are the benchmark's own two ends.
func BenchmarkIdleSocket(b *testing.B) {
	const n = 2000
	for b.Loop() {
		r := newRig(b)
		r.openMany(1) // what is made once
		before := inUse()
		m := r.openMany(n)
		after := inUse()
		b.ReportMetric(float64(after.HeapInuse-before.HeapInuse)/n, "heap-B/socket")
		b.ReportMetric(float64(after.StackInuse-before.StackInuse)/n, "stack-B/socket")
		m.close()
	}
}

func inUse() (m runtime.MemStats) {
	runtime.GC() // shrinks stacks, too
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}

// BenchmarkRevokeOfManySockets prints how long after the call of a revoke its
// answer came, and how long until all sockets were closed on both sides. Ten
// thousand in one process are normal.
func BenchmarkRevokeOfManySockets(b *testing.B) {
	for _, n := range []int{1000, 4000, 10_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			allowFiles(b, 5*n) // both ends of both connections, and some
			for b.Loop() {
				revokeMany(b, n)
			}
		})
	}
}

func revokeMany(b *testing.B, n int) {
	r := newRig(b)
	m := r.openMany(n)
	began := time.Now()
	answered := make(chan string, 1)
	go func() {
		answered <- r.revokeBob().Header.Get("Share-Proxy-Cut")
		b.ReportMetric(float64(time.Since(began).Microseconds())/1000, "ms-to-answer")
	}()
	var closed sync.WaitGroup
	for _, c := range append(m.clients, m.servers...) {
		closed.Go(func() { _, _ = io.Copy(io.Discard, c); _ = c.Close() })
	}
	if got, want := <-answered, fmt.Sprintf("done; sockets=%d", n); got != want {
		b.Errorf("the answer says %q, want %q", got, want)
	}
	closed.Wait()
	b.ReportMetric(float64(time.Since(began).Microseconds())/1000, "ms-to-all-closed")
}

// allowFiles raises the limit of open files for the benchmark, where it may.
func allowFiles(b *testing.B, n int) {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		b.Skip(err)
	}
	if before.Cur >= uint64(n) {
		return
	}
	raised := syscall.Rlimit{Cur: uint64(n), Max: max(before.Max, uint64(n))}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised); err != nil {
		b.Skipf("%d open files are needed, %d allowed: %v", n, before.Cur, err)
	}
	b.Cleanup(func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before) })
}
