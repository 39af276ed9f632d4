package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/route"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/target"
)

// relayed socket: both ends of a relay, and its gate.
type relayRig struct {
	t      testing.TB
	table  *live.Table
	x      *live.Exchange
	seq    authz.Seq
	client net.Conn // the client's own end
	server net.Conn // the server's own end
	over   chan struct{}
}

// newRelay runs a relay with an open gate; ends makes the connections.
func newRelay(t testing.TB, ends func() (near, far net.Conn)) *relayRig {
	t.Helper()
	r := &relayRig{t: t, over: make(chan struct{})}
	r.table = live.NewTable(live.Options{
		Age:     func(*authz.Decision) live.Age { return live.Young },
		Recheck: func(x *live.Exchange) { x.Rechecked() },
	})
	r.x = r.table.Open(t.Context(), live.Info{Kind: live.Socket})
	var clientSide, serverSide net.Conn
	clientSide, r.client = ends()
	serverSide, r.server = ends()
	v := &visit{exchange: r.x, conn: live.NewConn(clientSide)}
	up := upstream{conn: live.NewConn(serverSide)}
	up.reader = bufio.NewReader(up.conn)
	var err error
	if v.route, err = route.New("/user/alice", "http://127.0.0.1:1", nil, time.Now()); err != nil {
		t.Fatal(err)
	}
	if v.target, err = target.Parse("/user/alice/api/kernels/1/channels", ""); err != nil {
		t.Fatal(err)
	}
	v.consumed = 2
	v.conn.Attach(r.x)
	up.conn.Attach(r.x)
	r.release()
	go func() {
		defer close(r.over)
		relay(v, bufio.NewReader(v.conn), up)
		r.x.End()
		_ = up.conn.Close()
		_ = v.conn.Close()
	}()
	return r
}

func (r *relayRig) hold() {
	r.seq++
	r.table.Hold([]*live.Exchange{r.x}, r.seq)
}

func (r *relayRig) release() {
	r.x.Release(authz.Decision{Allow: true, Answer: &authz.Answer{Seq: r.seq}})
}

// send writes a text frame in the background: over a pipe that waits for its
// reader.
func (r *relayRig) send(to net.Conn, first byte, payload string) {
	go func() { _, _ = to.Write(r.wire(to, first, payload)) }()
}

// wire is a frame as its sender writes it.
func (r *relayRig) wire(to net.Conn, first byte, payload string) []byte {
	if to == r.server {
		return append(appendHead(nil, first, uint64(len(payload)), nil), payload...)
	}
	key := []byte{9, 8, 7, 6}
	return append(appendHead(nil, first, uint64(len(payload)), key), unmask([]byte(payload), key)...)
}

// listen reads frames of an end as "opcode payload" until it ends.
func listen(conn net.Conn) <-chan string {
	heard := make(chan string, 10_000)
	go func() {
		defer close(heard)
		f := frames{r: bufio.NewReader(conn)}
		for {
			got, err := f.next()
			if err != nil {
				return
			}
			side := "clear"
			if got.key != nil {
				side = "masked"
			}
			heard <- fmt.Sprintf("%s %x %s", side, got.opcode, unmask(got.payload, got.key))
		}
	}()
	return heard
}

// take returns what was heard so far.
func take(heard <-chan string) (list []string) {
	for {
		select {
		case s, ok := <-heard:
			if !ok {
				return append(list, "end")
			}
			list = append(list, s)
		default:
			return list
		}
	}
}

// pipeTest runs f with a relay over pipes, in a bubble whose goroutines must
// all have ended when f returns: also those of the relay.
func pipeTest(t *testing.T, f func(t *testing.T, r *relayRig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRelay(t, func() (net.Conn, net.Conn) { return net.Pipe() })
		f(t, r)
		_, _ = r.client.Close(), r.server.Close()
		r.x.Cut(live.ErrRevoked)
		<-r.over
	})
}

func wantHeard(t *testing.T, who string, heard <-chan string, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := take(heard); !slices.Equal(got, want) {
		t.Errorf("the %s heard %q, want %q", who, got, want)
	}
}

func TestPingsAreAnsweredWhileHeldAndPassedWhileOpen(t *testing.T) {
	pipeTest(t, func(t *testing.T, r *relayRig) {
		client, server := listen(r.client), listen(r.server)
		r.send(r.server, 0x89, "open")
		wantHeard(t, "client", client, "clear 9 open")
		r.hold()
		r.send(r.server, 0x89, "first")
		wantHeard(t, "server", server, "masked a first")
		r.send(r.server, 0x81, "data")
		synctest.Wait()
		r.send(r.server, 0x89, "second")
		wantHeard(t, "server", server, "masked a second")
		r.send(r.client, 0x89, "client's")
		wantHeard(t, "client", client, "clear a client's")
		r.release()
		wantHeard(t, "client", client, "clear 1 data")
		wantHeard(t, "server", server)
	})
}

