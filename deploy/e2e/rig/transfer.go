package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// Download is a download that is read slowly, on a connection of its own with a small receive buffer.
//
// What the proxy had written before a moment and what came after it is told apart exactly: Mark asks the kernel how
// many bytes wait unread on the client's side, and Leaked counts what was read beyond those.
type Download struct {
	conn    *countingConn
	res     *http.Response
	done    chan struct{}
	mu      sync.Mutex
	end     time.Time
	err     error
	marked  int64
	pending int64
	hurry   atomic.Bool
}

type countingConn struct {
	net.Conn
	n atomic.Int64
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// unread returns how many bytes the kernel holds for the reader of this connection (FIONREAD).
func (c *countingConn) unread() int64 {
	raw, err := c.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return 0
	}
	var n int32
	_ = raw.Control(func(fd uintptr) {
		_, _, _ = syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCINQ, uintptr(unsafe.Pointer(&n)))
	})
	return int64(n)
}

// Download begins a slow download of a file of the server and returns when its head is there.
func (v *Visit) Download(ctx context.Context, path string) (*Download, error) {
	d := &Download{done: make(chan struct{})}
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 64<<10) })
	}}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			d.conn = &countingConn{Conn: conn}
			return d.conn, nil
		}}}
	tab := v.OldTab()
	tab.client = client
	res, err := tab.Send(ctx, http.MethodGet, v.Server+path, nil, asNavigation...)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, fmt.Errorf("download: %s", res.Status)
	}
	d.res = res
	go d.read()
	return d, nil
}

func (d *Download) read() {
	defer close(d.done)
	buffer := make([]byte, 16<<10)
	for {
		_, err := d.res.Body.Read(buffer)
		if err != nil {
			d.mu.Lock()
			d.end, d.err = time.Now(), err
			d.mu.Unlock()
			d.res.Body.Close()
			return
		}
		if !d.hurry.Load() {
			time.Sleep(2 * time.Millisecond) // about 8 MB/s, far less than the server could send
		}
	}
}

// Mark notes the moment from which bytes count as leaked, and reads on at full speed.
func (d *Download) Mark() {
	d.pending = d.conn.unread()
	d.marked = d.conn.n.Load()
	d.hurry.Store(true)
}

// Leaked returns how many bytes arrived that were neither read nor waiting on the client's side at Mark.
func (d *Download) Leaked() int64 { return max(0, d.conn.n.Load()-d.marked-d.pending) }

// Wait waits until the download ended; it reports whether it did, and whether it is recognisable as truncated.
func (d *Download) Wait(limit time.Duration) (ended, truncated bool, at time.Time) {
	select {
	case <-d.done:
	case <-time.After(limit):
		return false, false, time.Time{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return true, !errors.Is(d.err, io.EOF), d.end
}

// Close gives the download up.
func (d *Download) Close() { d.res.Body.Close(); <-d.done }

// Upload is an upload whose body trickles: stamped lines, one every 10 ms.
type Upload struct {
	done   chan struct{}
	stop   context.CancelFunc
	mu     sync.Mutex
	end    time.Time
	status int
	err    error
}

// Upload begins an upload that never ends by itself. before is sent first, such as the beginning of a JSON body.
func (v *Visit) Upload(ctx context.Context, method, path, before string) *Upload {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	reader, writer := io.Pipe()
	u := &Upload{done: make(chan struct{}), stop: stop}
	go func() {
		_, err := io.WriteString(writer, before)
		for n := 0; err == nil; n++ {
			_, err = fmt.Fprintf(writer, "T%d %d\n", n, time.Now().UnixNano())
			select {
			case <-ctx.Done():
				writer.CloseWithError(ctx.Err())
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	tab := v.OldTab()
	go func() {
		defer close(u.done)
		defer stop()
		a, err := tab.Do(ctx, method, v.Server+path, reader, "Authorization", "token "+v.PageToken, "Content-Type", "application/json")
		reader.CloseWithError(errors.New("the upload ended"))
		u.mu.Lock()
		defer u.mu.Unlock()
		u.end, u.err = time.Now(), err
		if a != nil {
			u.status = a.Status
		}
	}()
	return u
}

// Wait waits until the upload ended; status is 0 when the connection broke without an answer.
func (u *Upload) Wait(limit time.Duration) (ended bool, status int, at time.Time) {
	select {
	case <-u.done:
	case <-time.After(limit):
		return false, 0, time.Time{}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return true, u.status, u.end
}

// Close gives the upload up.
func (u *Upload) Close() { u.stop(); <-u.done }
