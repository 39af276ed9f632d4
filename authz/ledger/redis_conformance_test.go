package ledger_test

import (
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/ledgertest"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/redistest"
)

// A replica on Redis is a ledger as the one in memory is.
func TestReplicaOnRedisConforms(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	conforms(t, server, "redis://"+server.Addr)
}

func TestReplicaBehindSentinelsConforms(t *testing.T) {
	t.Parallel()
	set := redistest.StartSentinels(t, redistest.Options{})
	conforms(t, set.Data[0], set.URL(""))
}

// Several are members of one log.
func TestReplicasOnRedisAreMembersOfOneLog(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	ledgertest.RunMembersReal(t, func(t *testing.T) ledgertest.New {
		flush(t, server)
		return func(t *testing.T, opts ledger.Options) ledger.Ledger {
			return newReplica(t, openStore(t, "redis://"+server.Addr), opts)
		}
	})
}

func conforms(t *testing.T, server *redistest.Server, url string) {
	ledgertest.RunReal(t, func(t *testing.T, opts ledger.Options) ledger.Ledger {
		flush(t, server)
		return newReplica(t, openStore(t, url), opts)
	})
}