func TestAPingThatPassedInPartIsNotAnswered(t *testing.T) {
	pipeTest(t, func(t *testing.T, r *relayRig) {
		server := listen(r.server)
		r.send(r.server, 0x89, "half")
		_, _ = io.ReadFull(r.client, make([]byte, 3))
		r.hold() // the rest waits
		wantHeard(t, "server", server)
		client := make([]byte, 3)
		r.release()
		if _, err := io.ReadFull(r.client, client); err != nil || string(client) != "alf" {
			t.Errorf("the rest of the ping is %q, %v, want \"alf\"", client, err)
		}
		heard := listen(r.client)
		r.x.Cut(live.ErrServerStopped) // the frame is whole: a close frame fits
		wantHeard(t, "client", heard, "clear 8 "+string(closePayload(closeGoingAway, "The server has stopped.")))
	})
}

// TestAHeldSideIsReadUpToALimit: the bytes beyond it stay with their sender
// and come later, none is lost.
func TestAHeldSideIsReadUpToALimit(t *testing.T) {
	pipeTest(t, func(t *testing.T, r *relayRig) {
		r.hold()
		const size, count = 1000, 300
		accepted := 0
		go func() {
			for i := range count {
				if _, err := r.client.Write(r.wire(r.client, 0x82, fmt.Sprintf("%0*d", size, i))); err != nil {
					return
				}
				accepted++
			}
		}()
		synctest.Wait()
		// The queue, the reader's 4 KiB, one frame on its way.
		if most := (queueLimit + 4<<10 + 2*size) / size; accepted > most || accepted < queueLimit/(size+8) {
			t.Errorf("%d messages of %d bytes were read while held, want about %d", accepted, size, queueLimit/size)
		}
		server := listen(r.server)
		wantHeard(t, "server", server)
		r.release()
		synctest.Wait()
		for i, got := range take(server) {
			if want := fmt.Sprintf("masked 2 %0*d", size, i); got != want {
				t.Fatalf("message %d is %.40q, want %.40q", i, got, want)
			}
		}
		if accepted != count {
			t.Errorf("%d of %d messages went through", accepted, count)
		}
	})
}

// TestWhoLeavesWhileHeldHasHisWordsDelivered: a client that says something and
// leaves, a server that ends, or both.
func TestWhoLeavesWhileHeldHasHisWordsDelivered(t *testing.T) {
	for _, tt := range []struct{ name, who string }{
		{"client", "c"}, {"server", "s"}, {"both", "cs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pipeTest(t, func(t *testing.T, r *relayRig) {
				r.hold()
				for _, who := range tt.who {
					end := r.client
					if who == 's' {
						end = r.server
					}
					_, _ = end.Write(r.wire(end, 0x81, "last word"))
					_ = end.Close()
				}
				synctest.Wait()
				select {
				case <-r.over:
					t.Error("the relay ended while held, with words to deliver")
				default:
				}
				client, server := listen(r.client), listen(r.server)
				r.release()
				<-r.over
				if tt.who == "c" {
					wantHeard(t, "server", server, "masked 1 last word", "end")
				} else if tt.who == "s" {
					wantHeard(t, "client", client, "clear 1 last word", "end")
				}
			})
		})
	}
}

// TestACutEndsEverythingWhateverIsUnderWay: no deadlock, and no goroutine
// remains (the bubble would tell).
func TestACutEndsEverythingWhateverIsUnderWay(t *testing.T) {
	for _, tt := range []struct {
		name  string
		begin func(r *relayRig)
	}{
		{"idle", readBoth},
		{"held", func(r *relayRig) { readBoth(r); r.hold() }},
		{"both queues full", func(r *relayRig) {
			readBoth(r)
			r.hold()
			r.send(r.client, 0x82, string(make([]byte, 9*fragment)))
			r.send(r.server, 0x82, string(make([]byte, 9*fragment)))
		}},
		{"writers stuck at peers that do not read", func(r *relayRig) {
			r.send(r.client, 0x82, string(make([]byte, fragment)))
			r.send(r.server, 0x82, string(make([]byte, fragment)))
			readOneByte(r)
		}},
		{"queues on their way out to peers that do not read", func(r *relayRig) {
			r.hold()
			r.send(r.client, 0x82, string(make([]byte, 9*fragment)))
			r.send(r.server, 0x82, string(make([]byte, 9*fragment)))
			synctest.Wait()
			r.release()
			readOneByte(r)
		}},
		{"half a frame read", func(r *relayRig) {
			readBoth(r)
			go func() { _, _ = r.client.Write([]byte{0x82}) }()
		}},
		{"client gone while held", func(r *relayRig) {
			readBoth(r)
			r.hold()
			_, _ = r.client.Write(r.wire(r.client, 0x81, "x"))
			_ = r.client.Close()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pipeTest(t, func(t *testing.T, r *relayRig) {
				tt.begin(r)
				synctest.Wait()
				began := time.Now()
				r.x.Cut(live.ErrRevoked)
				<-r.over
				if took := time.Since(began); took > closeLimit {
					t.Errorf("the relay ended %v after the cut, want at most %v", took, closeLimit)
				}
			})
		})
	}
}

