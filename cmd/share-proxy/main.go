package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	os.Exit(run(context.Background(), os.Args, os.Environ(), os.Stdout, os.Stderr))
}

// chpName is the name under which JupyterHub starts its proxy when nothing
// else is configured. Called by it, the program is "share-proxy serve".
const chpName = "configurable-http-proxy"

const usage = `usage: share-proxy <command>

  serve [flags]     run the proxy; "share-proxy serve --help" lists the flags
  doctor [flags]    check settings, route API, Hub and Redis; exit 1 on a fault
  version [--json]  print version, commit and Go version
  help              print this

Called as configurable-http-proxy it is "share-proxy serve".
Settings: docs/settings.md.
`

// run is the program: args with its name first, the environment as
// os.Environ has it. It returns the exit code, after ctx ends at the latest
// when the drain time is over.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	name, args := programName(args)
	if name == chpName {
		return serveCommand(ctx, args, environ, stdout, stderr)
	}
	command := ""
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch command {
	case "serve":
		return serveCommand(ctx, args, environ, stdout, stderr)
	case "doctor":
		return doctorCommand(ctx, args, environ, stdout, stderr)
	case "version", "--version", "-V":
		return versionCommand(args, stdout, stderr)
	case "help", "--help", "-h":
		fmt.Fprint(stdout, usage)
		return 0
	case "":
		fmt.Fprint(stderr, usage)
		return 2
	default:
		fmt.Fprintf(stderr, "share-proxy: unknown command %q\n\n%s", command, usage)
		return 2
	}
}

// programName splits args into the name without folder and ending, and the
// rest.
func programName(args []string) (string, []string) {
	if len(args) == 0 {
		return "", nil
	}
	return strings.TrimSuffix(filepath.Base(args[0]), ".exe"), args[1:]
}
