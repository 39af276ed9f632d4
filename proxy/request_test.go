package proxy_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy"
)

const noContent = "HTTP/1.1 204 No Content\r\n\r\n"

// headOf sends a request with these lines as alice and returns the lines that
// reached her server, without the request line.
func (r *rig) headOf(heads <-chan string, lines ...string) []string {
	r.t.Helper()
	request := "GET /user/alice/api HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n" + strings.Join(append(lines, "", ""), "\r\n")
	if answer := r.raw(request); statusOf(answer) != "204" {
		r.t.Fatalf("%q: answer %q", lines, answer)
	}
	head := strings.TrimSuffix(await(r.t, heads, "the request arrives"), "\r\n\r\n")
	return strings.Split(head, "\r\n")[1:]
}

// has reports whether a line is there, whatever the case of its name.
func has(lines []string, line string) bool {
	for _, l := range lines {
		if strings.EqualFold(l, line) {
			return true
		}
	}
	return false
}

// named returns the values of a header.
func named(lines []string, name string) (values []string) {
	for _, l := range lines {
		if n, v, _ := strings.Cut(l, ": "); strings.EqualFold(n, name) {
			values = append(values, v)
		}
	}
	return values
}

// TestWhatTheServerNeedsArrivesAsItWas (C20, C21, B28, C17).
func TestWhatTheServerNeedsArrivesAsItWas(t *testing.T) {
	r := newRig(t)
	heads := r.wireServer(noContent)
	for _, line := range []string{
		"Origin: http://elsewhere", "Referer: http://a/b?c", "X-XSRFToken: 2|a|b|1", "Sec-Fetch-Mode: cors", "Sec-Fetch-Site: cross-site",
		"Range: bytes=0-4", `If-None-Match: "a"`, "If-Modified-Since: Sat, 22 Nov 2025 00:00:00 GMT", "Accept-Encoding: br;q=1.0, gzip",
		"User-Agent: nb/1.0", "X-Odd: \xff \"", "Accept: */*",
	} {
		if got := r.headOf(heads, as("alice"), line); !has(got, line) {
			t.Errorf("%s arrived as %q", line, got)
		}
	}
	bare := r.headOf(heads, as("alice"))
	if !has(bare, "Host: "+r.addr) {
		t.Errorf("the Host became %q", named(bare, "Host"))
	}
	for _, name := range []string{"Accept-Encoding", "User-Agent", "Content-Length", "Transfer-Encoding"} {
		if got := named(bare, name); got != nil {
			t.Errorf("%s was invented: %q", name, got)
		}
	}
}

// TestWhatIsNoneOfTheServersBusinessDoesNotArrive (C01, C02, C05 to C08, C17,
// C19, B28).
func TestWhatIsNoneOfTheServersBusinessDoesNotArrive(t *testing.T) {
	r := newRig(t)
	heads := r.wireServer(noContent)
	for _, line := range []string{
		"X-Forwarded-For: 9.9.9.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil", "X-Forwarded-Port: 1", "X-Forwarded-Prefix: /x",
		"X_Forwarded_User: admin", "X.Forwarded.User: admin", "Forwarded: for=9.9.9.9", "X-Real-IP: 9.9.9.9", "X-Scheme: https",
		"X-Original-URL: /user/bob", "X-Original-URI: /healthz", "X-Rewrite-URL: /user/bob", "X-Envoy-External-Address: 9.9.9.9",
		"X-HTTP-Method-Override: DELETE", "Proxy: http://evil", "Share-Proxy-User: admin", "Proxy-Authorization: Basic eA==",
		"Keep-Alive: 5", "Trailer: Authorization", "TE: trailers",
	} {
		if got := r.headOf(heads, as("alice"), line); has(got, line) {
			t.Errorf("%s arrived", line)
		}
	}
	lines := r.headOf(heads, as("alice"), "X-Forwarded-For: 9.9.9.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil", "X-Forwarded-Port: 1")
	_, port, _ := net.SplitHostPort(r.addr)
	for _, want := range []string{"X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: " + r.addr, "X-Forwarded-Port: " + port} {
		if !has(lines, want) {
			t.Errorf("%s is missing in %q", want, lines)
		}
	}
	cookies := r.headOf(heads, "Cookie: a=1; jupyterhub-hub-login=hub; jupyterhub-user-bob=bobs; jupyterhub-session-id=s; _xsrf=x; "+
		strings.TrimPrefix(cookie("alice"), "Cookie: "))
	if got, want := named(cookies, "Cookie"), "a=1; jupyterhub-session-id=s; _xsrf=x; "+strings.TrimPrefix(cookie("alice"), "Cookie: "); len(got) != 1 || got[0] != want {
		t.Errorf("the cookies became %q, want %q", got, want)
	}
}

