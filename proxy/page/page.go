// Package page writes what people and programs read when share-proxy itself
// answers: the pages 403 and 503, a plain page for other errors, and the JSON
// form of all of them.
//
// Invariants: every name and address is escaped by html/template, whatever the
// Hub or a visitor put into it; a page loads nothing, runs nothing, cannot be
// framed and is not stored ([Pages.SetHeaders]). A page says nothing of what
// lies on the server, nor whether it runs.
//
// What this package does not do: it neither chooses the status nor writes it,
// and it does not know which request gets a page and which one JSON.
package page

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strings"
)

//go:embed page.html
var source string

//go:embed page.css
var style string

// Pages are the parsed pages. Use [New]; they are safe for concurrent use.
type Pages struct {
	templates *template.Template
	policy    string // Content-Security-Policy
}

// New parses the pages. An error is a fault of the build.
func New() (*Pages, error) {
	// The style stands in the page, because nothing may be loaded, and is named
	// by its hash, so that nothing else that stands in the page is a style.
	css := strings.TrimSpace(style)
	t, err := template.New("page").Parse(strings.Replace(source, "STYLE", css, 1))
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	sum := sha256.Sum256([]byte(css))
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
	return &Pages{templates: t, policy: policy}, nil
}

// SetHeaders sets the headers of a page. Those that the caller adds (Retry-After
// with a 503) stay.
func (p *Pages) SetHeaders(h http.Header) {
	setCommon(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.policy)
	h.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
}

// SetJSONHeaders sets the headers of an answer of [JSON].
func SetJSONHeaders(h http.Header) {
	setCommon(h)
	h.Set("Content-Type", "application/json")
}

// setCommon sets what keeps an answer out of caches, its address out of other
// sites' logs, and its type as it is given.
func setCommon(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}

// JSON writes the form for programs: {"message": …, "reason": …}. The message
// is for people, the reason is a word of a closed set.
func JSON(w io.Writer, message, reason string) error {
	body := struct {
		Message string `json:"message"`
		Reason  string `json:"reason"`
	}{message, reason}
	if err := json.NewEncoder(w).Encode(body); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return nil
}

// Denied writes the page for a 403.
func (p *Pages) Denied(w io.Writer, d Denied) error { return p.write(w, "denied", d) }

// Unavailable writes the page for a 503 of which nobody but the Hub can say
// when it ends. The page loads itself again.
func (p *Pages) Unavailable(w io.Writer, u Unavailable) error { return p.write(w, "unavailable", u) }

// Error writes a plain page: the status, a title of few words and a sentence.
func (p *Pages) Error(w io.Writer, status int, title, text string) error {
	return p.write(w, "error", struct {
		Status      int
		Title, Text string
	}{status, title, text})
}

func (p *Pages) write(w io.Writer, name string, data any) error {
	if err := p.templates.ExecuteTemplate(w, name, data); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	return nil
}
