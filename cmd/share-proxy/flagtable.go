package main

import (
	"errors"
	"fmt"
	"strings"
)

// chpFlag is one of CHP's flags. value names its value, "" for a switch.
type chpFlag struct {
	name, short, value string
	help               string
	set                func(f *Flags, value string) error
}

func findFlag(name string) (chpFlag, bool) {
	for _, known := range flagTable() {
		if name == known.name || name == known.short && name != "" {
			return known, true
		}
	}
	return chpFlag{}, false
}

// flagTable is CHP 5.3's flag list. Flags without help do nothing yet: using
// them ends the program.
func flagTable() []chpFlag {
	table := []chpFlag{
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
		{"--keep-alive-timeout", "", "ms", "when idle client connections are closed (75000)",
			func(f *Flags, v string) error { return setKeepAlive(&f.KeepAliveTimeout, v) }},
		{"--pid-file", "", "file", "write the process id there when listening",
			func(f *Flags, v string) error { f.PIDFile = v; return nil }},
		{"--help", "-h", "", "print this",
			func(f *Flags, _ string) error { f.Help = true; return nil }},
		{"--version", "-V", "", "print the version",
			func(f *Flags, _ string) error { f.Version = true; return nil }},
	}
	for _, name := range strings.Fields(laterValues) {
		table = append(table, chpFlag{name: name, value: "value", set: notYet})
	}
	for _, name := range strings.Fields(laterSwitches) {
		table = append(table, chpFlag{name: name, set: notYetSwitch})
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