// TestATrustedProxyIsBelieved (C09): and the client is its right-most hop.
func TestATrustedProxyIsBelieved(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) { o.Trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	heads := r.wireServer(noContent)
	lines := r.headOf(heads, as("alice"), "X-Forwarded-For: 9.9.9.9, 8.8.8.8", "X-Forwarded-Proto: https", "X-Forwarded-Host: hub.example", "X-Real-IP: 8.8.8.8")
	for _, want := range []string{"X-Forwarded-For: 9.9.9.9, 8.8.8.8,127.0.0.1", "X-Forwarded-Proto: https,http", "X-Forwarded-Host: hub.example", "X-Real-IP: 8.8.8.8"} {
		if !has(lines, want) {
			t.Errorf("%s is missing in %q", want, lines)
		}
	}
	r.log.waitFor(t, `"client":"8.8.8.8"`)
}

// TestMethods (B18, B19, B20).
func TestMethods(t *testing.T) {
	r := newRig(t)
	reached := make(chan string, 10)
	r.userServer(func(_ http.ResponseWriter, req *http.Request) { reached <- req.Method })
	for method, want := range map[string]string{
		"GET": "200", "HEAD": "200", "POST": "200", "PUT": "200", "PATCH": "200", "DELETE": "200", "OPTIONS": "200", "PROPFIND": "200", "MKCOL": "200", "REPORT": "200",
		"TRACE": "405", "TRACK": "405", "CONNECT": "405", "get": "501", "FOO": "501",
	} {
		got := statusOf(r.raw(method + " /user/alice/api HTTP/1.1\r\nHost: HOST\r\n" + as("alice") + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
		if got != want || (want == "200") != (len(reached) == 1) {
			t.Errorf("%s: %s and %d requests at the server, want %s", method, got, len(reached), want)
		}
		for len(reached) > 0 {
			if seen := <-reached; seen != method {
				t.Errorf("%s arrived as %s", method, seen)
			}
		}
	}
	if got := statusOf(r.raw("CONNECT evil:80 HTTP/1.1\r\nHost: evil:80\r\nConnection: close\r\n\r\n")); got != "405" {
		t.Errorf("CONNECT evil:80: %s, want 405", got)
	}
}

// TestRefusedHeads (C04, C13, D01 to D04, B13, B14).
func TestRefusedHeads(t *testing.T) {
	r := newRig(t)
	reached := make(chan struct{}, 10)
	r.userServer(func(http.ResponseWriter, *http.Request) { reached <- struct{}{} })
	const ws = "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + socketKey + "\r\n"
	for name, tt := range map[string]struct{ request, want string }{
		"C04 Connection names Cookie":        {"GET /user/alice/ HTTP/1.1\r\nHost: HOST\r\nConnection: close, Cookie\r\n", "400"},
		"C13 two Authorization headers":      {"GET /user/alice/ HTTP/1.1\r\nHost: HOST\r\nAuthorization: token bob\r\n", "400"},
		"two Sec-Fetch-Mode":                 {"GET /user/alice/ HTTP/1.1\r\nHost: HOST\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Mode: websocket\r\n", "400"},
		"D01 h2c":                            {"GET /user/alice/ HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n", "400"},
		"D02 websocket and h2c":              {"GET /user/alice/ HTTP/1.1\r\nHost: HOST\r\n" + ws + "Upgrade: websocket, h2c\r\n", "400"},
		"D03 POST":                           {"POST /user/alice/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n" + ws + "Upgrade: websocket\r\n", "400"},
		"D03 with a body":                    {"GET /user/alice/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1\r\n" + ws + "Upgrade: websocket\r\n", "400"},
		"D04 a short key":                    {"GET /user/alice/ HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AA==\r\n", "400"},
		"D04 version 12":                     {"GET /user/alice/ HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 12\r\nSec-WebSocket-Key: " + socketKey + "\r\n", "426"},
		"B14 Host with a comma":              {"GET /user/alice/ HTTP/1.1\r\nHost: a,b\r\n", "400"},
		"B14 absurd port":                    {"GET /user/alice/ HTTP/1.1\r\nHost: a:99999\r\n", "400"},
		"B13 no Host":                        {"GET /user/alice/ HTTP/1.1\r\n", "400"},
		"G10 a token of 60 kB":               {"GET /user/alice/ HTTP/1.1\r\nHost: HOST\r\nX: " + strings.Repeat("a", 60_000) + "\r\nX-B: " + strings.Repeat("a", 10_000) + "\r\n", "431"},
		"J06 thousands of headers":           {"GET /user/alice/ HTTP/1.1\r\nHost: HOST\r\n" + strings.Repeat("a:\r\n", 10_000), "431"},
		"B16 unknown minor version":          {"GET /user/alice/ HTTP/1.9\r\nHost: HOST\r\n", "505"},
		"B05 an odd coding":                  {"POST /user/alice/ HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: xchunked\r\n", "501"},
		"a socket's query and form disagree": {"POST /user/alice/ HTTP/1.1\r\nHost: HOST\r\nSec-Fetch-Mode: websocket\r\nContent-Length: 1\r\n", "400"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := r.dial()
			_, _ = io.WriteString(conn, strings.ReplaceAll(tt.request, "HOST", r.addr)+as("alice")+"\r\n\r\nx")
			if got := statusOf(readHead(conn)); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			_ = conn.Close()
			if len(reached) > 0 {
				t.Error("it reached the server")
				<-reached
			}
		})
	}
}

// TestAHeadThatIsTooLargeIsRefused (J05, J06).
func TestAHeadThatIsTooLargeIsRefused(t *testing.T) {
	r := newRig(t)
	for name, head := range map[string]string{
		"J05 one of 1.1 MB":         "X: " + strings.Repeat("a", 1_100_000) + "\r\n",
		"J06 20,000 small ones":     strings.Repeat("X-Small: a\r\n", 20_000),
		"G10 a token of a megabyte": "Authorization: token " + strings.Repeat("a", 1_000_000) + "\r\n",
	} {
		conn := r.dial()
		go func() { _, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n"+head+"\r\n") }()
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || res.StatusCode != 431 {
			t.Errorf("%s: %v %v, want 431", name, res, err)
		}
		_ = conn.Close()
	}
}

// TestASlowHeadIsCutOff (J01), and nothing else is by a time limit.
func TestASlowHeadIsCutOff(t *testing.T) {
	r := newRig(t)
	if limit := r.server.ReadHeaderTimeout; limit <= 0 || limit > time.Minute {
		t.Errorf("heads may take %v", limit)
	}
	if r.server.ReadTimeout != 0 || r.server.WriteTimeout != 0 {
		t.Error("a time limit would end long transfers")
	}
	hasty := r.proxy.Server()
	hasty.ReadHeaderTimeout = 50 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hasty.Close()
	go func() { _ = hasty.Serve(proxy.Listen(l)) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHo")
	if b, err := io.ReadAll(conn); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection stayed open: %q %v", b, err)
	}
}

// TestAnUploadWithoutARightIsRefusedAtOnce (B24, B25, F21): its body is not
// waited for, nor asked for.
func TestAnUploadWithoutARightIsRefusedAtOnce(t *testing.T) {
	r := newRig(t)
	r.userServer(func(http.ResponseWriter, *http.Request) { t.Error("it reached the server") })
	for name, expect := range map[string]string{"B25 a body of 1 GB": "", "B24 with Expect": "Expect: 100-continue\r\n"} {
		conn := r.dial()
		_, _ = io.WriteString(conn, "POST /user/alice/api/contents HTTP/1.1\r\nHost: "+r.addr+"\r\nContent-Length: 1000000000\r\n"+expect+"\r\n")
		if got := statusOf(readHead(conn)); got != "403" {
			t.Errorf("%s: first answer %s, want 403", name, got)
		}
		sent := 0
		for chunk := make([]byte, 16<<10); ; sent += len(chunk) {
			if _, err := conn.Write(chunk); err != nil {
				break
			}
			if sent > 16<<20 {
				t.Errorf("%s: %d bytes of it were taken", name, sent)
				break
			}
		}
	}
}
