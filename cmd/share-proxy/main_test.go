package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// childMode makes the test binary do something else than testing, for what
// only a process of its own can show.
const childMode = "TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childMode) {
	case "program":
		main()
	case "deaf": // shuts down for ever after the first signal
		ctx, stop := untilSignal(context.Background())
		defer stop()
		fmt.Println("up")
		<-ctx.Done()
		fmt.Println("down")
		select {}
	default:
		os.Exit(m.Run())
	}
}

// outcome of a call of run.
type outcome struct {
	code           int
	stdout, stderr string
}

func runWith(t *testing.T, environ []string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, environ, &stdout, &stderr)
	return outcome{code, stdout.String(), stderr.String()}
}

func TestCommands(t *testing.T) {
	for _, test := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string
	}{
		{"without a command it prints its usage and fails", []string{"share-proxy"}, 2, "", "usage: share-proxy <command>"},
		{"without even a name too", nil, 2, "", "usage: share-proxy <command>"},
		{"an unknown command fails", []string{"share-proxy", "sevre"}, 2, "", `unknown command "sevre"`},
		{"help is no failure", []string{"/usr/bin/share-proxy", "help"}, 0, "usage: share-proxy <command>", ""},
		{"serve lists its flags", []string{"share-proxy", "serve", "--help"}, 0, "--error-target <url>", ""},
		{"under CHP's name it is serve", []string{"/usr/local/bin/configurable-http-proxy", "-h"}, 0, "--error-target <url>", ""},
		{"under CHP's name a command is an argument", []string{"configurable-http-proxy", "doctor"}, 1, "", "no flag"},
		{"CHP's version flag", []string{"configurable-http-proxy", "--version"}, 0, currentBuild().Version + "\n", ""},
		{"CHP's short version flag", []string{"configurable-http-proxy", "-V"}, 0, currentBuild().Version + "\n", ""},
		{"a fault in a flag is 1, as CHP", []string{"configurable-http-proxy", "--bogus"}, 1, "", "share-proxy: --bogus: unknown flag"},
		{"version", []string{"share-proxy", "version"}, 0, "share-proxy " + currentBuild().Version + " (commit ", ""},
		{"version with an argument", []string{"share-proxy", "version", "--yaml"}, 2, "", "usage: share-proxy version"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := runWith(t, nil, test.args...)
			if got.code != test.code || !strings.Contains(got.stdout, test.stdout) || !strings.Contains(got.stderr, test.stderr) {
				t.Errorf("run(%q) = %+v, want code %d, %q on stdout, %q on stderr",
					test.args, got, test.code, test.stdout, test.stderr)
			}
		})
	}
}

func TestVersionForMachines(t *testing.T) {
	got := runWith(t, nil, "share-proxy", "version", "--json")
	var b map[string]string
	if err := json.Unmarshal([]byte(got.stdout), &b); err != nil || got.code != 0 {
		t.Fatalf("version --json = %+v, %v", got, err)
	}
	for _, key := range []string{"version", "commit", "go"} {
		if b[key] == "" {
			t.Errorf("version --json has no %q: %s", key, got.stdout)
		}
	}
}
