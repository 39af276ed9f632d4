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

// Flags are CHP's flags that do something here.
type Flags struct {
	IP            string     // public address; "" is all interfaces
	Port          int        // public port; 0 picks a free one
	APIIP         string     // address of the route API; "" is all interfaces
	APIPort       int        // its port; 0 picks a free one
	DefaultTarget *url.URL   // where the root route leads at the start, or nil
	ErrorTarget   *url.URL   // who writes error pages, or nil
	LogLevel      slog.Level // nothing below is logged
	HostRouting   bool       // the first segment of a route is the host
	MetricsIP     string     // address of metrics and readiness; "" is all interfaces
	MetricsPort   int        // its port; 0 is off

	// KeepAliveTimeout ends idle client connections; always positive.
	KeepAliveTimeout time.Duration

	PIDFile string // written when all listeners are bound; "" is none

	Help    bool // print the flags and exit
	Version bool // print the version and exit

	apiPortSet bool // --api-port was given
}

func defaultFlags() Flags {
	return Flags{
		Port:             8000,
		APIIP:            "localhost",
		KeepAliveTimeout: 5 * time.Second, // CHP's
	}
}

// errMissingValue is the fault of a flag at the end of the line.
var errMissingValue = errors.New("needs a value")

// parseFlags reads args as CHP's parser (commander) does: --flag value and
// --flag=value, empty values, the last one wins, a value may begin with a
// dash. It reports all faults at once: unknown flags, arguments that are no
// flags, bad values and flags that this version does not do.
func parseFlags(args []string) (Flags, error) {
	f := defaultFlags()
	var faults []error
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		name, value, inline := strings.Cut(arg, "=")
		known, ok := findFlag(name)
		switch {
		case !strings.HasPrefix(arg, "-"):
			// Not the argument itself: it may be the secret of a flag that
			// was written wrongly.
			faults = append(faults, errors.New("an argument that is no flag: all settings are flags or variables"))
			continue
		case !ok, inline && known.value == "":
			faults = append(faults, fmt.Errorf("%s: unknown flag", name))
			continue
		case known.value != "" && !inline:
			if len(args) == 0 {
				faults = append(faults, fmt.Errorf("%s: %w", name, errMissingValue))
				continue
			}
			value, args = args[0], args[1:]
		}
		if err := known.set(&f, value); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", name, err))
		}
	}
	if !f.apiPortSet && f.Port != 0 {
		f.APIPort = f.Port + 1
	}
	if f.APIPort > maxPort {
		faults = append(faults, errors.New("--api-port: --port leaves no port above it; give one"))
	}
	return f, errors.Join(faults...)
}

// flag is one of CHP's flags. value names its value, "" for a switch.
type flag struct {
	name, short, value string
	help               string
	set                func(f *Flags, value string) error
}

func findFlag(name string) (flag, bool) {
	for _, known := range flagTable() {
		if name == known.name || name == known.short && name != "" {
			return known, true
		}
	}
	return flag{}, false
}

