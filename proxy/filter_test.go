package proxy_test

import (
	"bufio"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// hostile are fields by which a server would reach beyond its own path.
//
//nolint:gochecknoglobals // a constant table
var hostile = []string{
	"Set-Cookie: jupyterhub-session-id=x; Path=/", "Set-Cookie: jupyterhub-hub-login=x; Path=/", "Set-Cookie: jupyterhub-user-bob=x; Path=/user/bob/",
	"Set-Cookie: __Secure-x=1; Path=/", "Service-Worker-Allowed: /", `Clear-Site-Data: "*"`, `Alt-Svc: h2="evil:443"`,
	"Strict-Transport-Security: max-age=1", "NEL: {}", "Share-Proxy-Cut: done; sockets=0",
}

// TestAServerStaysInItsOwnPlace (E01, E04 to E06, E14, E15, E17): by its
// answer's head, by early hints (E02), and by trailers (E03).
func TestAServerStaysInItsOwnPlace(t *testing.T) {
	fields := strings.Join(hostile, "\r\n") + "\r\n"
	for name, answer := range map[string]string{
		"head":                   "HTTP/1.1 200 OK\r\n" + fields + "Content-Length: 2\r\n\r\nok",
		"E02 early hints":        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n" + fields + "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"E03 announced trailers": "HTTP/1.1 200 OK\r\nTrailer: Set-Cookie, Clear-Site-Data, NEL\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n" + fields + "\r\n",
		"E03 trailers":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n" + fields + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.wireServer(answer)
			got := r.raw("GET /user/alice/api HTTP/1.1\r\nHost: HOST\r\nTE: trailers\r\n" + as("alice") + "\r\nConnection: close\r\n\r\n")
			if !strings.Contains(got, "HTTP/1.1 200 OK") || !strings.Contains(got, "ok") {
				t.Fatalf("answer %q", got)
			}
			if strings.Contains(answer, " 103 ") != strings.Contains(got, "Link: </a>") {
				t.Errorf("the early hint is gone: %q", got)
			}
			for _, field := range append(slices.Clone(hostile), "Trailer: Set-Cookie") {
				if strings.Contains(strings.ToLower(got), strings.ToLower(field)) {
					t.Errorf("%s passed", field)
				}
			}
		})
	}
}

// TestAServersOwnFieldsPass (E04): what is confined to its path.
func TestAServersOwnFieldsPass(t *testing.T) {
	r := newRig(t)
	r.wireServer("HTTP/1.1 302 Found\r\n" +
		"Location: http://169.254.169.254/latest\r\n" + // relayed, never followed (K02a)
		"Set-Cookie: jupyterhub-user-alice=x; Path=/user/alice/; HttpOnly\r\n" +
		"Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; Domain=example.com; Path=/user/alice/x\r\n" +
		"Service-Worker-Allowed: /user/alice/\r\nCache-Control: max-age=60\r\nX-Own: yes\r\n" +
		"Connection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n")
	res := r.do("GET", "/user/alice/api", as("alice"))
	if got, want := res.Header.Values("Set-Cookie"), []string{
		"jupyterhub-user-alice=x; Path=/user/alice/; HttpOnly", "a=1; Path=/user/alice/", "b=2; Path=/user/alice/x",
	}; !slices.Equal(got, want) {
		t.Errorf("the cookies became %q, want %q", got, want)
	}
	for name, want := range map[string]string{
		"Location": "http://169.254.169.254/latest", "Service-Worker-Allowed": "/user/alice/", "Cache-Control": "max-age=60",
		"X-Own": "yes", "X-Hop": "", "Keep-Alive": "",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s became %q, want %q", name, got, want)
		}
	}
	if res.StatusCode != 302 {
		t.Errorf("status %d, want the server's 302", res.StatusCode)
	}
}

// TestAnAnswerThatIsNoneIsABadGateway (D06, J18).
func TestAnAnswerThatIsNoneIsABadGateway(t *testing.T) {
	for name, answer := range map[string]string{
		"D06 a 101 that nobody asked for": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nbytes",
		"J18 status 099":                  "HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
		"J18 status 999":                  "HTTP/1.1 999 High\r\nContent-Length: 0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.wireServer(answer)
			if res := r.do("GET", "/user/alice/api", as("alice")); res.StatusCode != 502 {
				t.Errorf("status %d, want 502", res.StatusCode)
			}
			if strings.Contains(r.log.String(), "panic") {
				t.Error("it panicked")
			}
		})
	}
}

// TestAWrongHandshakeOpensNoTunnel (D07, D08).
func TestAWrongHandshakeOpensNoTunnel(t *testing.T) {
	const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
	for name, answer := range map[string]string{
		"D07 wrong accept":     switching + "Upgrade: websocket\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
		"D07 no accept":        switching + "Upgrade: websocket\r\n\r\n",
		"D08 another protocol": switching + "Upgrade: h2c\r\nSec-WebSocket-Accept: " + acceptOf(socketKey) + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.wireServer(answer)
			if _, res := r.handshake("/user/alice/api", as("alice")); res.StatusCode != 502 {
				t.Errorf("status %d, want 502", res.StatusCode)
			}
		})
	}
}

// TestAServerThatDiesLeavesABrokenAnswer (J19): never a clean end.
func TestAServerThatDiesLeavesABrokenAnswer(t *testing.T) {
	for name, answer := range map[string]string{
		"known length": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
		"chunked":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.wireServer(answer)
			res, err := r.try("GET", "/user/alice/api", nil, as("alice"))
			if err != nil {
				return // broken before its head: not whole either
			}
			if body, err := io.ReadAll(res.Body); err == nil {
				t.Errorf("%q looks whole", body)
			}
		})
	}
}

// TestAfterARefusedHandshakeEveryRequestIsJudged (D05).
func TestAfterARefusedHandshakeEveryRequestIsJudged(t *testing.T) {
	r := newRig(t)
	seen := make(chan string, 10)
	r.userServer(func(w http.ResponseWriter, req *http.Request) {
		seen <- req.URL.Path
		http.Error(w, "no socket here", http.StatusUpgradeRequired)
	})
	s, res := r.handshake("/user/alice/api/first", as("bob"))
	_, _ = io.Copy(io.Discard, res.Body)
	_, _ = io.WriteString(s.conn, "GET /user/alice/api/second HTTP/1.1\r\nHost: "+r.addr+"\r\n\r\n")
	second, err := http.ReadResponse(bufio.NewReader(s.r), nil)
	if err != nil || second.StatusCode != 403 {
		t.Errorf("the bytes behind it: %v %v, want a 403 of their own", second, err)
	}
	if len(seen) != 1 {
		t.Errorf("%d requests reached the server, want one", len(seen))
	}
}
