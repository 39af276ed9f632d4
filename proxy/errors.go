package proxy

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/head"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/page"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/route"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/target"
)

var (
	errNoRoute   = errors.New("no route")
	errHubSocket = errors.New("the hub has no websockets")
	errCrossSite = errors.New("websocket from another origin")
	errSocketTLS = errors.New("websockets to https targets are not supported in this version")
)

// denied is the error of a request that a decision keeps out.
type denied struct{ decision authz.Decision }

func (d *denied) Error() string { return d.decision.Reason.String() }

// reaction is how an error is answered. title and text are for people, reason
// for programs and metrics: a closed set.
type reaction struct {
	status int
	reason string
	title  string
	text   string
}

// reactions to errors that are what they are, whoever asks.
var reactions = []struct {
	err error
	reaction
}{
	{errCrossSite, reaction{http.StatusForbidden, "cross_site", "Forbidden", "A WebSocket with a cookie must come from a page of this host."}},
	{errHubSocket, reaction{http.StatusBadRequest, "malformed", "Bad request", "The hub has no WebSockets."}},
	{target.ErrTooLong, reaction{http.StatusRequestURITooLong, "malformed", "Address too long", "The address is too long."}},
	{target.ErrAmbiguous, reaction{http.StatusBadRequest, "malformed", "Bad request", "The address is ambiguous."}},
	{route.ErrSlash, reaction{http.StatusBadRequest, "malformed", "Bad request", "The address has an escaped slash in the server's name."}},
	{errNoRoute, reaction{http.StatusNotFound, "no_route", "Not found", "Nothing is served here."}},
	{errUpstream, reaction{http.StatusBadGateway, "upstream", "Bad gateway", "The server's answer is not valid."}},
	{live.ErrShutdown, reaction{http.StatusServiceUnavailable, "shutdown", "Restarting", "The proxy restarts."}},
	{live.ErrServerStopped, reaction{http.StatusServiceUnavailable, "server_stopped", "Server stopped", "The server has stopped."}},
	{live.ErrHoldLimit, reaction{http.StatusServiceUnavailable, "no_decision", "Please wait", "The hub cannot be asked right now."}},
	{errUnvouched, reaction{http.StatusServiceUnavailable, "no_decision", "Please wait", "It cannot be checked right now where this server is."}},
	{authz.ErrNoDecision, reaction{http.StatusServiceUnavailable, "no_decision", "Please wait", "The hub cannot be asked right now."}},
}

// unreachable is what remains: the upstream cannot be reached, or broke off.
// CHP answers 503 too.
var unreachable = reaction{http.StatusServiceUnavailable, "upstream", "Service unavailable", "The server does not answer."}

// statusClientGone is what logs and metrics say of a client that left before
// its answer; nobody sees it.
const statusClientGone = 499

// fail answers a request with an error of the proxy's own. Nothing of it was
// answered before.
func (p *Proxy) fail(v *visit, err error) {
	if v.exchange != nil && v.exchange.Cause() != nil {
		err = v.exchange.Cause() // whatever broke, broke because of it
	}
	v.lastWord()
	if refusal, ok := errors.AsType[*head.Refusal](err); ok {
		for _, f := range refusal.Fields {
			v.writer.Header().Add(f.Name, f.Value)
		}
		p.answer(v, reaction{refusal.Status, "malformed", "Bad request", refusal.Reason})
		return
	}
	if d, ok := errors.AsType[*denied](err); ok {
		p.answerDenied(v, d.decision)
		return
	}
	if errors.Is(err, live.ErrRevoked) || errors.Is(err, live.ErrSignedOut) {
		v.decision.Allow, v.decision.Reason = false, authz.ReasonNoScope
		if errors.Is(err, live.ErrSignedOut) {
			v.decision.Reason = authz.ReasonUnknown
		}
		p.answerDenied(v, v.decision)
		return
	}
	for _, r := range reactions {
		if errors.Is(err, r.err) {
			p.answer(v, r.reaction)
			return
		}
	}
	if errors.Is(err, context.Canceled) || v.request.Context().Err() != nil {
		v.writer.status, v.refused = statusClientGone, "client_gone"
		panic(http.ErrAbortHandler) // nobody is there to read an answer
	}
	p.log.WarnContext(v.request.Context(), "upstream failed", "error", err)
	p.answer(v, unreachable)
}

// lingerLimit is how long a client may go on sending a body that was refused,
// so that it reads the answer instead of a reset.
const lingerLimit = time.Second

// lastWord prepares an answer of our own: it passes no gate, and does not wait
// for a body that nobody wants.
func (v *visit) lastWord() {
	if v.exchange != nil {
		v.conn.Detach(v.exchange)
	}
	if v.request.ContentLength == 0 {
		return
	}
	v.writer.fullDuplex()
	v.writer.Header().Set("Connection", "close")
	_ = v.conn.SetReadDeadline(time.Now().Add(lingerLimit))
}

// answerDenied is the 403: a page for people who navigate, JSON for programs.
func (p *Proxy) answerDenied(v *visit, d authz.Decision) {
	v.refused = d.Reason.String()
	view := page.Denied{Server: d.Server, Reason: d.Reason, Relation: d.Relation}
	if d.Answer != nil {
		view.SignedInAs = d.Answer.Name
	}
	if prefix := p.hubPrefix(); prefix != "" {
		view.HubURL, view.LogoutURL = prefix+"home", prefix+"logout"
	}
	if head.Navigation(v.request.Method, v.head) {
		p.pages.SetHeaders(v.writer.Header())
		v.writer.WriteHeader(http.StatusForbidden)
		p.wrote(v, p.pages.Denied(v.writer, view))
		return
	}
	page.SetJSONHeaders(v.writer.Header())
	v.writer.WriteHeader(http.StatusForbidden)
	p.wrote(v, page.JSON(v.writer, view.Message(), d.Reason.String()))
}

// answer writes an answer of our own that is not about a person.
func (p *Proxy) answer(v *visit, r reaction) {
	v.refused = r.reason
	if r.status == http.StatusServiceUnavailable {
		v.writer.Header().Set("Retry-After", strconv.Itoa(page.RetryAfter))
	}
	switch {
	case r.reason == "no_route" || r.reason == "upstream" && r.status == http.StatusServiceUnavailable:
		if p.fromErrorTarget(v, r.status) {
			return
		}
		p.errorPage(v, r)
	case !head.Navigation(v.request.Method, v.head):
		page.SetJSONHeaders(v.writer.Header())
		v.writer.WriteHeader(r.status)
		p.wrote(v, page.JSON(v.writer, r.text, r.reason))
	case r.reason == "no_decision":
		view := page.Unavailable{Server: v.decision.Server}
		if prefix := p.hubPrefix(); prefix != "" {
			view.HubURL = prefix + "home"
		}
		p.pages.SetHeaders(v.writer.Header())
		v.writer.WriteHeader(r.status)
		p.wrote(v, p.pages.Unavailable(v.writer, view))
	default:
		p.errorPage(v, r)
	}
}

func (p *Proxy) errorPage(v *visit, r reaction) {
	p.pages.SetHeaders(v.writer.Header())
	v.writer.WriteHeader(r.status)
	p.wrote(v, p.pages.Error(v.writer, r.status, r.title, r.text))
}

// wrote notes that an answer of ours could not be written: the client is gone.
func (p *Proxy) wrote(v *visit, err error) {
	if err != nil {
		p.log.DebugContext(v.request.Context(), "writing an answer", "error", err)
	}
}
