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
// What the proxy had written before a moment and what came after it is told apart exactly: Stall stops reading, as a slow
// client does, Mark asks the kernel how many bytes wait unread on the client's side and reads on, and Leaked counts what came beyond those.
type Download struct {
	conn    *countingConn
	res     *http.Response
	done    chan struct{}
	stall   chan struct{} // closed by Stall
	stalled chan struct{} // closed by the reader, which then waits
	resume  chan struct{} // closed by Mark

	once, twice sync.Once
	mu          sync.Mutex
	end         time.Time
	err         error
	before      int64 // read before Mark, or waiting to be read
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
	d := &Download{done: make(chan struct{}), stall: make(chan struct{}), stalled: make(chan struct{}), resume: make(chan struct{})}
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
	pace := 2 * time.Millisecond // about 8 MB/s, far less than the server could send
	for {
		select {
		case <-d.stall:
			d.twice.Do(func() { close(d.stalled) })
			<-d.resume
			pace = 0
		case <-time.After(pace):
		}
		if _, err := d.res.Body.Read(buffer); err != nil {
			d.mu.Lock()
			d.end, d.err = time.Now(), err
			d.mu.Unlock()
			d.res.Body.Close()
			d.twice.Do(func() { close(d.stalled) })
			return
		}
	}
}

// Stall stops reading until Mark.
func (d *Download) Stall() {
	close(d.stall)
	<-d.stalled
}

// Mark notes the moment from which bytes count as leaked, and reads on at full speed.
func (d *Download) Mark() {
	d.before = d.conn.n.Load() + d.conn.unread()
	d.once.Do(func() { close(d.resume) })
}

// Leaked returns how many bytes arrived that were neither read nor waiting on the client's side at Mark.
func (d *Download) Leaked() int64 { return max(0, d.conn.n.Load()-d.before) }

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
func (d *Download) Close() {
	d.once.Do(func() { close(d.resume) })
	d.res.Body.Close()
	<-d.done
}

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
