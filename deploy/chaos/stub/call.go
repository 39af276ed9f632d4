package stub

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/history"
)

// Fields of calls to the Hub.
const (
	FieldChange = "Chaos-Change" // the number of the change in the history
	FieldManner = "Chaos-Manner" // how the Hub does it, see [Manner]
)

// Manner is how the Hub does one call. The zero Manner is at once, and well.
type Manner struct {
	Commit time.Duration // from the call until it is done
	Answer time.Duration // from the call until it is answered; may be before
	Status int           // of the answer; 0: what is usual
	Mute   bool          // the connection ends without an answer
}

// String returns the manner for [FieldManner].
func (m Manner) String() string {
	return url.Values{
		"commit": {m.Commit.String()}, "answer": {m.Answer.String()},
		"status": {strconv.Itoa(m.Status)}, "mute": {strconv.FormatBool(m.Mute)},
	}.Encode()
}

func readManner(text string) (m Manner) {
	q, _ := url.ParseQuery(text) // what is missing is zero
	m.Commit, _ = time.ParseDuration(q.Get("commit"))
	m.Answer, _ = time.ParseDuration(q.Get("answer"))
	m.Status, _ = strconv.Atoi(q.Get("status"))
	m.Mute, _ = strconv.ParseBool(q.Get("mute"))
	return m
}

// call does what changes access. Only the owner may; others get the Hub's 403.
func (h *Hub) call(w http.ResponseWriter, r *http.Request, below string) {
	var body struct{ User string }
	_ = json.NewDecoder(r.Body).Decode(&body) // without a body it is about all
	does, status := h.effect(r, below, body.User)
	if does == nil {
		refuse(w, status)
		return
	}
	id, _ := strconv.Atoi(r.Header.Get(FieldChange))
	m := readManner(r.Header.Get(FieldManner))
	if m.Commit <= m.Answer {
		time.Sleep(m.Commit)
		h.commit(id, does)
		time.Sleep(m.Answer - m.Commit)
	} else {
		time.Sleep(m.Answer)
		// It goes on although the caller has his answer, or is gone.
		time.AfterFunc(m.Commit-m.Answer, func() { h.commit(id, does) })
	}
	if m.Mute {
		panic(http.ErrAbortHandler)
	}
	if m.Status != 0 {
		status = m.Status
	}
	h.log.Edit(id, func(c *history.Change) { c.Answering = h.log.Now() })
	if status >= 400 {
		refuse(w, status)
		return
	}
	w.WriteHeader(status)
}

// commit makes a change and notes when.
func (h *Hub) commit(id int, does func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	does()
	at := h.log.Now()
	h.log.Edit(id, func(c *history.Change) { c.Committed = at })
}

// effect returns what a call does, under mu, and its usual status; nil if
// the Hub refuses it.
func (h *Hub) effect(r *http.Request, below, user string) (does func(), status int) {
	h.mu.Lock()
	caller := h.people[token(r)].Name
	h.mu.Unlock()
	if below == "logout" {
		return func() { h.end(r) }, http.StatusFound
	}
	if _, ok := strings.CutPrefix(below, "api/users/"+caller+"/shared/"+h.owner+"/"); ok && r.Method == http.MethodDelete { // leave
		return func() { delete(h.shares, caller) }, http.StatusNoContent
	}
	server, ok := strings.CutPrefix(below, "api/shares/"+h.owner+"/")
	if !ok || caller != h.owner {
		return nil, http.StatusForbidden
	}
	switch r.Method {
	case http.MethodPost:
		return func() { h.shares[user] = server; delete(h.out, user) }, http.StatusCreated
	case http.MethodPatch:
		return func() { delete(h.shares, user) }, http.StatusOK
	case http.MethodDelete:
		return func() {
			maps.DeleteFunc(h.shares, func(_, of string) bool { return of == server })
		}, http.StatusNoContent
	}
	return nil, http.StatusMethodNotAllowed
}

// end ends the session that a request shows. Its person has to log in again,
// which is done with the next share.
func (h *Hub) end(r *http.Request) {
	cookie, err := r.Cookie("jupyterhub-session-id")
	for _, p := range h.people {
		if err == nil && p.Session == cookie.Value {
			h.out[p.Name] = true
		}
	}
}
