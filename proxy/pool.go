package proxy

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/route"
)

// pools holds the connections to upstreams, apart for every route's lifetime:
// two servers never share a connection, even at one address, and a server that
// takes over the address of another one finds none left.
type pools struct {
	dialer net.Dialer

	mu     sync.Mutex // guards the field below
	byLife map[any]*http.Transport
}

// Limits of connections to one upstream: a Lab page opens some thirty
// requests at once; idle ones go before a Jupyter server's own hour ends.
const (
	dialLimit    = 10 * time.Second
	idlePerRoute = 32
	idleTime     = 90 * time.Second
	headLimit    = 256 << 10 // bytes of an answer's head
)

func newPools() pools {
	return pools{dialer: net.Dialer{Timeout: dialLimit, KeepAlive: 30 * time.Second}, byLife: make(map[any]*http.Transport)}
}

// of returns the connections of a route.
func (ps *pools) of(r *route.Route) *http.Transport {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if t := ps.byLife[r.Life()]; t != nil {
		return t
	}
	t := &http.Transport{
		DialContext:            ps.dial,
		Proxy:                  nil, // HTTP_PROXY is not for user servers
		DisableCompression:     true,
		MaxIdleConns:           idlePerRoute,
		MaxIdleConnsPerHost:    idlePerRoute,
		IdleConnTimeout:        idleTime,
		MaxResponseHeaderBytes: headLimit,
		ExpectContinueTimeout:  time.Second,
		TLSHandshakeTimeout:    dialLimit,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if r.Ended() {
		t.DisableKeepAlives = true // a late request keeps nothing behind
		return t
	}
	ps.byLife[r.Life()] = t
	return t
}

// drop closes what a route that has ended left behind.
func (ps *pools) drop(r *route.Route) {
	ps.mu.Lock()
	t := ps.byLife[r.Life()]
	delete(ps.byLife, r.Life())
	ps.mu.Unlock()
	if t != nil {
		t.CloseIdleConnections()
	}
}

// close closes all idle connections.
func (ps *pools) close() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for life, t := range ps.byLife {
		t.CloseIdleConnections()
		delete(ps.byLife, life)
	}
}

// dial connects to an upstream, with a gate on the connection.
func (ps *pools) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := ps.dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return live.NewConn(c), nil
}

// hostPort is the address of a target.
func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	if u.Scheme == "https" {
		return net.JoinHostPort(u.Hostname(), "443")
	}
	return net.JoinHostPort(u.Hostname(), "80")
}

// gated returns the connection with the gate, beneath TLS where there is TLS.
func gated(c net.Conn) *live.Conn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	g, _ := c.(*live.Conn)
	return g
}
