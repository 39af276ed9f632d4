package proxy

import (
	"context"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/head"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/route"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/target"
)

// visit is one request on its way. It belongs to the goroutine that serves it.
type visit struct {
	request *http.Request
	writer  *recorder
	conn    *live.Conn
	start   time.Time
	peer    head.Peer
	client  string // the visitor's address, as far as it can be believed
	account string // who pays for questions about credentials that nobody knows

	head     head.Head // what goes upstream, as it becomes less
	target   target.Target
	query    string // what of the query goes upstream
	route    *route.Route
	consumed int // segments of the target that chose the route
	socket   bool
	cookie   head.ServerCookie
	source   head.Source // of the credential that was judged
	decision authz.Decision
	exchange *live.Exchange
	whole    atomic.Bool // the request's body has come to its end
	hijacked bool        // the client's connection is ours now
	refused  string      // why the proxy itself answered

	connected atomic.Bool // the upstream may have got some of the request
}

// begin reads what is known before the first rule.
func (p *Proxy) begin(w http.ResponseWriter, r *http.Request) *visit {
	v := &visit{request: r, start: time.Now(), writer: &recorder{ResponseWriter: w, last: unsure(r)}}
	v.conn = connOf(r.Context())
	v.head = readHead(r)
	if addr, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		v.peer.Addr = addr.Addr().Unmap()
	}
	v.peer.Trusted = p.trusts(v.peer.Addr)
	v.peer.TLS = r.TLS != nil
	client := head.Client(v.head, v.peer.Addr, p.trusts)
	v.client, v.account = client.String(), account(client)
	return v
}

// account is the address, or the network of 64 bits of an IPv6 address: whoever
// has one of its addresses has them all.
func account(client netip.Addr) string {
	if client.Is6() {
		return netip.PrefixFrom(client, 64).Masked().String()
	}
	return client.String()
}

// info is what the registry of exchanges knows from the start.
func (v *visit) info() live.Info {
	kind := live.Request
	if v.socket {
		kind = live.Socket
	}
	return live.Info{
		Kind: kind, Server: v.route.Server,
		Client: v.account, Session: head.SessionID(v.head),
	}
}

// prefix is the path of the route as the Hub escapes it, with slashes around.
func (v *visit) prefix() string { return v.target.Prefix(v.consumed) }

// scope is what the user server may touch in the browser.
func (v *visit) scope(ownHost bool) head.Scope {
	return head.Scope{Cookie: v.cookie, Prefix: v.prefix(), Own: ownHost}
}

// uri is the request target that goes upstream: the path that was judged,
// behind the target's own one, and the query that is left.
func (v *visit) uri() string {
	uri := v.target.Upstream(v.consumed)
	if base := v.route.Target.EscapedPath(); base != "" && base != "/" {
		uri = trimSlash(base) + uri
	}
	if v.query != "" || v.target.HasQuery() && v.target.RawQuery() == "" {
		uri += "?" + v.query
	}
	return uri
}

func trimSlash(path string) string {
	for len(path) > 0 && path[len(path)-1] == '/' {
		path = path[:len(path)-1]
	}
	return path
}

// readHead turns what net/http made of the head back into a list. It puts
// back what net/http took out: Host, and the coding of a body.
func readHead(r *http.Request) head.Head {
	h := make(head.Head, 0, len(r.Header)+2)
	h = append(h, head.Field{Name: "Host", Value: r.Host})
	for name, values := range r.Header {
		for _, value := range values {
			h = append(h, head.Field{Name: name, Value: value})
		}
	}
	for _, coding := range r.TransferEncoding {
		h = append(h, head.Field{Name: "Transfer-Encoding", Value: coding})
	}
	return h
}

// connKey finds the client's connection in a request's context.
type connKey struct{}

func connOf(ctx context.Context) *live.Conn {
	c, _ := ctx.Value(connKey{}).(*live.Conn)
	return c
}
