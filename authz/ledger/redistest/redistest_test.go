package redistest_test

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/redistest"
)

func TestServer(t *testing.T) {
	s := redistest.Start(t, redistest.Options{Password: "secret"})
	if _, err := s.Do("SET", "key", "value"); err != nil {
		t.Fatal(err)
	}
	redistest.Must(t, s.Pause())
	if _, err := s.Do("GET", "key"); err == nil {
		t.Error("a stopped server answered")
	}
	redistest.Must(t, s.Resume())
	if got, err := s.Do("GET", "key"); err != nil || got != "value" {
		t.Errorf("after it was continued the server says %v, %v; want value", got, err)
	}
	redistest.Must(t, s.Kill())
	redistest.Must(t, s.Start())
	if got, err := s.Do("GET", "key"); err != nil || got != nil {
		t.Errorf("after it was restarted the server says %v, %v; want nothing", got, err)
	}
}

func TestServerWithTLS(t *testing.T) {
	s := redistest.Start(t, redistest.Options{TLS: redistest.TLS(t)})
	if got, err := s.Do("PING"); err != nil || got != "PONG" {
		t.Errorf("PING = %v, %v", got, err)
	}
}

func TestSentinelsFailOver(t *testing.T) {
	s := redistest.StartSentinels(t, redistest.Options{})
	old, err := s.Primary()
	if err != nil || old != s.Data[0] {
		t.Fatalf("the primary is %v, %v; want the first node", old, err)
	}
	redistest.Must(t, old.Kill())
	if _, err := s.AwaitFailover(old); err != nil {
		t.Fatal(err)
	}
}

func TestClusterFailsOver(t *testing.T) {
	c := redistest.StartCluster(t, redistest.Options{})
	old, err := c.Primary()
	if err != nil || old != c.Nodes[0] {
		t.Fatalf("the primary is %v, %v; want the first node", old, err)
	}
	if _, err := old.Do("SET", "{share-proxy}key", "value"); err != nil {
		t.Fatalf("the first node does not hold the slot: %v", err)
	}
	redistest.Must(t, old.Kill())
	if _, err := c.AwaitFailover(old); err != nil {
		t.Fatal(err)
	}
}

// echo accepts connections and returns what it reads.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	return l.Addr().String()
}

// say sends a byte and waits for it to come back.
func say(c net.Conn, patience time.Duration) error {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := c.Write([]byte("x")); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

func TestProxy(t *testing.T) {
	p := redistest.Between(t, echo(t))
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := say(c, time.Second); err != nil {
		t.Fatalf("without a fault: %v", err)
	}
	for name, fault := range map[string]func(){
		"both": p.BlackHole, "requests": p.BlackHoleRequests, "answers": p.BlackHoleAnswers,
	} {
		fault()
		var timeout net.Error
		if err := say(c, 50*time.Millisecond); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("black hole for %s: %v, want a time-out", name, err)
		}
		p.Pass()
		_ = c.SetDeadline(time.Now().Add(time.Second))
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Errorf("the byte that met a black hole for %s did not come after it: %v", name, err)
		}
	}
	p.Delay(30 * time.Millisecond)
	begin := time.Now()
	if err := say(c, time.Second); err != nil || time.Since(begin) < 60*time.Millisecond {
		t.Errorf("with a delay of 30 ms each way: %v after %v", err, time.Since(begin))
	}
	p.Pass()
	p.Forget()
	if err := say(c, 50*time.Millisecond); err == nil {
		t.Error("a forgotten connection goes on")
	}
	if c, err = net.Dial("tcp", p.Addr()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := say(c, time.Second); err != nil {
		t.Errorf("a connection that is younger than Forget: %v", err)
	}
	p.Refuse()
	if err := say(c, time.Second); err == nil {
		t.Error("a cut connection goes on")
	}
}
