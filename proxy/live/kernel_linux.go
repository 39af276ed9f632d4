package live

import (
	"net"
	"syscall"
	"unsafe"
)

// siocOutqNsd asks a socket for what it has not sent yet
// (linux/sockios.h, tcp(7)).
const siocOutqNsd = 0x894B

// tcpNotsentLowat makes a socket take no more while that much is unsent
// (tcp(7), linux/tcp.h).
const tcpNotsentLowat = 25

// narrow: see [Conn.Narrow].
func narrow(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	// What fails fails because the connection is closed: there is nothing to bound.
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotsentLowat, guestUnsent)
	})
}

// unsent: see [Conn.Unsent].
func unsent(c *net.TCPConn) int {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	var n int32
	// A connection that is closed has nothing unsent.
	_ = raw.Control(func(fd uintptr) {
		_, _, _ = syscall.Syscall(syscall.SYS_IOCTL, fd, siocOutqNsd, uintptr(unsafe.Pointer(&n))) //nolint:gosec // an ioctl takes a pointer
	})
	return int(n)
}
