package ledger_test

import (
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/ledgertest"
)

func TestMemory(t *testing.T) {
	ledgertest.Run(t, func(_ *testing.T, clock authz.Clock, apply ledger.Apply) ledger.Ledger {
		return ledger.NewMemory(clock, apply)
	})
}
