package proxy

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/head"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/route"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/target"
)

// ServeHTTP is the way of one request. It must be called by a server that
// [Proxy.Server] made: the gates need its connections.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.RequestURI == healthPath {
		serveHealth(w)
		return
	}
	v := p.begin(w, r)
	defer p.finish(v)
	if err := p.serve(v); err != nil {
		p.fail(v, err)
	}
}

// serve reads, routes, judges and forwards. What it returns is answered by
// fail; nil means that an answer went out.
func (p *Proxy) serve(v *visit) (err error) {
	if err := head.Refuse(v.request.Method, v.request.Proto, v.head); err != nil {
		return err
	}
	if v.target, err = target.Parse(v.request.RequestURI, ""); err != nil {
		return err
	}
	v.query = v.target.RawQuery()
	if v.route, v.consumed, err = p.findRoute(v); err != nil {
		return err
	}
	v.socket = head.WebSocket(v.head)
	toHub := p.leadsToHub(v)
	if v.socket && toHub {
		return errHubSocket // no page of the Hub has one
	}
	v.exchange = p.live.Open(v.request.Context(), v.info())
	if v.route.Ended() && !p.observe { // after it was registered: whoever ended it, cuts it
		v.exchange.Cut(live.ErrServerStopped)
	}
	switch {
	case v.route.Class == route.ClassServer:
		return p.serveServer(v)
	case toHub:
		return p.serveHub(v)
	default:
		v.exchange.Free()
		return p.forward(v, plainAnswer)
	}
}

// serveServer is for user servers: only who may use the server gets through,
// but for what a login needs.
func (p *Proxy) serveServer(v *visit) error {
	if v.route.Server.IsZero() {
		return &denied{authz.Decide(nil, v.route.Server)} // nobody's: nobody may
	}
	v.cookie = head.CookieOf(string(v.route.Server.Owner), string(v.route.Server.Name))
	if err := p.admit(v); err != nil && !(p.observe && errors.Is(err, authz.ErrNoDecision)) {
		return err
	}
	switch {
	case p.observe:
		v.exchange.Free() // decided and counted, and never in the way
	case v.decision.Allow:
	case v.decision.Reason == authz.ReasonNoScope || v.socket:
		return &denied{v.decision}
	default:
		return p.serveLogin(v)
	}
	if v.socket && v.source.IsCookie() && !head.SameOrigin(v.head) {
		return errCrossSite
	}
	v.head, v.query = head.Keep(v.head, v.target.RawQuery(), v.cookie, v.source)
	return p.forward(v, p.serverAnswer)
}

// admit gets a decision and opens the exchange's gate by it, if it allows.
func (p *Proxy) admit(v *visit) error {
	for {
		token, err := p.judge(v)
		if err != nil {
			return err
		}
		if !v.decision.Allow {
			return nil
		}
		if err := p.vouch(v, token); err != nil {
			return err
		}
		v.exchange.Admit(token, &v.decision)
		// Indexed first, checked second: an entry that comes now finds the
		// exchange; one that came before is found here.
		if p.auth.Current(&v.decision) && v.exchange.Release(v.decision) {
			return nil
		}
		if cause := context.Cause(v.exchange.Context()); cause != nil {
			return cause
		}
	}
}

// judge decides about the one credential that the user server would use. One
// that the Hub does not know counts as none, as it does for the server, and
// the next one is looked at; it does not go upstream.
func (p *Proxy) judge(v *visit) (token authz.Token, err error) {
	v.source, v.decision = head.None, authz.Decide(nil, v.route.Server)
	session := head.SessionID(v.head)
	for after := head.None; ; {
		c := head.Next(v.head, v.target.RawQuery(), v.cookie, after)
		if c.Source == head.None {
			return authz.Token{}, nil
		}
		token = authz.NewToken(c.Token)
		v.source = c.Source
		d, err := p.auth.Decide(v.exchange.Context(), authz.Question{
			Token: token, Server: v.route.Server,
			Client: v.account, Session: session, After: v.exchange.After(),
		})
		if err != nil {
			return token, err
		}
		v.decision = d
		if d.Reason != authz.ReasonUnknown {
			return token, nil
		}
		after, v.source = c.Source, head.None
	}
}

// serveLogin lets somebody without a credential through as far as a login
// needs it: the server itself sends him to the Hub. Nothing that looks like
// content gets out (loginAnswer).
func (p *Proxy) serveLogin(v *visit) error {
	v.head, v.query = head.Keep(v.head, v.target.RawQuery(), v.cookie, head.None)
	below := strings.TrimPrefix(v.target.Upstream(v.consumed)+"/", v.prefix())
	switch {
	case head.LoginRequest(v.request.Method, strings.TrimSuffix(below, "/"), v.head):
		v.exchange.Free()
		return p.forward(v, p.serverAnswer)
	case head.Navigation(v.request.Method, v.head):
		v.exchange.Free()
		return p.forward(v, p.loginAnswer)
	default:
		return &denied{v.decision}
	}
}

// serverAnswer is what of a user server's answer goes to the client.
func (p *Proxy) serverAnswer(v *visit, a answer) (head.Head, error) {
	return v.scope(p.hosts).Filter(a.head, v.target.Path()), nil
}

// loginAnswer lets an answer to somebody without a credential pass only if it
// begins a login.
func (p *Proxy) loginAnswer(v *visit, a answer) (head.Head, error) {
	login := head.Login{Prefix: v.prefix(), HubPrefix: p.hubPrefix(), Host: v.request.Host, Hosts: p.hosts}
	if !login.Begins(a.status, a.head, a.hasBody) {
		return nil, &denied{v.decision}
	}
	return p.serverAnswer(v, a)
}

// plainAnswer passes an answer of a route that is not decided.
func plainAnswer(_ *visit, a answer) (head.Head, error) { return a.head, nil }

// findRoute finds the route of a target.
func (p *Proxy) findRoute(v *visit) (*route.Route, int, error) {
	done := p.metrics.finding()
	defer done()
	r, n, err := p.routes.Match(v.request.Host, v.target.Segments())
	if errors.Is(err, route.ErrNone) {
		return nil, 0, errNoRoute
	}
	return r, n, err
}
