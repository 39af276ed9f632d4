package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/hub"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// doctorCommand is `share-proxy doctor [flags]`: with the flags and the
// environment of the proxy it looks at what sharing depends on, one line per
// check. It changes nothing. The exit code is 1 if there is a fault.
func doctorCommand(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	cfg, warnings, err := loadConfig(args, environ)
	if cfg.Flags.Help {
		fmt.Fprint(stdout, flagHelp())
		return 0
	}
	d := &doctor{out: stdout}
	d.settings(err, warnings)
	api := d.routeAPI(ctx, cfg)
	d.hub(ctx, cfg, api)
	d.store(ctx, cfg)
	d.trustedProxies(cfg, env.ToMap(environ))
	if d.faults > 0 {
		fmt.Fprintf(stderr, "share-proxy: %d fault(s)\n", d.faults)
		return 1
	}
	return 0
}

// doctor prints what it finds.
type doctor struct {
	out    io.Writer
	faults int
}

func (d *doctor) ok(format string, args ...any)      { d.line("ok", format, args...) }
func (d *doctor) warning(format string, args ...any) { d.line("warning", format, args...) }

func (d *doctor) fault(format string, args ...any) {
	d.faults++
	d.line("fault", format, args...)
}

func (d *doctor) line(kind, format string, args ...any) {
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; ")
	fmt.Fprintf(d.out, "%-8s %s\n", kind, text)
}

// settings reports what loadConfig found.
func (d *doctor) settings(err error, warnings []string) {
	for _, warning := range warnings {
		d.warning("settings: %s", warning)
	}
	if err == nil {
		d.ok("settings: valid")
		return
	}
	for line := range strings.Lines(err.Error()) {
		d.fault("settings: %s", strings.TrimSuffix(line, "\n"))
	}
}

// routeAPI asks the route API with and without its token and returns the Hub's
// API as the routes tell it, nil if they do not.
func (d *doctor) routeAPI(ctx context.Context, cfg Config) *url.URL {
	host := cfg.Flags.APIIP
	if host == "" || host == "localhost" || net.ParseIP(host).IsUnspecified() {
		host = "127.0.0.1"
	}
	c := newRoutesClient(net.JoinHostPort(host, strconv.Itoa(cfg.Flags.APIPort)))
	if cfg.APIToken.IsSet() {
		if status, _, err := c.routes(ctx, Secret{}); err == nil && status == 200 {
			d.fault("route API: answers without the token: whoever reaches it decides where requests go")
		}
	}
	status, routes, err := c.routes(ctx, cfg.APIToken)
	switch {
	case err != nil:
		d.fault("route API: no answer at %s: %v", c.addr, err)
	case status == 403 && !cfg.APIToken.IsSet():
		d.fault("route API: wants a token at %s: set CONFIGPROXY_AUTH_TOKEN to that of the running proxy; JupyterHub makes one up where it is not set", c.addr)
	case status == 403:
		d.fault("route API: refuses CONFIGPROXY_AUTH_TOKEN at %s: it is not the token of the running proxy", c.addr)
	case status != 200:
		d.fault("route API: status %d at %s: is it the route API?", status, c.addr)
	case !cfg.APIToken.IsSet():
		d.fault("route API: CONFIGPROXY_AUTH_TOKEN is not set, and it answers without: whoever reaches it decides where requests go")
	default:
		d.ok("route API: %d routes at %s", len(routes), c.addr)
	}
	return hubOfRoutes(routes, cfg.Flags.HostRouting)
}

// hub asks the Hub for its version; learned is its API as the routes tell it.
func (d *doctor) hub(ctx context.Context, cfg Config, learned *url.URL) {
	api := cmp.Or(cfg.hubAPI(), learned)
	if api == nil {
		d.fault("hub: where it is is not known: set JUPYTERHUB_API_URL, or --error-target as the proxy has it")
		return
	}
	client, err := hub.New(hub.Options{URL: hub.Fixed(api.String())})
	if err != nil {
		d.fault("hub: %v", err)
		return
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	switch version, err := client.Version(ctx); {
	case err != nil:
		d.fault("hub: no version from %s: %v", api, err)
	case !atLeast(version, 5, 5, 1):
		d.warning("hub: %q at %s is older than 5.5.1, which fixes GHSA-c4gm-pwx9-9w8j (injection on the page on which shares are accepted): upgrade", version, api)
	default:
		d.ok("hub: %s at %s", version, api)
	}
}

// store looks at where the log is kept.
func (d *doctor) store(ctx context.Context, cfg Config) {
	switch {
	case !cfg.RedisURL.IsSet() && cfg.DataDir == "":
		d.ok("log: in memory: for one process, whose routes the hub writes again after a restart")
	case !cfg.RedisURL.IsSet():
		// Not opened: the running proxy has it, and only one process may.
		d.ok("log: in a file in %s: for one process", cfg.DataDir)
	default:
		d.redis(ctx, cfg)
	}
}

// redis examines Redis as the proxy reaches it.
func (d *doctor) redis(ctx context.Context, cfg Config) {
	store, err := ledger.OpenRedis(cfg.RedisURL.Reveal(), heartbeat(cfg), slog.New(slog.DiscardHandler))
	if err != nil {
		d.fault("log: SHARE_PROXY_REDIS_URL: %v", err)
		return
	}
	defer store.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, f := range store.Examine(ctx) {
		switch f.Grade {
		case ledger.Fine:
			d.ok("redis: %s", f.Text)
		case ledger.Doubtful:
			d.warning("redis: %s", f.Text)
		default:
			d.fault("redis: %s", f.Text)
		}
	}
}

// trustedProxies says when forwarding headers should be believed and are not.
// Only the Hub's public address tells whether TLS ends in front of us.
func (d *doctor) trustedProxies(cfg Config, environ map[string]string) {
	public := cmp.Or(environ["JUPYTERHUB_PUBLIC_HUB_URL"], environ["JUPYTERHUB_PUBLIC_URL"])
	switch {
	case len(cfg.TrustedProxies) > 0:
		d.ok("forwarding headers: believed from %v", cfg.TrustedProxies)
	case strings.HasPrefix(public, "https:"):
		d.warning("forwarding headers: the hub's public address is https, which this version never serves itself: set SHARE_PROXY_TRUSTED_PROXIES to the networks of what ends TLS")
	default:
		d.ok("forwarding headers: believed from nobody; right where browsers connect to share-proxy itself, else set SHARE_PROXY_TRUSTED_PROXIES")
	}
}

// atLeast reports whether a version such as 5.5.1 or 6.0.0b2 is at least the
// one of the numbers; a pre-release counts as its release, and what is no
// version as older.
func atLeast(version string, want ...int) bool {
	parts := strings.SplitN(version, ".", len(want))
	for i, least := range want {
		if i >= len(parts) {
			return false
		}
		digits := parts[i]
		if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
			digits = digits[:end]
		}
		n, err := strconv.Atoi(digits)
		if err != nil {
			return false
		}
		if n != least {
			return n > least
		}
	}
	return true
}
