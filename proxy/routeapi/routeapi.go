// Package routeapi is the REST API to which the Hub writes its routes: that of
// configurable-http-proxy (CHP), as JupyterHub's ConfigurableHTTPProxy class uses
// it.
//
//	GET    /api/routes                 all routes, keyed by decoded path
//	GET    /api/routes?inactiveSince=T those without activity since T
//	GET    /api/routes/PATH            one route
//	POST   /api/routes/PATH            add or replace a route; 201
//	DELETE /api/routes/PATH            remove a route; 204
//
// Status codes and bodies are CHP's. What is better than there: the token is
// looked at before anything else and compared in constant time; bodies are
// bounded (413); a target that no request could be sent to, and a path with a bad
// escape, are refused (400); removing the root is answered; and pages in a browser
// have no access, token or not.
//
// Invariants: no request changes or shows anything before it was authorised; when
// a POST or DELETE is answered, the table has applied it, on every replica that is
// within reach; a GET of all shows what any of them had answered; no header,
// token, query or part of a body gets into a log.
//
// What it deliberately does not do: listen, terminate TLS, match paths of the data
// plane, or interpret the data of a route (package route does).
package routeapi

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy/route"
)

// Table is where the routes are kept: a [route.Shared], or a [route.Table] that
// nobody shares. A write has been applied when it returns without an error; with
// one it is unknown whether it was, and the Hub, which is answered 503, tries
// again. A table must not fail because other replicas are out of reach: a 503
// for a POST ends the user's server, and one for a GET of all ends a Hub that
// starts. All may wait for what others have written, but not for long.
type Table interface {
	All(ctx context.Context) []*route.Route
	Get(path string) (*route.Route, bool)
	Add(ctx context.Context, r *route.Route) error
	Remove(ctx context.Context, path string) (found bool, err error)
}

// An Op is what a call asked for. The set is closed: it may label a metric.
type Op string

const (
	OpNone   Op = "none"   // no route of the API, or refused before it mattered
	OpList   Op = "list"   // GET of all routes
	OpGet    Op = "get"    // GET of one
	OpAdd    Op = "add"    // POST
	OpDelete Op = "delete" // DELETE
)

// Options is what a handler needs. Table and Log are required.
type Options struct {
	Table Table
	Log   *slog.Logger

	// Token is CONFIGPROXY_AUTH_TOKEN. Without one the API is open to whoever
	// reaches it by an address or as localhost.
	Token string

	// HostRouting adds "host" to the routes shown: their first segment.
	HostRouting bool

	// Now is the clock; time.Now if nil.
	Now func() time.Time

	// OnCall is told of every call when it has been answered; may be nil.
	OnCall func(op Op, status int)
}

// New returns the API's handler. It serves its whole listener: what is not
// below /api/routes is 404.
func New(o Options) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.OnCall == nil {
		o.OnCall = func(Op, int) {}
	}
	return &handler{Options: o, token: digest(o.Token)}
}

type handler struct {
	Options
	token [32]byte // digest of Options.Token
}

// ServeHTTP does without http.ServeMux, which would answer paths with "//" or
// dots by a redirect.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op, status := h.serve(w, r)
	h.OnCall(op, status)
}

// serve answers a call and returns what it was and the status of the answer.
func (h *handler) serve(w http.ResponseWriter, r *http.Request) (Op, int) {
	escaped, ok := routePath(r)
	if !ok {
		return OpNone, fail(w, http.StatusNotFound, "Not Found")
	}
	if !h.authorized(r) {
		w.WriteHeader(http.StatusForbidden) // without a body, as CHP
		return OpNone, http.StatusForbidden
	}
	op := operation(r.Method, escaped)
	if op == OpNone {
		w.Header().Set("Allow", "GET, POST, DELETE")
		return OpNone, fail(w, http.StatusMethodNotAllowed, "Method not supported")
	}
	path, ok := decodePath(escaped)
	if !ok {
		return op, fail(w, http.StatusBadRequest, "Malformed escape in the route's path")
	}
	switch op {
	case OpList:
		return op, h.list(w, r)
	case OpGet:
		return op, h.get(w, path)
	case OpAdd:
		return op, h.add(w, r, path)
	default:
		return op, h.remove(w, r, path)
	}
}

// routePath returns what follows /api/routes in the path, still escaped. The
// prefix itself is compared escaped, as CHP does.
func routePath(r *http.Request) (string, bool) {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), "/api/routes")
	return rest, ok && (rest == "" || rest[0] == '/')
}

// operation returns what a method on a path means, or OpNone.
func operation(method, escaped string) Op {
	switch method {
	case http.MethodGet:
		if escaped == "" || escaped == "/" {
			return OpList
		}
		return OpGet
	case http.MethodPost:
		return OpAdd
	case http.MethodDelete:
		return OpDelete
	}
	return OpNone
}

// fail answers with a short text and returns the status.
func fail(w http.ResponseWriter, status int, text string) int {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // a client that has gone needs no answer
	return status
}
