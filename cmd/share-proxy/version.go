package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// Set by the linker: -X main.version=1.2.3 -X main.commit=0123abc. Without it
// the build information of the Go toolchain is used.
var version, commit string //nolint:gochecknoglobals // only the linker writes them

// build is what `share-proxy version` prints.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
}

// currentBuild returns what is known of this binary; what is not is
// "unknown", and "devel" for the version.
func currentBuild() build {
	b := build{Version: version, Commit: commit, Go: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.fill(info)
	}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "devel"
	}
	if b.Commit == "" {
		b.Commit = "unknown"
	}
	return b
}

// fill sets what the linker left open.
func (b *build) fill(info *debug.BuildInfo) {
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	if b.Commit != "" {
		return
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Commit = s.Value
		}
	}
}

// versionCommand is `share-proxy version [--json]`.
func versionCommand(args []string, stdout, stderr io.Writer) int {
	b := currentBuild()
	switch {
	case len(args) == 0:
		fmt.Fprintf(stdout, "share-proxy %s (commit %s, %s)\n", b.Version, b.Commit, b.Go)
	case len(args) == 1 && args[0] == "--json":
		line, err := json.Marshal(b)
		if err != nil {
			fmt.Fprintf(stderr, "share-proxy: %v\n", err)
			return 1
		}
		fmt.Fprintf(stdout, "%s\n", line)
	default:
		fmt.Fprintln(stderr, "usage: share-proxy version [--json]")
		return 2
	}
	return 0
}
