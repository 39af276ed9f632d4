package redistest

import (
	"os"
	"os/exec"
	"testing"
)

// Need skips the test where redis-server is not installed. It fails it instead
// if CI_REQUIRE_REDIS is set: a test that is skipped proves nothing.
func Need(t testing.TB) {
	t.Helper()
	for _, name := range []string{"redis-server", "redis-sentinel"} {
		if _, err := exec.LookPath(name); err == nil {
			continue
		}
		if os.Getenv("CI_REQUIRE_REDIS") != "" {
			t.Fatalf("%s is not installed, and CI_REQUIRE_REDIS is set", name)
		}
		t.Skipf("needs %s (Debian: apt-get install redis-server redis-sentinel)", name)
	}
}

// Start runs a server until the test ends.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	Need(t)
	s, err := Run("", o)
	if err != nil {
		t.Fatalf("start redis-server: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// StartSentinels runs a primary, two replicas and three Sentinels until the
// test ends.
func StartSentinels(t testing.TB, o Options) *Sentinels {
	t.Helper()
	Need(t)
	s, err := RunSentinels("", o)
	if err != nil {
		t.Fatalf("start Sentinels: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// StartCluster runs a cluster until the test ends.
func StartCluster(t testing.TB, o Options) *Cluster {
	t.Helper()
	Need(t)
	c, err := RunCluster("", o)
	if err != nil {
		t.Fatalf("start a cluster: %v", err)
	}
	t.Cleanup(c.Close)
	return c
}

// Between puts a proxy before an address until the test ends.
func Between(t testing.TB, target string) *Proxy {
	t.Helper()
	p, err := Listen(target)
	if err != nil {
		t.Fatalf("start a proxy: %v", err)
	}
	t.Cleanup(p.Close)
	return p
}

// TLS makes certificates for names, or 127.0.0.1, in a folder of the test.
func TLS(t testing.TB, names ...string) *Certificates {
	t.Helper()
	c, err := NewCertificates(t.TempDir(), names...)
	if err != nil {
		t.Fatalf("make certificates: %v", err)
	}
	return c
}

// Must fails the test on an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
