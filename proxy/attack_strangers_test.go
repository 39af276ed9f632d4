package proxy_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestStrangersKeepNoServerAlive: what passes for a login is no activity, or
// anybody could keep every server from being culled.
func TestStrangersKeepNoServerAlive(t *testing.T) {
	for _, tt := range []struct {
		name, method, body string
		fields             []string
		want               bool
	}{
		{"a preflight", "OPTIONS", "", []string{"Origin: http://evil", "Access-Control-Request-Method: PUT"}, false},
		{"the end of a login", "GET", "", []string{navigate}, false},
		{"a body with it", "GET", "x", []string{navigate}, false},
		{"the owner", "GET", "", []string{as("alice")}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			reached := make(chan struct{}, 1)
			route := r.userServer(func(w http.ResponseWriter, _ *http.Request) {
				reached <- struct{}{}
				w.WriteHeader(http.StatusNoContent)
			})
			before := route.LastActivity()
			for !time.Now().Truncate(time.Millisecond).After(before) {
			}
			res := r.send(tt.method, "/user/alice/oauth_callback", strings.NewReader(tt.body), tt.fields...)
			if res.StatusCode != http.StatusNoContent {
				t.Fatalf("status %d: the request did not pass", res.StatusCode)
			}
			<-reached
			r.log.waitFor(t, `"msg":"request"`)
			if got := route.LastActivity().After(before); got != tt.want {
				t.Errorf("activity recorded: %v, want %v", got, tt.want)
			}
		})
	}
}

// TestALongMethodDoesNotFillTheLog: strangers may send a head's length of it.
func TestALongMethodDoesNotFillTheLog(t *testing.T) {
	r := newRig(t)
	if got := r.status(strings.Repeat("M", 10_000), "/user/alice/"); got != http.StatusNotImplemented {
		t.Errorf("status %d, want 501", got)
	}
	r.log.waitFor(t, `"msg":"request"`)
	if strings.Contains(r.log.String(), strings.Repeat("M", 100)) {
		t.Error("the whole method is in the log")
	}
}

// TestAnEarlyAnswerHasNoFieldsOfItsHop: they are between the server and us
// (RFC 9110 section 7.6.1).
func TestAnEarlyAnswerHasNoFieldsOfItsHop(t *testing.T) {
	r := newRig(t)
	r.userServer(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 1\r\n"+
			"Proxy-Authenticate: Basic\r\nLink: </style.css>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
	})
	conn := r.dial()
	_, _ = io.WriteString(conn, "GET /user/alice/ HTTP/1.1\r\nHost: "+r.addr+"\r\n"+as("bob")+"\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusEarlyHints || len(res.Header) != 1 || res.Header.Get("Link") == "" {
		t.Errorf("got %d %v, want 103 with Link alone", res.StatusCode, res.Header)
	}
}
