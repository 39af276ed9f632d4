//go:build !linux

package live

import "net"

// knowsUnsent: outside Linux every close after a cut throws away.
const knowsUnsent = false

// unsent is not known outside Linux.
func unsent(*net.TCPConn) int { return 0 }

// narrow bounds the whole send buffer, which is what every system knows.
func narrow(c *net.TCPConn) { _ = c.SetWriteBuffer(guestUnsent) }
