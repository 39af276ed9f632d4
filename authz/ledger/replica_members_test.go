package ledger_test

import (
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/ledgertest"
)

func TestReplicasAreMembersOfOneLog(t *testing.T) {
	ledgertest.RunMembers(t, func(*testing.T) ledgertest.New {
		store := ledgertest.NewStore()
		return func(t *testing.T, opts ledger.Options) ledger.Ledger {
			return newReplica(t, store.Client(), opts)
		}
	})
}
