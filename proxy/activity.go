package proxy

import "time"

// touch records activity of the visitor on the route: what the Hub's culler
// goes by. Only what an admitted client sends or is answered with success
// counts. Bytes from server to client do not: a server's pings would keep it
// alive for ever.
func (v *visit) touch() { v.route.Touch(time.Now()) }
