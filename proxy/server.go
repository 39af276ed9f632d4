package proxy

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
)

// Time-outs of the public listener. Heads are short: who takes longer than
// headTime holds a connection for nothing (J01: slow heads). Bodies and
// sockets have none: uploads take hours and idle notebooks days.
const (
	headTime  = 30 * time.Second
	aliveTime = 75 * time.Second // longer than the 60 s of usual load balancers
)

// maxRequestHead bounds a request's head: single sign-on makes cookies of 16 KiB and
// more (CHP's limit, which users ran into).
const maxRequestHead = 64 << 10

// Server returns the server of the public listeners, which must be wrapped by
// [Listen].
func (p *Proxy) Server() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true) // CHP has no HTTP/2, and the gates follow HTTP/1.1
	return &http.Server{
		Handler:           p,
		Protocols:         protocols,
		ReadHeaderTimeout: headTime,
		IdleTimeout:       aliveTime,
		MaxHeaderBytes:    maxRequestHead,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, gated(c))
		},
		ConnState: func(c net.Conn, state http.ConnState) {
			// The answer has left net/http only now: the exchange is over.
			if state == http.StateIdle || state == http.StateClosed {
				endExchange(gated(c))
			}
		},
	}
}

func endExchange(c *live.Conn) {
	if c == nil {
		return
	}
	if x := c.Exchange(); x != nil {
		c.Detach(x)
		x.End()
	}
}

// Listen puts gates on the connections of a listener.
func Listen(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

// Accept implements [net.Listener].
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return live.NewConn(c), nil
}

// Drain tells the open sockets to come back elsewhere, spread over the time
// until ctx ends so that they do not come back all at once, and returns when
// nothing is open or ctx has ended. Nothing new begins.
func (p *Proxy) Drain(ctx context.Context) error {
	p.live.Close(live.ErrShutdown)
	var sockets []*live.Exchange
	for _, x := range p.live.All() {
		if x.Kind == live.Socket {
			sockets = append(sockets, x)
		}
	}
	cutSpread(ctx, sockets)
	err := p.live.Wait(ctx)
	if len(sockets) > 0 {
		<-time.After(goodbyeLimit) // the last goodbyes are under way
	}
	return err
}

// goodbyeLimit is the longest time from the cut of a socket to its close: two
// frames of ours, and the client's answer.
const goodbyeLimit = 2*asideLimit + closeLimit

// cutSpread cuts the sockets one after the other, in four fifths of the time:
// the rest is for the clients to come back elsewhere before the end. When ctx
// ends, those that are left are cut at once.
func cutSpread(ctx context.Context, sockets []*live.Exchange) {
	pause := time.Duration(0)
	if end, ok := ctx.Deadline(); ok && len(sockets) > 1 {
		pause = time.Until(end) * 4 / 5 / time.Duration(len(sockets)-1)
	}
	for i, x := range sockets {
		if i > 0 && pause > 0 {
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
			timer.Stop()
		}
		x.Cut(live.ErrShutdown)
	}
}
