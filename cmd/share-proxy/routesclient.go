package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// maxTable bounds the table that doctor reads: 200 bytes per route, so room
// for 100,000 servers.
const maxTable = 20 << 20

// routesClient reads the table of a route API.
type routesClient struct {
	addr string // host:port
	http *http.Client
}

// routeData is what doctor reads of one route.
type routeData struct {
	Target string `json:"target"`
	Hub    bool   `json:"hub"`
}

func newRoutesClient(addr string) *routesClient {
	return &routesClient{addr: addr, http: &http.Client{
		Timeout:       5 * time.Second,
		Transport:     &http.Transport{Proxy: nil, DisableKeepAlives: true}, // the token goes there only
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// routes asks for the whole table. With a status other than 200 there is none.
func (c *routesClient) routes(ctx context.Context, token Secret) (status int, table map[string]routeData, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.addr+"/api/routes", nil)
	if err != nil {
		return 0, nil, err
	}
	if token.IsSet() {
		req.Header.Set("Authorization", "token "+token.Reveal())
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if fault, ok := errors.AsType[*url.Error](err); ok {
			err = fault.Err
		}
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }() // only read from
	if resp.StatusCode != http.StatusOK {
		return resp.StatusCode, nil, nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxTable)).Decode(&table); err != nil {
		return 0, nil, fmt.Errorf("not a table of routes: %w", err)
	}
	return resp.StatusCode, table, nil
}

// hubOfRoutes returns the Hub's API as the Hub's own route tells it, or nil.
func hubOfRoutes(table map[string]routeData, hostRouting bool) *url.URL {
	for path, route := range table {
		if target, err := parseHTTPURL(route.Target); route.Hub && err == nil {
			return hubBehind(target, path, hostRouting)
		}
	}
	return nil
}
