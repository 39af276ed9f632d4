package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
)

// TestHoldsLoseNothing has both sides send numbered messages over real
// connections while the gate is held and released all the time; then it is cut.
func TestHoldsLoseNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, cutAt := range []int{-1, 1, 100, 1500} {
		t.Run(fmt.Sprintf("cut at %d", cutAt), func(t *testing.T) { holdsLoseNothing(t, cutAt) })
	}
	for runtime.NumGoroutine() > before {
		runtime.Gosched() // the test's time limit ends it
	}
}

const numbered = 3000

func holdsLoseNothing(t *testing.T, cutAt int) {
	r := newRelay(t, tcpEnds(t))
	reached, stop := make(chan struct{}), make(chan struct{})
	var both, holds sync.WaitGroup
	var arrived atomic.Int64
	counts := make([]int, 2)
	for i, pair := range [][2]net.Conn{{r.client, r.server}, {r.server, r.client}} {
		from, to := pair[0], pair[1]
		go sendNumbered(r, from, uint64(i))
		both.Go(func() {
			counts[i] = hearNumbered(t, to, i == 0, func(n int) {
				arrived.Add(1)
				if i == 1 && n == cutAt {
					close(reached)
				}
			})
		})
	}
	holds.Go(func() { holdAndRelease(r, &arrived, stop) })
	if cutAt >= 0 {
		<-reached
		r.x.Cut(live.ErrRevoked)
	}
	both.Wait()
	close(stop)
	holds.Wait()
	_, _ = r.client.Close(), r.server.Close()
	<-r.over
	if cutAt < 0 && (counts[0] != numbered || counts[1] != numbered) {
		t.Errorf("%d and %d messages arrived, want %d", counts[0], counts[1], numbered)
	}
}

// holdAndRelease lets some messages through between holds, until stop.
func holdAndRelease(r *relayRig, arrived *atomic.Int64, stop <-chan struct{}) {
	for turn := rand.New(rand.NewPCG(1, 2)); ; {
		r.hold()
		for range turn.IntN(1000) {
			runtime.Gosched()
		}
		r.release()
		for next := arrived.Load() + turn.Int64N(60); arrived.Load() < next; {
			runtime.Gosched()
			select {
			case <-stop:
				return
			default:
			}
		}
	}
}

// sendNumbered sends messages with their number in front, and pings between.
func sendNumbered(r *relayRig, to net.Conn, seed uint64) {
	turn := rand.New(rand.NewPCG(seed, 7))
	for i := range numbered {
		size := turn.IntN(200)
		if i%50 == 0 {
			size = turn.IntN(3 * fragment)
		}
		payload := binary.BigEndian.AppendUint32(nil, uint32(i))
		payload = append(payload, bytes.Repeat([]byte{byte(i)}, size)...)
		if _, err := to.Write(r.wire(to, 0x82, string(payload))); err != nil {
			return
		}
		if i%20 == 0 {
			_, _ = to.Write(r.wire(to, 0x89, "ping"))
		}
	}
}

// hearNumbered checks that messages come in order and whole, until all came or
// the connection ended.
func hearNumbered(t *testing.T, conn net.Conn, masked bool, each func(n int)) (n int) {
	f := frames{r: bufio.NewReader(conn)}
	var message []byte
	for n < numbered {
		got, err := f.next()
		if errors.Is(err, errFrame) {
			t.Errorf("after %d messages: %v", n, err)
		}
		if err != nil {
			return n
		}
		if (got.key != nil) != masked {
			t.Errorf("after %d messages a frame %x has key %x", n, got.opcode, got.key)
		}
		switch payload := unmask(got.payload, got.key); got.opcode {
		case opPing, opPong:
			if string(payload) != "ping" {
				t.Errorf("a ping or pong says %q", payload)
			}
		case opClose:
			return n
		default:
			message = append(message, payload...)
			if got.wire[0]&bitFin == 0 {
				continue
			}
			if i := int(binary.BigEndian.Uint32(message)); i != n || message[len(message)-1] != byte(i) && len(message) > 4 {
				t.Errorf("message %d of %d bytes arrived as number %d", i, len(message), n)
				return n
			}
			message = message[:0]
			n++
			each(n)
		}
	}
	return n
}

// tcpEnds makes real connections with small buffers, so that writers wait.
func tcpEnds(t testing.TB) func() (near, far net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return func() (near, far net.Conn) {
		far, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		near, err = l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = near.(*net.TCPConn).SetWriteBuffer(32 << 10)
		_ = far.(*net.TCPConn).SetReadBuffer(32 << 10)
		return near, far
	}
}
