package proxy_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
)

// TestASocketOfAServerThatStoppedIsTold: the Hub deletes the route first.
func TestASocketOfAServerThatStoppedIsTold(t *testing.T) {
	r := newRig(t)
	k := newKernel(t)
	r.userServer(k.ServeHTTP)
	bob, bobs := r.meet(k, "bob", as("bob"))
	alice, alices := r.meet(k, "alice", as("alice"))
	r.remove("/user/alice")
	bob.say("late")
	for name, s := range map[string]*socket{"bob": bob, "alice": alice} {
		if got := s.rest(); !slices.Equal(got, []string{"close 1001 The server has stopped."}) {
			t.Errorf("%s heard %q", name, got)
		}
	}
	if got := slices.Concat(bobs.rest(t), alices.rest(t)); len(got) > 0 {
		t.Errorf("%q passed after the route was gone", got)
	}
}

// TestARouteThatEndedKeepsNoConnection: whoever gets the address next must not
// get one that alice's requests were sent on (H14).
func TestARouteThatEndedKeepsNoConnection(t *testing.T) {
	r := newRig(t)
	srv := newAddress(t)
	r.route("/user/alice", srv.URL, aliceData)
	for range 3 {
		r.status("GET", "/user/alice/api", as("alice"))
	}
	alices := srv.used()
	if len(alices) != 1 {
		t.Errorf("alice's three requests used %d connections, want one", len(alices))
	}
	r.remove("/user/alice")
	for range alices {
		await(t, srv.closed, "the ended route's connections close")
	}
	r.hub.set("bob", "bob", "s-bob", "access:servers!server=bob/")
	r.route("/user/bob", srv.URL, bobData)
	if got := r.status("GET", "/user/bob/api", as("bob")); got != 200 {
		t.Fatalf("bob's request: %d", got)
	}
	for _, c := range srv.used()[len(alices):] {
		if slices.Contains(alices, c) {
			t.Errorf("bob's request came on alice's connection %s", c)
		}
	}
	if got := r.status("GET", "/user/alice/api", as("alice")); got == 200 {
		t.Error("alice's request was served by an address that is bob's")
	}
}

// TestTwoServersAtOneAddressShareNoConnection (K05).
func TestTwoServersAtOneAddressShareNoConnection(t *testing.T) {
	r := newRig(t)
	srv := newAddress(t)
	r.route("/user/alice", srv.URL, aliceData)
	r.route("/user/bob", srv.URL, bobData)
	r.hub.set("bob", "bob", "s-bob", "access:servers!server=bob/")
	for range 3 {
		r.status("GET", "/user/alice/api", as("alice"))
		r.status("GET", "/user/bob/api", as("bob"))
	}
	if used := srv.used(); len(used) != 2 {
		t.Errorf("six requests for two servers used %d connections, want two", len(used))
	}
	for conn, users := range srv.served {
		if len(users) != 1 {
			t.Errorf("connection %s served %v", conn, users)
		}
	}
}

// TestAnUpstreamThatIsDownIsAServiceUnavailable, and says so on its error page.
func TestAnUpstreamThatIsDownIsAServiceUnavailable(t *testing.T) {
	r := newRig(t)
	r.route("/user/alice", "http://127.0.0.1:1", aliceData)
	res := r.do("GET", "/user/alice/api", as("alice"))
	if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v, want a 503 with Retry-After that is not stored", res.StatusCode, res.Header)
	}
	if _, res := r.handshake("/user/alice/api/kernels/1/channels", as("alice")); res.StatusCode != 503 {
		t.Errorf("a socket: %d, want 503", res.StatusCode)
	}
}

const (
	aliceData = `"user":"alice","server_name":""`
	bobData   = `"user":"bob","server_name":""`
)

// remove takes a route out, as the Hub does.
func (r *rig) remove(path string) {
	r.t.Helper()
	if ok, err := r.table.Remove(r.t.Context(), path); !ok || err != nil {
		r.t.Fatalf("removing %s: %v, %v", path, ok, err)
	}
}

// address is a server that notes on which connection each request came.
type address struct {
	*httptest.Server
	closed chan string

	mu     sync.Mutex
	order  []string
	served map[string][]string // whose paths, by connection
}

func newAddress(t *testing.T) *address {
	a := &address{closed: make(chan string, 100), served: make(map[string][]string)}
	a.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		users, known := a.served[r.RemoteAddr]
		if !known {
			a.order = append(a.order, r.RemoteAddr)
		}
		if !slices.Contains(users, r.URL.Path) {
			a.served[r.RemoteAddr] = append(users, r.URL.Path)
		}
		_, _ = io.WriteString(w, r.RemoteAddr)
	}))
	a.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			a.closed <- c.RemoteAddr().String()
		}
	}
	a.Start()
	t.Cleanup(a.Close)
	return a
}

// used returns the connections on which requests came, in order.
func (a *address) used() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.order)
}
