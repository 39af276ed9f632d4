package routeapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy/route"
)

// list answers a GET of all routes.
func (h *handler) list(w http.ResponseWriter, r *http.Request) int {
	query := r.URL.Query()
	since := query.Get("inactiveSince")
	if since == "" {
		since = query.Get("inactive_since")
	}
	var limit time.Time
	if since != "" {
		var ok bool
		if limit, ok = parseDate(since); !ok {
			return fail(w, http.StatusBadRequest, "Invalid datestamp '"+since+"' must be ISO8601.")
		}
	}
	shown := make(map[string]any)
	for _, listed := range h.Table.All(r.Context()) {
		if since == "" || listed.LastActivity().Before(limit) {
			shown[listed.Path] = h.describe(listed)
		}
	}
	return h.answer(w, shown)
}

// get answers a GET of one route; a path below one is none.
func (h *handler) get(w http.ResponseWriter, path string) int {
	found, ok := h.Table.Get(path)
	if !ok {
		w.WriteHeader(http.StatusNotFound) // without a body, as CHP
		return http.StatusNotFound
	}
	return h.answer(w, h.describe(found))
}

// describe returns a route as the API shows it: what was posted, and what the
// proxy knows.
func (h *handler) describe(r *route.Route) map[string]any {
	shown := make(map[string]any, len(r.Data)+3)
	for name, value := range r.Data {
		shown[name] = value
	}
	shown["target"] = r.TargetText
	shown["last_activity"] = r.LastActivity().Format("2006-01-02T15:04:05.000Z")
	if h.HostRouting && r.Path != "/" {
		shown["host"], _, _ = strings.Cut(r.Path[1:], "/")
	}
	return shown
}

// answer writes a value as JSON, without escapes for HTML: nothing shows it as
// such, and data goes out as it came in.
func (h *handler) answer(w http.ResponseWriter, value any) int {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		h.Log.Error("route API: routes cannot be shown", "error", err)
		return fail(w, http.StatusInternalServerError, "Internal error")
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body.Bytes()) // a client that has gone needs no answer
	return http.StatusOK
}

// dateLayouts are the forms of a time that are understood. CHP takes whatever
// JavaScript's Date.parse does, down to "1"; these are what programs send. A time
// without a zone is UTC.
var dateLayouts = [...]string{
	time.RFC3339Nano,
	"2006-01-02T15:04:05.999999999",
	"2006-01-02T15:04:05.999999999Z0700",
	"2006-01-02T15:04Z07:00",
	"2006-01-02T15:04",
	time.DateOnly,
	time.RFC1123,
	time.RFC1123Z,
}

// parseDate reads a time in one of those forms.
func parseDate(s string) (time.Time, bool) {
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
