package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/route"
)

// finish ends a request: one line, its metrics, its activity. The exchange
// itself ends when the last byte of the answer has left net/http
// ([Proxy.Server]), or here if nothing of it was ever written.
func (p *Proxy) finish(v *visit) {
	took := time.Since(v.start)
	if v.exchange != nil && (v.hijacked || v.conn.Exchange() != v.exchange) {
		v.exchange.End()
	}
	status := v.writer.status
	if status == 0 {
		status = statusClientGone
	}
	if v.route != nil && v.refused == "" && status < 300 && !v.hijacked {
		done := p.metrics.touching()
		v.touch() // a socket has touched it frame by frame
		done()
	}
	class := "none"
	if v.route != nil {
		class = v.route.Class.String()
	}
	p.metrics.request(v, class, status, took)
	p.log.LogAttrs(v.request.Context(), slog.LevelInfo, "request", p.accessLine(v, class, status, took)...)
}

// maxMethod is more than any registered method has (17); a stranger's may be
// as long as a head.
const maxMethod = 32

// accessLine says what happened. It has no path, query, cookie or token: any
// of them may hold a secret.
func (p *Proxy) accessLine(v *visit, class string, status int, took time.Duration) []slog.Attr {
	line := []slog.Attr{
		slog.String("method", v.request.Method[:min(len(v.request.Method), maxMethod)]),
		slog.String("route_class", class),
		slog.Int("status", status),
		slog.Duration("took", took),
		slog.Int64("bytes", v.writer.bytes),
		slog.String("client", v.client),
	}
	if v.socket {
		line = append(line, slog.Bool("socket", true))
	}
	if v.refused != "" {
		line = append(line, slog.String("refused", v.refused))
	}
	if v.route == nil || v.route.Class != route.ClassServer {
		return line
	}
	line = append(line,
		slog.String("owner", string(v.route.Server.Owner)),
		slog.String("server", string(v.route.Server.Name)),
		slog.String("relation", v.decision.Relation.String()),
		slog.Bool("allow", v.decision.Allow),
		slog.String("reason", v.decision.Reason.String()),
		slog.String("credential", v.source.String()),
	)
	if v.decision.Answer != nil {
		line = append(line, slog.String("user", string(v.decision.Answer.Name)))
	}
	if v.exchange != nil {
		if cause := v.exchange.Cause(); cause != nil {
			line = append(line, slog.String("cause", live.CauseName(cause)))
		}
	}
	return line
}

// audit writes a line about somebody's access.
func (p *Proxy) audit(ctx context.Context, message string, args ...any) {
	p.log.InfoContext(ctx, message, append([]any{"audit", true}, args...)...) //nolint:sloglint // the callers' messages are constants
}

// auditCut writes a line about an exchange that was cut ([live.Options]).
func (p *Proxy) auditCut(x *live.Exchange, cause error) {
	p.metrics.cuts.WithLabelValues(live.CauseName(cause)).Inc()
	if errors.Is(cause, live.ErrShutdown) || x.Server.IsZero() {
		return
	}
	p.audit(x.Context(), "exchange cut", whose(x, "cause", live.CauseName(cause))...)
}

// whose says in a line about an exchange what it is and whose, behind what the
// line is about.
func whose(x *live.Exchange, about ...any) []any {
	var user authz.User
	if a := x.Answer(); a != nil {
		user = a.Name
	}
	return append(about, "kind", x.Kind.String(), "user", string(user),
		"owner", string(x.Server.Owner), "server", string(x.Server.Name), "relation", x.Relation().String())
}

// maxNames is how many subjects a line names: a call is about three at most,
// doubts about many, with names that anybody may have made up.
const maxNames = 8

// names writes subjects for a log.
func names(subjects []authz.Subject) string {
	var list []string
	for _, s := range subjects[:min(len(subjects), maxNames)] {
		list = append(list, s.String())
	}
	if more := len(subjects) - maxNames; more > 0 {
		list = append(list, fmt.Sprintf("%d more", more))
	}
	return strings.Join(list, ", ")
}

// warnForged says once that forwarding headers are dropped: what a TLS
// terminator that was not declared looks like.
func (p *Proxy) warnForged(peer netip.Addr) {
	if p.warned.CompareAndSwap(false, true) {
		p.log.Warn("forwarding headers of a peer that is not trusted are dropped; "+
			"set SHARE_PROXY_TRUSTED_PROXIES if it is a proxy of yours", "peer", peer.String())
	}
}

// healthPath answers load balancers and Kubernetes as CHP does: exactly this
// target, before anything else.
const healthPath = "/_chp_healthz"

func serveHealth(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"status":"OK"}`)) // a client that is gone needs no answer
}
