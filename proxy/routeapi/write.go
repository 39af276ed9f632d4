package routeapi

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"unicode/utf8"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy/route"
)

// maxBody bounds the description of one route. The Hub's have a few hundred bytes.
const maxBody = 1 << 20

// add answers a POST.
func (h *handler) add(w http.ResponseWriter, r *http.Request, path string) int {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return fail(w, http.StatusRequestEntityTooLarge, "Body too large")
		}
		return fail(w, http.StatusBadRequest, "Body could not be read")
	}
	if !json.Valid(body) {
		return fail(w, http.StatusBadRequest, "Body not valid JSON: SyntaxError")
	}
	target, data, ok := parseBody(body)
	if !ok {
		return fail(w, http.StatusBadRequest, "Must specify 'target' as string")
	}
	added, err := route.New(path, target, data, h.Now())
	if err != nil {
		return fail(w, http.StatusBadRequest, "Invalid 'target': "+err.Error())
	}
	if err := h.Table.Add(r.Context(), added); err != nil {
		return h.unavailable(w, err)
	}
	// CHP's words, which its tests and people's scripts wait for. A target's path
	// and query may hold secrets; its host does not.
	h.Log.Info("Route added " + added.Path + " -> " + added.Target.Scheme + "://" + added.Target.Host)
	w.WriteHeader(http.StatusCreated)
	return http.StatusCreated
}

// remove answers a DELETE.
func (h *handler) remove(w http.ResponseWriter, r *http.Request, path string) int {
	found, err := h.Table.Remove(r.Context(), path)
	if err != nil {
		return h.unavailable(w, err)
	}
	if !found {
		w.WriteHeader(http.StatusNotFound) // without a body, as CHP
		return http.StatusNotFound
	}
	h.Log.Info("Route removed " + route.Key(path))
	w.WriteHeader(http.StatusNoContent)
	return http.StatusNoContent
}

// unavailable answers a write that the table could not apply. The Hub repeats
// what was answered with 500 or more.
func (h *handler) unavailable(w http.ResponseWriter, err error) int {
	h.Log.Error("route API: write not applied", "error", err)
	return fail(w, http.StatusServiceUnavailable, "Routes cannot be changed now")
}

// parseBody takes the target out of the description of a route. "last_activity"
// is the proxy's to say. The rest is kept as it is.
func parseBody(body []byte) (target string, data map[string]json.RawMessage, ok bool) {
	if json.Unmarshal(body, &data) != nil {
		return "", nil, false // no object
	}
	var text *string // nil for null, which Unmarshal takes for an empty string
	if json.Unmarshal(data["target"], &text) != nil || text == nil {
		return "", nil, false
	}
	delete(data, "target")
	delete(data, "last_activity")
	return *text, data, true
}

// decodePath decodes the escapes of a route's path, once. An escaped slash
// becomes a real one, as in CHP. Keys are shown in JSON, so they must be UTF-8.
func decodePath(escaped string) (string, bool) {
	path, err := url.PathUnescape(escaped)
	return path, err == nil && utf8.ValidString(path)
}
