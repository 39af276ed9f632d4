package main

import (
	"net/url"
	"strings"
)

// hubAPI returns the address of the Hub's API as far as settings tell it:
// JUPYTERHUB_API_URL, else what --error-target says. nil means that it is to
// be learned from the Hub's route.
func (c *Config) hubAPI() *url.URL {
	if c.HubAPIURL != nil {
		return c.HubAPIURL
	}
	target := c.Flags.ErrorTarget
	if target == nil {
		return nil
	}
	// JupyterHub passes <hub>/error, escaped; only that end is known to lie
	// beside the API.
	escaped, ok := strings.CutSuffix(strings.TrimSuffix(target.EscapedPath(), "/"), "/hub/error")
	if !ok {
		return nil
	}
	return &url.URL{Scheme: target.Scheme, Host: target.Host, Path: unescaped(escaped) + "/hub/api", RawPath: escaped + "/hub/api"}
}

// unescaped returns what path says; it comes from a URL that was parsed, so
// that it has no bad escapes.
func unescaped(path string) string {
	plain, err := url.PathUnescape(path)
	if err != nil {
		return path
	}
	return plain
}

// hubBehind returns the Hub's API behind the Hub's own route: its target and
// its decoded path, the base URL or /hub itself.
func hubBehind(target *url.URL, path string, hostRouting bool) *url.URL {
	path = strings.Trim(path, "/")
	if hostRouting { // the first segment is the host
		_, path, _ = strings.Cut(path, "/")
	}
	if path != "hub" && !strings.HasSuffix(path, "/hub") {
		path = strings.TrimPrefix(path+"/hub", "/")
	}
	// Paths of the table are unescaped, JoinPath's elements are not.
	return target.JoinPath("/", (&url.URL{Path: path}).EscapedPath(), "api")
}
