package route

import (
	"sync"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// maxVouched bounds the credentials that one life remembers: a course on one
// server has a few hundred people with a few tokens each, and 1,024 take 64 KiB.
// Only who may use the server gets in, so nobody else can fill it.
const maxVouched = 1024

// vouched is the set of credentials that were seen allowed on a route. The zero
// value is empty.
type vouched struct {
	mu   sync.RWMutex
	keys map[authz.Key]struct{}
}

// Vouch remembers that a credential was allowed on the route while the lease
// was young: then the route was known to lead to the owner's server, and that
// server has seen the credential. It lasts as long as the life of the route. Of
// more than 1,024 a random one is forgotten, which costs its holder answers 503
// while the log is away, and nothing else.
//
// It is made for every request: for a credential that is known it costs a look
// into a map and does not allocate.
func (r *Route) Vouch(key authz.Key) {
	v := &r.life.vouched
	if v.has(key) {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.keys == nil {
		v.keys = make(map[authz.Key]struct{})
	}
	if _, known := v.keys[key]; !known && len(v.keys) >= maxVouched {
		for victim := range v.keys { // in random order
			delete(v.keys, victim)
			break
		}
	}
	v.keys[key] = struct{}{}
}

// Vouched reports whether a credential may be sent through the route while it
// is not known what the log says now: whether it was vouched for, or whether
// the Hub has posted the route to this very replica since the log is away.
func (r *Route) Vouched(key authz.Key) bool {
	return r.unshared || r.life.vouched.has(key)
}

func (v *vouched) has(key authz.Key) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	_, known := v.keys[key]
	return known
}
