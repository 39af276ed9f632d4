package rig

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// cookies is a browser's cookie jar for one host. Unlike net/http/cookiejar it compares paths as they are spelled on the
// wire, as browsers do: a cookie of /user/has%40/ belongs to a request for /user/has%40/lab.
type cookies struct {
	mu  sync.Mutex
	all []cookie
}

type cookie struct{ name, value, path string }

// header returns the Cookie header for a request path, longest cookie path first.
func (j *cookies) header(path string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var fit []cookie
	for _, c := range j.all {
		if path == c.path || strings.HasPrefix(path, strings.TrimSuffix(c.path, "/")+"/") {
			fit = append(fit, c)
		}
	}
	slices.SortStableFunc(fit, func(a, b cookie) int { return len(b.path) - len(a.path) })
	parts := make([]string, len(fit))
	for i, c := range fit {
		parts[i] = c.name + "=" + c.value
	}
	return strings.Join(parts, "; ")
}

// store takes the Set-Cookie lines of an answer.
func (j *cookies) store(h http.Header, now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range h.Values("Set-Cookie") {
		c, gone := parseCookie(line, now)
		j.all = slices.DeleteFunc(j.all, func(o cookie) bool { return o.name == c.name && o.path == c.path })
		if !gone {
			j.all = append(j.all, c)
		}
	}
}

func (j *cookies) clone() *cookies {
	j.mu.Lock()
	defer j.mu.Unlock()
	return &cookies{all: slices.Clone(j.all)}
}

func parseCookie(line string, now time.Time) (c cookie, gone bool) {
	parts := strings.Split(line, ";")
	c.name, c.value, _ = strings.Cut(strings.TrimSpace(parts[0]), "=")
	c.path = "/"
	for _, part := range parts[1:] {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch strings.ToLower(key) {
		case "path":
			c.path = value
		case "max-age":
			seconds, err := strconv.Atoi(value)
			gone = err == nil && seconds <= 0
		case "expires":
			when, err := http.ParseTime(value)
			gone = gone || err == nil && when.Before(now)
		}
	}
	return c, gone
}
