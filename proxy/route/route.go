// Package route knows whose server lies behind a path.
//
// A Table maps paths to Routes, as configurable-http-proxy does: the longest
// route whose segments the request's path begins with wins. Whose server a route
// is, is read from the data that the Hub posted with it, never from the path's
// text. A Route has a lifetime: it ends when the route is removed or leads
// elsewhere, and whatever goes through it must end then.
//
// Invariants:
//
//   - the zero Class is ClassServer and the zero authz.Server is nobody's: data
//     that names an owner in a form that is not understood makes a route that
//     nobody may use, never one that anybody may use;
//   - a segment of the request with an escaped slash never matches, and is
//     refused wherever the table could have chosen by it (Match);
//   - posting a route again as it was does not end its lifetime: the Hub does so
//     whenever it checks its routes.
//
// A table of one of several replicas is written through the log that they have in
// common: see Shared.
//
// What it deliberately does not do: parse request targets (package target), speak
// HTTP (package routeapi), decide who may pass (package authz).
package route

import (
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// ErrTarget is returned for a target that is not a plain http or https URL with
// a host. The target is not quoted: it could carry a password.
var ErrTarget = errors.New("target must be an http or https URL with a host")

// A Route says where a path leads and whose server that is. It is made by New,
// and none of its fields may be changed afterwards. All methods may be called by
// many goroutines.
type Route struct {
	Path       string                     // decoded, leading slash, no trailing slash; "/" is the root
	Target     *url.URL                   // http or https, with a host
	TargetText string                     // Target as it was posted; the Hub compares it
	Data       map[string]json.RawMessage // everything else that was posted, verbatim
	Class      Class
	Server     authz.Server // whose server; zero if Class is not ClassServer, or nobody's

	unshared bool // posted here while the log was away
	life     *life
}

// New makes the route that the Hub describes by a decoded path, a target and
// further data, for one table. It counts as active at that time. New keeps no
// reference to the map.
func New(path, target string, data map[string]json.RawMessage, at time.Time) (*Route, error) {
	u, err := parseTarget(target)
	if err != nil {
		return nil, err
	}
	class, server := classify(data)
	return &Route{
		Path:       Key(path),
		Target:     u,
		TargetText: target,
		Data:       maps.Clone(data),
		Class:      class,
		Server:     server,
		life:       newLife(at),
	}, nil
}

// Key returns the form of a decoded path under which routes are kept: with a
// leading slash, without trailing ones.
func Key(path string) string {
	path = strings.TrimRight(path, "/")
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return path
}

// parseTarget refuses what a request could not be sent to. Userinfo and
// fragments have no meaning there and would show up in logs.
func parseTarget(target string) (*url.URL, error) {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, ErrTarget
	}
	if u.Opaque != "" || u.Hostname() == "" || u.User != nil || strings.Contains(target, "#") {
		return nil, ErrTarget
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, ErrTarget
		}
	}
	return u, nil
}
