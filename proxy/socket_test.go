package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// switched is a 101 with the fields given.
func switched(fields ...string) string {
	return "HTTP/1.1 101 Switching Protocols\r\n" + strings.Join(append(fields, "", ""), "\r\n")
}

// accepted is the proper answer to the handshakes of these tests.
func accepted() string {
	return switched("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: "+acceptOf(socketKey))
}

// rawServer is a user server of alice that does what f does with a connection.
func (r *rig) rawServer(f func(conn net.Conn, from *bufio.Reader)) {
	r.t.Helper()
	r.userServer(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		f(conn, rw.Reader)
	})
}

// TestOnlyAProperAnswerOpensASocket (D06, D07, D08).
func TestOnlyAProperAnswerOpensASocket(t *testing.T) {
	accept := "Sec-WebSocket-Accept: " + acceptOf(socketKey)
	for _, tt := range []struct {
		name   string
		answer string
		want   int
	}{
		{"proper", accepted(), 101},
		{"no accept value", switched("Upgrade: websocket", "Connection: Upgrade"), 502},
		{"accept value of another key", switched("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: "+acceptOf("x")), 502},
		{"two accept values", switched("Upgrade: websocket", "Connection: Upgrade", accept, accept), 502},
		{"h2c", switched("Upgrade: h2c", "Connection: Upgrade", accept), 502},
		{"two upgrades", switched("Upgrade: websocket", "Upgrade: h2c", "Connection: Upgrade", accept), 502},
		{"no Connection", switched("Upgrade: websocket", accept), 502},
		{"status 099", "HTTP/1.1 099 Odd\r\n\r\n", 502},
		{"status 999", "HTTP/1.1 999 Odd\r\n\r\n", 502},
		{"no HTTP", "SSH-2.0-x\r\n\r\n", 503},
		{"nothing", "", 503},
		{"an endless head", "HTTP/1.1 101 x\r\nA: " + strings.Repeat("a", 1<<20), 502},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.rawServer(func(conn net.Conn, from *bufio.Reader) {
				_, _ = io.WriteString(conn, tt.answer)
				if tt.want == 101 {
					_, _ = io.Copy(io.Discard, from)
				}
			})
			s, res := r.handshake("/user/alice/api", as("bob"))
			if res.StatusCode != tt.want {
				t.Errorf("status %d, want %d", res.StatusCode, tt.want)
			}
			_ = s.conn.Close()
		})
	}
}

// TestBytesBehindARefusedHandshakeAreANewRequest (D05).
func TestBytesBehindARefusedHandshakeAreANewRequest(t *testing.T) {
	r := newRig(t)
	r.userServer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUpgradeRequired) })
	s, res := r.handshake("/user/alice/api", as("bob"))
	if res.StatusCode != 426 {
		t.Fatalf("status %d, want the server's 426", res.StatusCode)
	}
	_, _ = fmt.Fprintf(s.conn, "GET /user/alice/api HTTP/1.1\r\nHost: %s\r\nAuthorization: token dave\r\n\r\n", r.addr)
	res, err := http.ReadResponse(s.r, nil)
	if err != nil || res.StatusCode != 403 {
		t.Errorf("the next bytes: %v, %v; want a request of dave's, and 403", res, err)
	}
}

// TestARefusalThatStallsEndsWithTheRight: an answer that is no 101 and never
// ends is no way around the cut, and does not look complete.
func TestARefusalThatStallsEndsWithTheRight(t *testing.T) {
	for _, tt := range []struct{ name, head string }{
		{"known length", "Content-Length: 100000\r\n\r\n"},
		{"chunked", "Transfer-Encoding: chunked\r\n\r\nC350\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			ended := make(chan struct{})
			r.rawServer(func(conn net.Conn, from *bufio.Reader) {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+tt.head+strings.Repeat("x", 50000))
				_, _ = io.Copy(io.Discard, from)
				close(ended)
			})
			_, res := r.handshake("/user/alice/api", as("bob"))
			_, _ = io.ReadFull(res.Body, make([]byte, 1000))
			r.revokeBob()
			if _, err := io.Copy(io.Discard, res.Body); err == nil {
				t.Error("the answer looks complete")
			}
			<-ended
		})
	}
}

// TestARefusalThatBreaksOffIsNotComplete (J19).
func TestARefusalThatBreaksOffIsNotComplete(t *testing.T) {
	r := newRig(t)
	r.rawServer(func(conn net.Conn, _ *bufio.Reader) {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nC350\r\n"+strings.Repeat("x", 40000))
	})
	_, res := r.handshake("/user/alice/api", as("bob"))
	if body, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("%d bytes look complete", len(body))
	}
}

// TestAHandshakeSaysNothingOfItsOwn: the server sees the client's head.
func TestAHandshakeSaysNothingOfItsOwn(t *testing.T) {
	r := newRig(t)
	heads := make(chan http.Header, 1)
	r.userServer(func(_ http.ResponseWriter, req *http.Request) { heads <- req.Header })
	r.handshake("/user/alice/api", as("bob"))
	got := <-heads
	for _, name := range []string{"User-Agent", "Accept-Encoding"} {
		if got.Values(name) != nil {
			t.Errorf("the server sees %s %q, which nobody sent", name, got.Values(name))
		}
	}
}

// revokeBob takes bob's share away through the proxy.
func (r *rig) revokeBob() *http.Response {
	r.t.Helper()
	r.hub.set("bob", "bob", "s-bob")
	return r.do("PATCH", "/hub/api/shares/alice/", as("alice"))
}