// flagTable is CHP 5.3's flag list. Flags without help do nothing yet: using
// them ends the program.
func flagTable() []flag {
	table := []flag{
		{"--ip", "", "address", "public address (all interfaces)",
			func(f *Flags, v string) error { return setHost(&f.IP, v) }},
		{"--port", "", "n", "public port (8000)",
			func(f *Flags, v string) error { return setPort(&f.Port, v, 8000) }},
		{"--api-ip", "", "address", "address of the route API (localhost)",
			func(f *Flags, v string) error { return setHost(&f.APIIP, v) }},
		{"--api-port", "", "n", "port of the route API (port + 1)",
			func(f *Flags, v string) error {
				f.apiPortSet = v != ""
				return setPort(&f.APIPort, v, 0)
			}},
		{"--default-target", "", "url", "where the root route leads at the start",
			func(f *Flags, v string) error { return setTarget(&f.DefaultTarget, v) }},
		{"--error-target", "", "url", "who writes error pages; JupyterHub's is <hub>/error",
			func(f *Flags, v string) error { return setTarget(&f.ErrorTarget, v) }},
		{"--log-level", "", "level", "debug, info, warn or error (info)",
			func(f *Flags, v string) error { return setLevel(&f.LogLevel, v) }},
		{"--host-routing", "", "", "route by host name (--host-routing)",
			func(f *Flags, _ string) error { f.HostRouting = true; return nil }},
		{"--metrics-ip", "", "address", "address of metrics and readiness (all interfaces)",
			func(f *Flags, v string) error { return setHost(&f.MetricsIP, v) }},
		{"--metrics-port", "", "n", "port of metrics and readiness (off)",
			func(f *Flags, v string) error { return setPort(&f.MetricsPort, v, 0) }},
		{"--keep-alive-timeout", "", "ms", "when idle client connections are closed (5000)",
			func(f *Flags, v string) error { return setKeepAlive(&f.KeepAliveTimeout, v) }},
		{"--pid-file", "", "file", "write the process id there when listening",
			func(f *Flags, v string) error { f.PIDFile = v; return nil }},
		{"--help", "-h", "", "print this",
			func(f *Flags, _ string) error { f.Help = true; return nil }},
		{"--version", "-V", "", "print the version",
			func(f *Flags, _ string) error { f.Version = true; return nil }},
	}
	for _, name := range strings.Fields(laterValues) {
		table = append(table, flag{name: name, value: "value", set: notYet})
	}
	for _, name := range strings.Fields(laterSwitches) {
		table = append(table, flag{name: name, set: notYetSwitch})
	}
	return table
}

// CHP's flags that this version knows and does not do.
const (
	laterValues = `--ssl-key --ssl-cert --ssl-ca --ssl-protocol --ssl-ciphers --ssl-dhparam
		--api-ssl-key --api-ssl-cert --api-ssl-ca
		--client-ssl-key --client-ssl-cert --client-ssl-ca
		--redirect-port --redirect-to --socket --api-socket --metrics-socket
		--timeout --proxy-timeout --error-path --custom-header --protocol-rewrite --storage-backend`
	laterSwitches = `--ssl-request-cert --ssl-reject-unauthorized --ssl-allow-rc4
		--api-ssl-request-cert --api-ssl-reject-unauthorized
		--client-ssl-request-cert --client-ssl-reject-unauthorized
		--auto-rewrite --change-origin --insecure
		--no-x-forward --no-prepend-path --no-include-prefix`
)

// errNotAvailable is the fault of everything that is declared for later.
var errNotAvailable = errors.New("not available in this version")

// notYet is the setter of a flag that does nothing yet. Empty and zero are
// what CHP has without the flag.
func notYet(_ *Flags, value string) error {
	if value == "" || value == "0" {
		return nil
	}
	return errNotAvailable
}

func notYetSwitch(*Flags, string) error { return errNotAvailable }

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
		*timeout = defaultFlags().KeepAliveTimeout
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
	u, err := url.Parse(value)
	switch {
	case err != nil:
		return nil, errors.New("not a URL")
	case strings.Contains(u.Scheme, "unix"):
		return nil, fmt.Errorf("a unix socket: %w", errNotAvailable)
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

// flagHelp lists the flags for --help.
func flagHelp() string {
	var b strings.Builder
	b.WriteString("usage: share-proxy serve [flags]\n\n")
	for _, f := range flagTable() {
		if f.help == "" {
			continue
		}
		name := f.name
		if f.short != "" {
			name = f.short + ", " + name
		}
		if f.value != "" {
			name += " <" + f.value + ">"
		}
		fmt.Fprintf(&b, "  %-28s %s\n", name, f.help)
	}
	b.WriteString("\nFlags of configurable-http-proxy that are not listed end the program.\n")
	return b.String()
}
