package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// maxToken is more than any credential of a Hub has: an OAuth token has 30
// characters, those that an administrator sets are short texts.
const maxToken = 4096

// Ask returns what the Hub says about token (GET /user, JupyterHub
// apihandlers/users.py, SelfAPIHandler): the Answer of its holder, or the zero
// Answer if the Hub does not know it. An error means that there is no answer;
// it never contains the token. Asked and Seq are left to the caller.
//
// A text that cannot be a credential of a Hub is not sent: it is nobody's. An
// error would say that the Hub is away, which an outsider must not be able to
// bring about.
func (c *Client) Ask(ctx context.Context, token authz.Token) (authz.Answer, error) {
	secret := token.Reveal()
	if !sendable(secret) {
		return authz.Answer{}, nil
	}
	start := time.Now()
	answer, outcome, err := c.ask(ctx, secret)
	c.opts.Observe(OpUser, outcome, time.Since(start))
	return answer, err
}

func (c *Client) ask(ctx context.Context, secret string) (authz.Answer, Outcome, error) {
	status, body, outcome, err := c.get(ctx, "user", secret)
	if err != nil {
		return authz.Answer{}, outcome, err
	}
	switch {
	case status == http.StatusOK:
		answer, err := parseModel(body)
		if err != nil {
			return authz.Answer{}, OutcomeMalformed, err
		}
		return answer, OutcomeAnswered, nil
	case status == http.StatusForbidden && refusal(body):
		return authz.Answer{}, OutcomeNobody, nil
	default:
		return authz.Answer{}, OutcomeUnexpected, unexpected(status)
	}
}

// Version returns the version that the Hub says it has (GET / of its API).
func (c *Client) Version(ctx context.Context) (string, error) {
	start := time.Now()
	version, outcome, err := c.version(ctx)
	c.opts.Observe(OpVersion, outcome, time.Since(start))
	return version, err
}

func (c *Client) version(ctx context.Context) (string, Outcome, error) {
	status, body, outcome, err := c.get(ctx, "/", "")
	if err != nil {
		return "", outcome, err
	}
	if status != http.StatusOK {
		return "", OutcomeUnexpected, unexpected(status)
	}
	var root map[string]json.RawMessage
	var version string
	if json.Unmarshal(body, &root) != nil || json.Unmarshal(root["version"], &version) != nil || version == "" {
		return "", OutcomeMalformed, errors.New("the hub's answer names no version")
	}
	return version, OutcomeAnswered, nil
}

func unexpected(status int) error { return fmt.Errorf("the hub answered with status %d", status) }

// sendable reports whether secret can be a credential: the Hub accepts no
// blanks in one (handlers/base.py, auth_header_pat), HTTP no controls.
func sendable(secret string) bool {
	if secret == "" || len(secret) > maxToken {
		return false
	}
	for i := range len(secret) {
		if b := secret[i]; b <= ' ' || b == 0x7f {
			return false
		}
	}
	return true
}
