package ledger_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/ledgertest"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/redistest"
)

// heartbeat is that of Δ = 1 s.
const heartbeat = 250 * time.Millisecond

// openStore opens a store until the test ends.
func openStore(t *testing.T, url string) *ledger.Redis {
	t.Helper()
	s, err := ledger.OpenRedis(url, heartbeat, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("OpenRedis: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestRedisIsAStore(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	ledgertest.RunStore(t, func(t *testing.T) ledgertest.NewHandle {
		if _, err := server.Do("FLUSHALL"); err != nil {
			t.Fatal(err)
		}
		return func() ledger.Store { return openStore(t, "redis://"+server.Addr) }
	})
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func scripts(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("scripts/*.lua")
	if err != nil || len(names) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	return names
}
