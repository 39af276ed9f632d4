package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestNothingIsReadBehindAnUnsureEnd (B01, B02): net/http takes one of two
// framings and hides the other. A reader in front that took the other one has
// put somebody else's request there.
func TestNothingIsReadBehindAnUnsureEnd(t *testing.T) {
	const second = "GET /user/alice/second HTTP/1.1\r\nHost: h\r\n\r\n"
	for _, tt := range []struct{ name, request string }{
		{"B01 length, then coding", "POST /user/alice/ HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n"},
		{"B01 coding, then length", "POST /user/alice/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n"},
		{"B02 coding in HTTP/1.0", "POST /user/alice/ HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n"},
		{"behind an early answer", "POST /user/alice/early HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n"},
		{"refused", "POST /user/alice/../ HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.userServer(func(w http.ResponseWriter, req *http.Request) {
				if strings.HasSuffix(req.URL.Path, "early") {
					w.WriteHeader(http.StatusEarlyHints)
				}
				_, _ = io.WriteString(w, "ok")
			})
			conn := r.dial()
			_, _ = io.WriteString(conn, tt.request+"Host: h\r\n"+as("alice")+"\r\n\r\n0\r\n\r\n"+second)
			got, err := io.ReadAll(conn)
			if n := strings.Count(string(got), "Content-Type:"); n != 1 || !strings.Contains(string(got), "Connection: close") {
				t.Errorf("%d answers, %v, want one and the end:\n%s", n, err, got)
			}
		})
	}
}
