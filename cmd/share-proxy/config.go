package main

import (
	"net/netip"
	"net/url"
	"time"
)

//go:generate go test -run TestSettingsTable -update .

// Config is everything that the program can be told. The comments of its
// fields are the settings table of README.md and docs/settings.md: the first
// sentence is the row, all of it the entry.
//
// A field tagged `later` is declared so that its name is taken; setting it
// ends the program, because nothing in this version would do what it says.
// No field has a default in its tag: a variable that is set and empty counts
// as not set, and the zero or the value of defaults applies, never less.
type Config struct {
	// Address of the Hub's API as the proxy reaches it, `http://…/hub/api`.
	// Not set: `--error-target` with `/hub/error` replaced by `/hub/api`, else
	// the target of the route whose data has `"hub": true`.
	HubAPIURL *url.URL `env:"JUPYTERHUB_API_URL" default:"learned"`

	// Token of the route API. JupyterHub sets it for the proxy that it starts.
	// Not set: the route API asks for none, as with CHP, and the log warns.
	APIToken Secret `env:"CONFIGPROXY_AUTH_TOKEN"`

	// Redis 7 or newer, so that several processes are one proxy: `redis://`,
	// `rediss://` for TLS; with `?master_name=` by Sentinel, with several
	// `addr=` and without a name a Cluster. Needs a key that all processes
	// share: `SHARE_PROXY_SECRET` or `CONFIGPROXY_AUTH_TOKEN`. Not set: one
	// process, its log in memory or in `SHARE_PROXY_DATA_DIR`.
	RedisURL Secret `env:"SHARE_PROXY_REDIS_URL"`

	// Folder for one local file with routes and records, so that a restart
	// loses nothing. For a single process, without Redis. It is made with mode
	// 0700 where it is not there.
	DataDir string `env:"SHARE_PROXY_DATA_DIR"`

	// Δ: a revocation that any process saw is enforced on all of them within
	// this time, whatever messages are lost. From 100ms to 1m. An answer of
	// the Hub younger than this may always be used. The same for all processes.
	RevocationBound time.Duration `env:"SHARE_PROXY_REVOCATION_BOUND"`

	// T for people who are not the server's owner: how old an answer of the
	// Hub may be. From Δ to 10m. It bounds changes that no proxy could see.
	RecheckGuests time.Duration `env:"SHARE_PROXY_RECHECK_GUESTS"`

	// T for owners on their own server. From `SHARE_PROXY_RECHECK_GUESTS` to
	// 1h.
	RecheckOwners time.Duration `env:"SHARE_PROXY_RECHECK_OWNERS"`

	// How long sockets are held, not yet closed, after a call that takes
	// away everybody's access. Up to 10s. Tools do that and grant again right
	// after. `0`: closed at once.
	RegrantGrace time.Duration `env:"SHARE_PROXY_REGRANT_GRACE"`

	// Longest time that an exchange may be held before it is cut. From 1s to
	// 1h, and not shorter than `SHARE_PROXY_REGRANT_GRACE`.
	HoldLimit time.Duration `env:"SHARE_PROXY_HOLD_LIMIT"`

	// How long owners go on with the Hub's last answer while the Hub is
	// away. Up to 24h. `0`: owners are held as guests are.
	OwnerGrace time.Duration `env:"SHARE_PROXY_OWNER_GRACE"`

	// How many known credentials per second this process may ask the Hub
	// about again. From 1 to 10000. Beyond it guests are held in turn, and it
	// is counted.
	HubBudget int `env:"SHARE_PROXY_HUB_BUDGET"`

	// How long requests may finish after SIGTERM. Up to 1h. `0`: they are
	// ended at once.
	Drain time.Duration `env:"SHARE_PROXY_DRAIN"`

	// Networks (CIDR, separated by commas) whose `X-Forwarded-*`, `Forwarded`,
	// `X-Scheme` and `X-Real-IP` are believed. Needed behind whatever ends TLS.
	// Not set: nobody's; such headers are dropped and written anew.
	TrustedProxies []netip.Prefix `env:"SHARE_PROXY_TRUSTED_PROXIES"`

	// `observe` decides, logs and counts, but refuses nobody and cuts
	// nothing. For a first look only: with it nothing is enforced.
	Enforce Mode `env:"SHARE_PROXY_ENFORCE"`

	// The service's own Hub token. Accepted and not used yet: it will serve
	// the sharing pages.
	HubToken Secret `env:"SHARE_PROXY_HUB_TOKEN"`

	// As `SHARE_PROXY_HUB_TOKEN`, under the name by which JupyterHub gives it
	// to services. Accepted and not used yet.
	ServiceToken Secret `env:"JUPYTERHUB_API_TOKEN"`

	// Key for what is kept in Redis, 16 characters or more, such as `openssl
	// rand -hex 32` makes them. Several, separated by commas, to change it: the
	// first seals, all open. Not set: `CONFIGPROXY_AUTH_TOKEN` is the key.
	// Without Redis nothing uses it yet.
	Secret Secret `env:"SHARE_PROXY_SECRET" default:"derived"`

	// Address on which the sharing pages listen.
	ServiceAddr string `env:"SHARE_PROXY_SERVICE_ADDR" later:"true"`

	// Another proxy or a user server, to which everything is sent.
	Upstream string `env:"SHARE_PROXY_UPSTREAM" later:"true"`

	// Route API of another proxy, mirrored.
	RoutesURL string `env:"SHARE_PROXY_ROUTES_URL" later:"true"`

	// `1`: beside one user server.
	Server string `env:"SHARE_PROXY_SERVER" later:"true"`

	// Form of the log on standard output: `json` or `text`.
	LogFormat LogFormat `env:"SHARE_PROXY_LOG_FORMAT"`

	// Flags are the command line.
	Flags Flags `env:"-"`
}

// Mode says whether decisions are enforced. The zero Mode enforces.
type Mode int

// The modes of SHARE_PROXY_ENFORCE.
const (
	Enforcing Mode = iota
	Observing
)

// String returns the word that stands for m in the environment.
func (m Mode) String() string {
	if m == Observing {
		return "observe"
	}
	return "on"
}

// LogFormat is the form of the log. The zero LogFormat is JSON.
type LogFormat int

// The forms of SHARE_PROXY_LOG_FORMAT.
const (
	LogJSON LogFormat = iota
	LogText
)

// String returns the word that stands for f in the environment.
func (f LogFormat) String() string {
	if f == LogText {
		return "text"
	}
	return "json"
}

// defaults returns the Config of an empty environment and command line.
func defaults() Config {
	return Config{
		RevocationBound: time.Second,
		RecheckGuests:   5 * time.Second,
		RecheckOwners:   time.Minute,
		RegrantGrace:    300 * time.Millisecond,
		HoldLimit:       time.Minute,
		OwnerGrace:      15 * time.Minute,
		HubBudget:       50,
		Drain:           10 * time.Second,
		Flags:           defaultFlags(),
	}
}
