package ledger_test

import (
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/ledgertest"
)

func TestMemory(t *testing.T) {
	ledgertest.Run(t, func(_ *testing.T, opts ledger.Options) ledger.Ledger {
		return ledger.NewMemory(opts)
	})
}