func readBoth(r *relayRig) { listen(r.client); listen(r.server) }

// readOneByte leaves a frame under way towards both ends.
func readOneByte(r *relayRig) {
	for _, end := range []net.Conn{r.client, r.server} {
		_, _ = end.Read(make([]byte, 1))
	}
}

// TestACloseFrameNeverStandsInsideAFrame (gates: "a close frame always finds a
// boundary").
func TestACloseFrameNeverStandsInsideAFrame(t *testing.T) {
	pipeTest(t, func(t *testing.T, r *relayRig) {
		wire := r.wire(r.server, 0x82, string(make([]byte, 1000)))
		r.send(r.server, 0x82, string(make([]byte, 1000)))
		got := make([]byte, 500)
		_, _ = io.ReadFull(r.client, got)
		r.x.Cut(live.ErrRevoked)
		rest, _ := io.ReadAll(r.client)
		if all := append(got, rest...); !bytes.HasPrefix(wire, all) {
			t.Errorf("behind %d bytes of a frame the client got %x", len(got), rest)
		}
	})
}

// TestTheClosingIsToldAndHeardOut: the client gets the code, its own frames
// behind the cut pass nowhere, and the connection ends with its answer.
func TestTheClosingIsToldAndHeardOut(t *testing.T) {
	pipeTest(t, func(t *testing.T, r *relayRig) {
		client, server := listen(r.client), listen(r.server)
		began := time.Now()
		r.x.Cut(live.ErrRevoked)
		wantHeard(t, "client", client, "clear 8 "+string(closePayload(closePolicy, "Your access to this server has ended.")))
		wantHeard(t, "server", server, "masked 8 "+string(closePayload(closeGoingAway, "")), "end")
		r.send(r.client, 0x81, "too late")
		synctest.Wait()
		select {
		case <-r.over:
			t.Error("the connection closed before the client had answered")
		default:
		}
		r.send(r.client, 0x82, string(make([]byte, 2*fragment)))
		synctest.Wait()
		r.send(r.client, 0x88, string(closePayload(closePolicy, "")))
		<-r.over
		if took := time.Since(began); took != 0 {
			t.Errorf("the connection closed %v after the client's answer, want at once", took)
		}
		wantHeard(t, "client", client, "end")
	})
}

func TestAClientThatAnswersACloseIsClosedAtOnce(t *testing.T) {
	pipeTest(t, func(t *testing.T, r *relayRig) {
		readBoth(r)
		began := time.Now()
		r.x.Cut(live.ErrRevoked)
		r.send(r.client, 0x88, string(closePayload(closePolicy, "")))
		<-r.over
		if took := time.Since(began); took != 0 {
			t.Errorf("the connection closed %v after the client's answer, want at once", took)
		}
	})
}

// TestADirectionThatCannotBeWrittenEnds: what a client goes on to say to a
// server that is gone is not piled up.
func TestADirectionThatCannotBeWrittenEnds(t *testing.T) {
	pipeTest(t, func(t *testing.T, r *relayRig) {
		listen(r.client)
		r.hold()
		_, _ = r.client.Write(r.wire(r.client, 0x81, "for nobody"))
		_ = r.server.Close()
		synctest.Wait()
		began := time.Now()
		r.release()
		synctest.Wait()
		r.send(r.client, 0x81, "more")
		<-r.over
		if took := time.Since(began); took != 0 {
			t.Errorf("the relay went on for %v", took)
		}
	})
}

func TestAClientThatDoesNotAnswerACloseIsClosedSoon(t *testing.T) {
	pipeTest(t, func(t *testing.T, r *relayRig) {
		client := listen(r.client)
		listen(r.server)
		began := time.Now()
		r.x.Cut(live.ErrRevoked)
		<-r.over
		if took := time.Since(began); took != closeLimit {
			t.Errorf("closed after %v, want %v", took, closeLimit)
		}
		synctest.Wait()
		if got := take(client); len(got) != 2 || got[1] != "end" {
			t.Errorf("the client heard %q, want a close frame and the end", got)
		}
	})
}

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
