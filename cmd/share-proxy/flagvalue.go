package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// setHost takes an address or a name; "" and "*" are all interfaces.
func setHost(host *string, value string) error {
	value = strings.TrimSuffix(strings.TrimPrefix(value, "["), "]")
	if strings.ContainsAny(value, " \t/%[]") {
		return errors.New("not an address or a name")
	}
	*host = value
	return nil
}

const maxPort = 65535

func setPort(port *int, value string, unset int) error {
	if value == "" {
		*port = unset
		return nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || n > maxPort {
		return fmt.Errorf("not a port: %q", value)
	}
	*port = n
	return nil
}

func setLevel(level *slog.Level, value string) error {
	switch value {
	case "debug":
		*level = slog.LevelDebug
	case "info", "":
		*level = slog.LevelInfo
	case "warn":
		*level = slog.LevelWarn
	case "error":
		*level = slog.LevelError
	default:
		return fmt.Errorf("%q is none of debug, info, warn, error", value)
	}
	return nil
}

func setKeepAlive(timeout *time.Duration, value string) error {
	if value == "" {
		*timeout = 0
		return nil
	}
	ms, err := strconv.Atoi(value)
	if err != nil || ms < 1 || ms > 86_400_000 {
		return fmt.Errorf("not a time from 1 ms to one day: %q", value)
	}
	*timeout = time.Duration(ms) * time.Millisecond
	return nil
}

func setTarget(target **url.URL, value string) error {
	if value == "" {
		*target = nil
		return nil
	}
	u, err := parseHTTPURL(value)
	*target = u
	return err
}

// parseHTTPURL returns value as the address of an HTTP server. Its errors do
// not repeat the value, which may hold a password.
func parseHTTPURL(value string) (*url.URL, error) {
	if scheme, _, _ := strings.Cut(value, ":"); strings.Contains(scheme, "unix") { // its host is an escaped path
		return nil, fmt.Errorf("a unix socket: %w", errNotAvailable)
	}
	u, err := url.Parse(value)
	switch {
	case err != nil:
		return nil, errors.New("not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("not an http:// or https:// URL")
	case u.Hostname() == "":
		return nil, errors.New("a URL without a host")
	case u.User != nil:
		return nil, errors.New("a URL with a user in it")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("a URL with a query or fragment")
	}
	return u, nil
}
