package ledgertest_test

import (
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/ledgertest"
)

func TestStore(t *testing.T) {
	ledgertest.RunStore(t, func(*testing.T) ledgertest.NewHandle {
		s := ledgertest.NewStore()
		s.MaxIntents = 10_000
		return func() ledger.Store { return s.Client() }
	})
}
