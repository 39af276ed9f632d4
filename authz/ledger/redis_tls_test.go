package ledger_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/redistest"
)

// trusting opens a store that trusts certificates until the test ends.
func trusting(t *testing.T, url string, c *redistest.Certificates) *ledger.Redis {
	t.Helper()
	s, err := ledger.OpenRedisTrusting(url, heartbeat, slog.New(slog.DiscardHandler), c.Roots)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestRedisByTheNameInItsCertificate(t *testing.T) {
	c := redistest.TLS(t, "localhost")
	server := redistest.Start(t, redistest.Options{TLS: c})
	begin(t, trusting(t, "rediss://"+strings.Replace(server.Addr, "127.0.0.1", "localhost", 1), c))
	expect(t, trusting(t, "rediss://"+server.Addr, c).Examine(t.Context()), want{ledger.Faulty, "certificate is not valid", true})
}

// Sentinels name a primary by its address; its certificate is for the name by
// which the URL calls the Sentinels.
func TestSentinelsNameAServerByItsAddress(t *testing.T) {
	t.Parallel()
	c := redistest.TLS(t, "localhost")
	set := redistest.StartSentinels(t, redistest.Options{TLS: c})
	begin(t, trusting(t, strings.Replace(set.URL(""), "//127.0.0.1", "//localhost", 1), c))
	s := trusting(t, set.URL(""), c)
	if err := turn(s); err == nil {
		t.Error("a certificate for neither name is accepted")
	}
}

func TestAClusterWithTLS(t *testing.T) {
	t.Parallel()
	c := redistest.TLS(t)
	cluster := redistest.StartCluster(t, redistest.Options{TLS: c})
	s := trusting(t, cluster.URL(""), c)
	within(t, 2*time.Second, func() error { return s.Create(t.Context(), ledger.Creation{Incarnation: "inc"}) })
}
