package proxy

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// errorLimit bounds the fetching of an error page: it must not take longer
// than people wait for a page that only says no.
const errorLimit = 5 * time.Second

// maxErrorPage bounds its size.
const maxErrorPage = 1 << 20

// fromErrorTarget answers with the page of --error-target for that status, as
// CHP does: GET target/<status>?url=<path>. The query of the request stays
// here: it may hold a token.
func (p *Proxy) fromErrorTarget(v *visit, status int) bool {
	if p.errorTarget == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(v.request.Context(), errorLimit)
	defer cancel()
	u := strings.TrimSuffix(p.errorTarget.String(), "/") + "/" + strconv.Itoa(status) +
		"?url=" + url.QueryEscape(v.target.Path())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return false
	}
	res, err := p.errorPages.RoundTrip(req)
	if err != nil {
		p.log.DebugContext(ctx, "fetching an error page", "error", err)
		return false
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxErrorPage))
	if err != nil {
		return false
	}
	for _, name := range []string{"Content-Type", "Content-Encoding"} {
		if value := res.Header.Get(name); value != "" {
			v.writer.Header().Set(name, value)
		}
	}
	v.writer.Header().Set("Cache-Control", "no-store")
	v.writer.WriteHeader(status)
	_, err = v.writer.Write(body)
	p.wrote(v, err)
	return true
}
