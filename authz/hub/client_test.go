package hub_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/hub"
)

var _ authz.Asker = (*hub.Client)(nil)

const secret = "5ec2e7f00ddeadbeef5ec2e7f00dde"

// serve starts a Hub of one handler under a base path that needs escaping.
func serve(t *testing.T, handler http.HandlerFunc) (address string) {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	return srv.URL + "/@/space%20word/hub/api"
}

func client(t *testing.T, address string) *hub.Client {
	t.Helper()
	c, err := hub.New(hub.Options{URL: hub.Fixed(address)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// answering is a Hub that always says the same.
func answering(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// noSecret fails if err shows the token in any spelling.
func noSecret(t *testing.T, err error) {
	t.Helper()
	for _, spelling := range []string{secret, hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(secret))} {
		if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), spelling) {
			t.Errorf("the error shows the token: %v", err)
		}
	}
}

func TestTheHubIsAskedWithTheTokenAndNothingElse(t *testing.T) {
	asked := make(chan *http.Request, 1)
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		answering(200, `{"kind":"user","name":"bob","scopes":[]}`)(w, r)
	})
	if _, err := client(t, address).Ask(t.Context(), authz.NewToken(secret)); err != nil {
		t.Fatal(err)
	}
	r := <-asked
	if got, want := r.Method+" "+r.RequestURI, "GET /@/space%20word/hub/api/user"; got != want {
		t.Errorf("asked %q, want %q", got, want)
	}
	want := http.Header{
		"Accept": {"application/json"}, "Authorization": {"token " + secret}, "User-Agent": {"share-proxy"},
	}
	if !reflect.DeepEqual(r.Header, want) {
		t.Errorf("head of the question %v, want %v", r.Header, want)
	}
}

func TestAHugeAnswerIsNotReadToItsEnd(t *testing.T) {
	const huge = 1 << 30
	sent := make(chan int, 1)
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"kind":"user","name":"bob","scopes":["`)
		n, chunk := 0, []byte(strings.Repeat("a", 64<<10))
		for n < huge {
			m, err := w.Write(chunk)
			n += m
			if err != nil {
				break
			}
		}
		sent <- n
	})
	got, err := client(t, address).Ask(t.Context(), authz.NewToken(secret))
	if err == nil {
		t.Fatalf("answer %#v of 1 GB, want an error", got)
	}
	// What the kernel's buffers hold goes out too, on loopback up to some MB.
	if n := <-sent; n > 32<<20 {
		t.Errorf("%d bytes were taken of an answer that may have 1 MiB", n)
	}
}

func TestAHugeHeadIsAnError(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("a", 1<<20))
		answering(200, `{"kind":"user","name":"bob","scopes":[]}`)(w, r)
	})
	if got, err := client(t, address).Ask(t.Context(), authz.NewToken(secret)); err == nil {
		t.Errorf("answer %#v with a head of 1 MiB, want an error", got)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	var elsewhere atomic.Int32
	other := serve(t, func(w http.ResponseWriter, r *http.Request) {
		elsewhere.Add(1)
		answering(200, `{"kind":"user","name":"bob","scopes":["access:servers"]}`)(w, r)
	})
	for _, status := range []int{301, 302, 303, 307, 308} {
		address := serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other, status)
		})
		_, err := client(t, address).Ask(t.Context(), authz.NewToken(secret))
		if err == nil {
			t.Errorf("%d: no error", status)
		}
		noSecret(t, err)
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d questions reached the target of a redirect, want none", n)
	}
}

// viaProxy counts what comes to the proxy that the environment names.
var viaProxy atomic.Int32

// TestMain names a proxy in the environment, which is read only once.
func TestMain(m *testing.M) {
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { viaProxy.Add(1) }))
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"} {
		if err := os.Setenv(name, proxy.URL); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

func TestTheProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	// A name, because no environment sends loopback addresses to a proxy.
	_, err := client(t, "http://hub.invalid/hub/api").Ask(t.Context(), authz.NewToken(secret))
	if err == nil {
		t.Error("hub.invalid answered")
	}
	noSecret(t, err)
	if viaProxy.Load() != 0 {
		t.Error("the question went to the proxy of the environment")
	}
}

func TestAHubThatIsNotThereIsAnError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + l.Addr().String() + "/hub/api"
	_ = l.Close()
	got, err := client(t, address).Ask(t.Context(), authz.NewToken(secret))
	if err == nil || !reflect.DeepEqual(got, authz.Answer{}) {
		t.Errorf("answer %#v, %v; want an error", got, err)
	}
	noSecret(t, err)
}

func TestAConnectionBrokenOffIsAnError(t *testing.T) {
	for name, cut := range map[string]int{"before the head": 0, "within the head": 20, "within the body": 90} {
		t.Run(name, func(t *testing.T) {
			address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				whole := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n" +
					`{"kind":"user","name":"bob","scopes":[]}`
				_, _ = io.WriteString(conn, whole[:cut])
				_ = conn.Close()
			})
			if got, err := client(t, address).Ask(t.Context(), authz.NewToken(secret)); err == nil {
				t.Errorf("answer %#v, want an error", got)
			}
		})
	}
}

func TestASlowHubEndsWithTheContext(t *testing.T) {
	asked, gone := make(chan struct{}), make(chan struct{})
	address := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
		close(gone)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	_, err := client(t, address).Ask(ctx, authz.NewToken(secret))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	noSecret(t, err)
	<-gone // the connection is given up, too
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	const at = 32
	var opened atomic.Int32
	var together sync.WaitGroup
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		together.Done()
		together.Wait() // all are under way at once
		answering(200, `{"kind":"user","name":"bob","scopes":[]}`)(w, r)
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	c := client(t, srv.URL)
	for range 4 {
		together.Add(at)
		var asks sync.WaitGroup
		for range at {
			asks.Go(func() {
				if _, err := c.Ask(t.Context(), authz.NewToken(secret)); err != nil {
					t.Error(err)
				}
			})
		}
		asks.Wait()
	}
	// A connection goes back a moment after its answer was read, so a few more
	// than 32 are opened; without keeping 64 it would be 128.
	if n := opened.Load(); n > 2*at {
		t.Errorf("%d connections for 4 rounds of %d questions", n, at)
	}
}
