// Package hub asks JupyterHub's REST API the two things that share-proxy wants
// to know by itself: what a visitor's credential may do, and which version the
// Hub has.
//
// Invariants:
//
//   - A credential goes to the Hub's API and nowhere else: no proxy from the
//     environment, no redirect followed, no cookie beside it, and it is in no
//     error.
//   - Only a well formed 200 is a yes and only the Hub's own 403 is "nobody".
//     Whatever else comes back, however odd, is an error: no decision.
//   - Nothing that the Hub sends can make this process read or keep more than
//     a bound.
//
// What it does not do: it caches nothing, retries nothing and decides nothing;
// that is package authz's.
package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// The bounds of one question.
const (
	// dialLimit: the Hub is in the same machine or cluster, where a connection
	// takes milliseconds; a packet that was lost once is sent again after 1 s.
	dialLimit = 3 * time.Second
	// askLimit is for callers without a deadline: a browser's user does not
	// wait longer.
	askLimit = 10 * time.Second
	// maxBody is for an answer: a scope per share and role, 30 to 100 bytes
	// each, so room for 10,000 of them.
	maxBody = 1 << 20
	// maxHead is for an answer's head. The Hub's has 500 bytes.
	maxHead = 64 << 10
	// parallel questions are under way at once; more wait here. The Hub answers
	// one at a time, and its backlog of connections (128) must not overflow when
	// a revocation puts a thousand credentials in doubt.
	parallel = 64
	// idleLimit is below the 3600 s after which the Hub (tornado) closes, and
	// below the 5 min that load balancers commonly have.
	idleLimit = 90 * time.Second
)

// Op names a kind of question. It is a closed set, fit for a metric's label.
type Op string

// The kinds of questions.
const (
	OpUser    Op = "user"    // what a credential may do
	OpVersion Op = "version" // which version the Hub has
)

// Outcome says how a question ended. It is a closed set, fit for a metric's
// label.
type Outcome string

// The outcomes. All but OutcomeAnswered and OutcomeNobody are errors.
const (
	OutcomeAnswered    Outcome = "answered"    // a well formed answer
	OutcomeNobody      Outcome = "nobody"      // the Hub does not know the credential
	OutcomeUnexpected  Outcome = "unexpected"  // another status
	OutcomeMalformed   Outcome = "malformed"   // a body that is no answer, or too long
	OutcomeUnreachable Outcome = "unreachable" // no address, no connection, broken off, too late
)

// Options of a [Client].
type Options struct {
	// URL returns the address of the Hub's API, such as
	// http://127.0.0.1:8081/hub/api; an error says that it is not known (yet).
	// It is called for every question, because it may be learned from the
	// Hub's route and change with it. It must be cheap and safe for concurrent
	// use.
	URL func() (string, error)
	// Observe, if set, is told about every question that was put, when it
	// ended. It must not block.
	Observe func(op Op, outcome Outcome, took time.Duration)
}

// Client asks the Hub. It is safe for concurrent use and implements
// [github.com/jupyterhub-share-proxy/share-proxy/authz.Asker].
type Client struct {
	opts Options
	http *http.Client
}

// New returns a client; Options.URL is required.
func New(opts Options) (*Client, error) {
	if opts.URL == nil {
		return nil, errors.New("hub: no address of the API")
	}
	if opts.Observe == nil {
		opts.Observe = func(Op, Outcome, time.Duration) {}
	}
	dialer := &net.Dialer{Timeout: dialLimit}
	return &Client{opts: opts, http: &http.Client{
		Timeout: askLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
		Transport: &http.Transport{
			Proxy:                  nil, // the credential goes to the Hub only
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    dialLimit,
			DisableCompression:     true, // a bound on the body is one on the wire
			MaxIdleConns:           parallel,
			MaxIdleConnsPerHost:    parallel,
			MaxConnsPerHost:        parallel,
			IdleConnTimeout:        idleLimit,
			MaxResponseHeaderBytes: maxHead,
		},
	}}, nil
}

// Fixed is an [Options.URL] for an address that is known from the start.
func Fixed(address string) func() (string, error) {
	return func() (string, error) { return address, nil }
}

// Close closes the connections that are idle. The client can be used further.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// get puts one question and returns the status and the whole body. The
// credential is left out if it is empty.
func (c *Client) get(ctx context.Context, path, credential string) (int, []byte, Outcome, error) {
	target, err := c.target(path)
	if err != nil {
		return 0, nil, OutcomeUnreachable, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return 0, nil, OutcomeUnreachable, errors.New("the address of the hub's API is malformed")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "share-proxy")
	if credential != "" {
		req.Header.Set("Authorization", "token "+credential)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, OutcomeUnreachable, fmt.Errorf("asking the hub: %w", bare(err))
	}
	defer func() { _ = resp.Body.Close() }() // nothing was written; nothing to learn from it
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return 0, nil, OutcomeUnreachable, fmt.Errorf("reading the hub's answer: %w", err)
	case len(body) > maxBody:
		return 0, nil, OutcomeMalformed, fmt.Errorf("the hub's answer is longer than %d bytes", maxBody)
	}
	return resp.StatusCode, body, OutcomeAnswered, nil
}

// target returns the address of one call of the API.
func (c *Client) target(path string) (string, error) {
	text, err := c.opts.URL()
	if err != nil {
		return "", fmt.Errorf("the address of the hub's API is not known: %w", err)
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("the address of the hub's API is malformed") // it may carry a password
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.JoinPath(path).String(), nil
}

// bare takes the method and the address off an error of net/http: they say
// nothing new.
func bare(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
