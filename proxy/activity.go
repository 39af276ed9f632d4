package proxy

import (
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy/route"
)

// touch records activity of the visitor on the route: what the Hub's culler
// goes by. Only what an admitted client sends or is answered with success
// counts. Bytes from server to client do not: a server's pings would keep it
// alive for ever. Nor does what passes for a login: strangers would.
func (v *visit) touch() {
	if v.route.Class != route.ClassServer || v.decision.Allow {
		v.route.Touch(time.Now())
	}
}
