package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"sync"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy/head"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
)

// answer is the head of an upstream's answer.
type answer struct {
	status  int
	head    head.Head
	hasBody bool // a byte of body follows, or may
}

// filter says what of an answer goes to the client. An error is answered
// instead.
type filter func(v *visit, a answer) (head.Head, error)

// forwarding is what the engine needs besides the visit.
type forwarding struct {
	visit  *visit
	filter filter
	err    error // what the engine could not forward
}

// forward sends the request on and its answer back, through the exchange's
// gate. It is the seam to the engine underneath. A nil error means that the
// client has an answer; a broken one ends by aborting the connection.
func (p *Proxy) forward(v *visit, f filter) error {
	return p.forwardWithin(v.exchange.Context(), v, f)
}

// forwardWithin is forward with a life of its own, for calls that go on when
// their client leaves.
func (p *Proxy) forwardWithin(ctx context.Context, v *visit, f filter) error {
	var forged bool
	v.head, forged = head.Forward(v.head, v.peer)
	if forged {
		p.warnForged(v.peer.Addr)
	}
	v.conn.Attach(v.exchange)
	if v.decision.Allow && !v.decision.Interactive {
		v.conn.Narrow()
	}
	if v.socket {
		return p.forwardSocket(ctx, v, f)
	}
	v.writer.inform = func(h head.Head) head.Head {
		h, err := f(v, answer{status: http.StatusEarlyHints, head: h})
		if err != nil {
			return nil
		}
		return head.Answer(h, false)
	}
	fw := &forwarding{visit: v, filter: f}
	ctx = context.WithValue(ctx, forwardKey{}, fw)
	ctx = httptrace.WithClientTrace(ctx, fw.trace())
	out, end := v.outgoing(ctx)
	defer end()
	p.engine.ServeHTTP(v.writer, out)
	return fw.err
}

// forwardKey finds the forwarding in the context of an outgoing request.
type forwardKey struct{}

func forwardingOf(ctx context.Context) *forwarding {
	fw, _ := ctx.Value(forwardKey{}).(*forwarding)
	return fw
}

// trace puts the upstream's connection under the exchange's gate before the
// first byte is written to it.
func (fw *forwarding) trace() *httptrace.ClientTrace {
	var used *live.Conn
	return &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			fw.visit.connected.Store(true)
			if used = gated(info.Conn); used != nil {
				used.Attach(fw.visit.exchange)
			}
		},
		PutIdleConn: func(error) {
			if used != nil {
				used.Detach(fw.visit.exchange)
			}
		},
	}
}

// newEngine returns the forwarder: httputil.ReverseProxy, with everything that
// it would decide itself decided by us.
func (p *Proxy) newEngine() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite:        rewrite,
		Transport:      &p.pools,
		FlushInterval:  -1, // notebooks stream: every byte at once
		BufferPool:     &buffers{},
		ModifyResponse: modifyResponse,
		ErrorHandler: func(_ http.ResponseWriter, r *http.Request, err error) {
			forwardingOf(r.Context()).err = err
		},
		ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
}

// rewrite makes the outgoing request say exactly what was judged.
func rewrite(r *httputil.ProxyRequest) {
	forwardingOf(r.Out.Context()).visit.address(r.Out)
	r.Out.Trailer = nil
}

// address makes a request to the upstream say exactly what was judged, and
// nothing that net/http would add.
func (v *visit) address(out *http.Request) {
	setHeader(out.Header, v.head.Without("Host"))
	if !v.head.Has("User-Agent") {
		out.Header["User-Agent"] = nil // net/http would add its own
	}
	out.Host = v.request.Host
	// Opaque is written to the request line byte for byte.
	out.URL = &url.URL{Scheme: v.route.Target.Scheme, Host: v.route.Target.Host, Opaque: v.uri()}
}

// modifyResponse filters the head of an answer.
func modifyResponse(res *http.Response) error {
	fw := forwardingOf(res.Request.Context())
	a := answer{status: res.StatusCode, head: listHeader(res.Header), hasBody: res.ContentLength != 0}
	h, err := fw.filter(fw.visit, a)
	if err != nil {
		return err
	}
	setHeader(res.Header, head.Answer(h, false))
	return nil
}

// errUpstream is wrapped by the errors of an upstream whose answer is none.
var errUpstream = errors.New("the upstream's answer is not valid HTTP")

// RoundTrip sends a request over the connections of its route. It implements
// [http.RoundTripper].
func (ps *pools) RoundTrip(r *http.Request) (*http.Response, error) {
	fw := forwardingOf(r.Context())
	res, err := ps.of(fw.visit.route).RoundTrip(r)
	if err != nil {
		if cause := context.Cause(r.Context()); cause != nil {
			return nil, cause
		}
		return nil, err
	}
	// A 101 that nobody asked for, and numbers that are no status: passing
	// them on would tunnel, or panic (RFC 9110 section 15).
	if res.StatusCode < 200 || res.StatusCode > 599 {
		_ = res.Body.Close()
		return nil, fmt.Errorf("%w: status %d", errUpstream, res.StatusCode)
	}
	// Trailers are not passed: net/http sets them on its own copy.
	passed := *res
	passed.Trailer = nil
	return &passed, nil
}

// buffers lends the engine its copy buffers.
type buffers struct{ pool sync.Pool }

// bufferSize is also how often the gate is asked during a long body.
const bufferSize = 32 << 10

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, bufferSize)
}

func (b *buffers) Put(p []byte) { b.pool.Put(&p) }
