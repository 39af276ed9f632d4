package proxy_test

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestARevocationBreaksOffWhatIsBeingRead: the guest must see that it is not
// whole, and get nothing that was sent after the answer (D35, J19).
func TestARevocationBreaksOffWhatIsBeingRead(t *testing.T) {
	for _, tt := range []struct {
		name   string
		length string
		chunk  string
	}{
		{"D35a server-sent events", "", "data: early\n\n"},
		{"D35b a download of known length", "1000000", strings.Repeat("early", 2000)},
		{"a chunked download", "", strings.Repeat("early", 20_000)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			goOn, over := make(chan struct{}), make(chan struct{})
			r.userServer(func(w http.ResponseWriter, req *http.Request) {
				defer close(over)
				if tt.length != "" {
					w.Header().Set("Content-Length", tt.length)
				}
				_, _ = io.WriteString(w, tt.chunk)
				_ = http.NewResponseController(w).Flush()
				<-goOn
				for req.Context().Err() == nil {
					if _, err := io.WriteString(w, "late"); err != nil {
						return
					}
					_ = http.NewResponseController(w).Flush()
				}
			})
			res := r.do("GET", "/user/alice/files/big", as("bob"))
			if _, err := io.ReadFull(res.Body, make([]byte, len(tt.chunk))); err != nil {
				t.Fatalf("reading what came before: %v", err)
			}
			r.hub.does(unshare, http.StatusNoContent)
			r.do("PATCH", "/hub/api/shares/alice/")
			close(goOn)
			rest, err := io.ReadAll(res.Body)
			if strings.Contains(string(rest), "late") {
				t.Errorf("%d bytes passed after the answer", len(rest))
			}
			if err == nil || errors.Is(err, io.EOF) {
				t.Errorf("reading ended with %v: it looks whole", err)
			}
			await(t, over, "the server is told that nobody reads")
		})
	}
}

// TestARevocationEndsAnUpload: the guest reads a 403, and no byte reaches the
// server after the answer.
func TestARevocationEndsAnUpload(t *testing.T) {
	for name, framing := range map[string]string{
		"known length": "Content-Length: 1000000\r\n\r\n",
		"chunked":      "Transfer-Encoding: chunked\r\n\r\n5\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			begun, all := make(chan struct{}), make(chan string, 1)
			r.userServer(func(_ http.ResponseWriter, req *http.Request) {
				first := make([]byte, 5)
				_, _ = io.ReadFull(req.Body, first)
				close(begun)
				rest, _ := io.ReadAll(req.Body)
				all <- string(first) + string(rest)
			})
			conn := r.dial()
			_, _ = io.WriteString(conn, "POST /user/alice/api/contents HTTP/1.1\r\nHost: "+r.addr+"\r\n"+as("bob")+"\r\n"+framing+"early")
			await(t, begun, "the upload reaches the server")
			r.hub.does(unshare, http.StatusNoContent)
			r.do("PATCH", "/hub/api/shares/alice/")
			_, _ = io.WriteString(conn, "\r\n4\r\nlate\r\n0\r\n\r\n")
			if got := await(t, all, "the server's request ends"); got != "early" {
				t.Errorf("the server got %q, want %q", got, "early")
			}
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil || res.StatusCode != 403 {
				t.Errorf("the guest got %v, %v; want a 403", res, err)
			}
		})
	}
}

// TestASlowReaderGetsNothingMore: what the kernel holds for somebody who does
// not read is thrown away by the cut.
func TestASlowReaderGetsNothingMore(t *testing.T) {
	r := newRig(t)
	full := make(chan struct{})
	r.userServer(func(w http.ResponseWriter, req *http.Request) {
		defer close(full)
		for {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return // nobody reads on: everything between is full
			}
		}
	})
	conn := r.dial()
	_, _ = io.WriteString(conn, "GET /user/alice/files/big HTTP/1.1\r\nHost: "+r.addr+"\r\n"+as("bob")+"\r\n\r\n")
	await(t, full, "everything between server and client is full")
	r.hub.does(unshare, http.StatusNoContent)
	r.do("PATCH", "/hub/api/shares/alice/")
	_, err := io.Copy(io.Discard, conn)
	if err == nil {
		t.Error("the answer ended without an error: it looks whole")
	}
}
