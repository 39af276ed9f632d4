package proxy

import (
	"fmt"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// errUnvouched is for somebody who may use the server, on a route of which it is
// not known whether it still leads there.
var errUnvouched = fmt.Errorf("%w: the log is away, and the credential was not seen on this route before", authz.ErrNoDecision)

// vouch lets a credential that was allowed through its route. While the log is
// away another replica may have written where the path leads now, to another
// one's server: only a credential that the server behind the route has seen
// already is sent there. What is open goes on, for its connection exists.
// A single process writes its routes itself, and always knows.
func (p *Proxy) vouch(v *visit, token authz.Token) error {
	if !p.replicas || p.observe {
		return nil
	}
	key := token.Key()
	if p.auth.Leased() {
		v.route.Vouch(key)
		return nil
	}
	if !v.route.Vouched(key) {
		return errUnvouched
	}
	return nil
}
