package live

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// readable is what a connection's own kernel has for it to read (FIONREAD,
// tcp(7)).
func readable(t *testing.T, c *net.TCPConn) int64 { return ask(t, c, syscall.TIOCINQ) }

// outstanding is what the kernel has taken and the peer has not confirmed
// (SIOCOUTQ, tcp(7)).
func outstanding(t *testing.T, c *net.TCPConn) int64 { return ask(t, c, syscall.TIOCOUTQ) }

func ask(t *testing.T, c *net.TCPConn, what uintptr) int64 {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int32
	var errno syscall.Errno
	if err := raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, what, uintptr(unsafe.Pointer(&n)))
	}); err != nil || errno != 0 {
		t.Fatal(err, errno)
	}
	return int64(n)
}

// fill writes until the kernel takes no more.
func fill(t *testing.T, c *Conn) {
	t.Helper()
	if err := c.WriteAside(make([]byte, 256<<20), 100*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("filling the buffers ended with %v", err)
	}
}

func TestAfterACutASlowReaderGetsOnlyWhatItsOwnKernelHas(t *testing.T) {
	for _, kind := range []Kind{Request, Socket} {
		t.Run(kind.String(), func(t *testing.T) {
			x := newRig().open(t, kind)
			ours, theirs := wideTCPPair(t)
			_ = theirs.SetReadDeadline(time.Now().Add(patience))
			c := NewConn(ours)
			c.Attach(x)
			wrote := make(chan error, 1)
			go func() { _, err := c.Write(make([]byte, 256<<20)); wrote <- err }()
			if _, err := io.ReadFull(theirs, make([]byte, 4<<20)); err != nil { // the buffers have grown
				t.Fatal(err)
			}
			for c.Unsent() < 128<<10 {
				runtime.Gosched()
			}
			soon(t, "Cut", func() { x.Cut(ErrRevoked) })
			there := readable(t, theirs)
			n, err := io.Copy(io.Discard, theirs)
			if !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the reader's end is %v, want a reset", err)
			}
			if n > there {
				t.Errorf("the reader got %d bytes, its own kernel had %d", n, there)
			}
			if err := <-wrote; !errors.Is(err, ErrRevoked) {
				t.Errorf("Write returned %v, want the cause of the cut", err)
			}
		})
	}
}

func TestNarrowBoundsWhatTheKernelTakes(t *testing.T) {
	took := func(narrow bool) (unsent int, outside int64) {
		ours, theirs := wideTCPPair(t)
		c := NewConn(ours)
		if narrow {
			c.Narrow()
		}
		fill(t, c)
		return c.Unsent(), outstanding(t, ours) + readable(t, theirs)
	}
	wide, wideAll := took(false)
	narrow, narrowAll := took(true)
	t.Logf("unsent: %d bytes narrow, %d wide; on their way in all: %d narrow, %d wide", narrow, wide, narrowAll, wideAll)
	// The kernel takes whole segments: on the loopback they have 64 KiB.
	if narrow > guestUnsent+64<<10 {
		t.Errorf("%d bytes are unsent on a narrow connection, want about %d", narrow, guestUnsent)
	}
	if wide < 1<<20 {
		t.Skipf("a wide connection takes %d bytes only: nothing to compare with", wide)
	}
}

func TestUnsentIsWhatThePeerHasNoRoomFor(t *testing.T) {
	ours, theirs := tcpPair(t)
	c := NewConn(ours)
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if got := c.Unsent(); got != 0 {
		t.Errorf("%d bytes are unsent to a peer that has room", got)
	}
	fill(t, c)
	got, all := int64(c.Unsent()), outstanding(t, ours)
	if got <= 0 || got > all {
		t.Errorf("%d bytes are unsent, want more than 0 and at most the %d that the peer has not confirmed", got, all)
	}
	_ = theirs.Close()
	_ = c.Close()
	if got := c.Unsent(); got != 0 {
		t.Errorf("%d bytes are unsent on a connection that is closed", got)
	}
	if got := NewConn(newStub(takesAll)).Unsent(); got != 0 {
		t.Errorf("%d bytes are unsent where there is no kernel", got)
	}
}

func TestAFreshConnectionIsNarrowedOnce(t *testing.T) {
	ours, _ := wideTCPPair(t)
	c := NewConn(ours)
	lowat := func() (n int) {
		raw, err := ours.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) { n, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotsentLowat) })
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if got := lowat(); got == guestUnsent {
		t.Fatal("a new connection is narrow")
	}
	c.Narrow()
	c.Narrow()
	if got := lowat(); got != guestUnsent {
		t.Errorf("TCP_NOTSENT_LOWAT is %d, want %d", got, guestUnsent)
	}
	NewConn(newStub(takesAll)).Narrow() // nothing to narrow
}
