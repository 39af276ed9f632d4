package ledger_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/ledgertest"
)

func TestReplica(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T, opts ledger.Options) ledger.Ledger {
		return newReplica(t, ledgertest.NewStore().Client(), opts)
	})
}

// newReplica makes a replica with the settings of the tests.
func newReplica(t *testing.T, store ledger.Store, opts ledger.Options) *ledger.Replica {
	t.Helper()
	r, err := ledger.NewReplica(ledger.ReplicaOptions{
		Options: opts, Store: store, Secrets: [][]byte{[]byte("a secret")}, Bound: time.Second,
		Name: "here", Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
