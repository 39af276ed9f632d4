package main

import (
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestFlagsAsCHPReadsThem(t *testing.T) {
	url := func(s string) any {
		u, err := parseHTTPURL(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	for _, test := range []struct {
		name  string
		args  string // separated by blanks; _ stands for an empty argument
		field string
		want  any
	}{
		{"a value in the next argument", "--ip 10.0.0.1", "IP", "10.0.0.1"},
		{"a value behind an equals sign", "--ip=10.0.0.1", "IP", "10.0.0.1"},
		{"a value with an equals sign", "--pid-file=/a=b", "PIDFile", "/a=b"},
		{"an empty value", "--ip=", "IP", ""},
		{"an empty value in the next argument", "--ip _ --port 9000", "Port", 9000},
		{"a value that begins with dashes", "--pid-file --port", "PIDFile", "--port"},
		{"the last one wins", "--ip=1.1.1.1 --ip 2.2.2.2", "IP", "2.2.2.2"},
		{"the last number wins", "--port=8000 --port=8010", "Port", 8010},
		{"an IPv6 address in brackets", "--ip [::1]", "IP", "::1"},
		{"no port is 8000", "", "Port", 8000},
		{"an empty port is 8000", "--port=", "Port", 8000},
		{"the API is on localhost", "", "APIIP", "localhost"},
		{"the API's port is one above", "--port 9000", "APIPort", 9001},
		{"wherever --port stands", "--api-port 7 --port 9000", "APIPort", 7},
		{"an empty API port is one above", "--api-port= --port 9000", "APIPort", 9001},
		{"a free port goes with a free API port", "--port 0", "APIPort", 0},
		{"metrics are off", "", "MetricsPort", 0},
		{"a port for metrics", "--metrics-port 9100", "MetricsPort", 9100},
		{"an address for metrics", "--metrics-ip 127.0.0.1", "MetricsIP", "127.0.0.1"},
		{"an error target", "--error-target http://hub:8081/hub/error", "ErrorTarget", url("http://hub:8081/hub/error")},
		{"a default target", "--default-target=http://hub:8081", "DefaultTarget", url("http://hub:8081")},
		{"a target taken back", "--default-target=http://hub:8081 --default-target=", "DefaultTarget", reflect.Zero(reflect.TypeFor[Flags]().Field(4).Type).Interface()},
		{"host routing", "--host-routing", "HostRouting", true},
		{"keep-alive in milliseconds", "--keep-alive-timeout 1500", "KeepAliveTimeout", 1500 * time.Millisecond},
		{"keep-alive left to the server", "--keep-alive-timeout=", "KeepAliveTimeout", time.Duration(0)},
		{"the log's level", "--log-level debug", "LogLevel", slog.LevelDebug},
		{"the log's level is info", "--log-level=", "LogLevel", slog.LevelInfo},
		{"only warnings", "--log-level=warn", "LogLevel", slog.LevelWarn},
		{"only errors", "--log-level=error", "LogLevel", slog.LevelError},
		{"help", "-h", "Help", true},
		{"a time limit of nothing, as CHP's default", "--timeout=0 --proxy-timeout 0 --redirect-to= --port 1", "Port", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseFlags(words(test.args))
			if err != nil {
				t.Fatal(err)
			}
			if have := reflect.ValueOf(got).FieldByName(test.field).Interface(); !reflect.DeepEqual(have, test.want) {
				t.Errorf("parseFlags(%q).%s = %v, want %v", test.args, test.field, have, test.want)
			}
		})
	}
}

func words(line string) []string {
	args := strings.Fields(line)
	for i := range args {
		if args[i] == "_" {
			args[i] = ""
		}
	}
	return args
}

func TestFlagsThatAreRefused(t *testing.T) {
	for _, test := range []struct{ name, args, want string }{
		{"unknown", "--bogus=x", "--bogus: unknown flag"},
		{"unknown and short", "-p", "-p: unknown flag"},
		{"a beginning of one", "--api", "--api: unknown flag"},
		{"an argument", "--port 1 serve", "no flag"},
		{"an empty argument", "_", "no flag"},
		{"nothing but dashes", "--", "--: unknown flag"},
		{"a dash", "-", "-: unknown flag"},
		{"a value for a switch", "--host-routing=yes", "--host-routing: unknown flag"},
		{"no value", "--ip", "--ip: needs a value"},
		{"a port that is no number", "--port=http", "--port: not a port"},
		{"a port that is too high", "--api-port=65536", "--api-port: not a port"},
		{"a negative port", "--metrics-port=-1", "--metrics-port: not a port"},
		{"no port above", "--port=65535", "--api-port: "},
		{"an address with a port", "--ip 10.0.0.1/24", "--ip: not an address"},
		{"a level that CHP takes for silence", "--log-level=trace", "--log-level: "},
		{"keep-alive of nothing", "--keep-alive-timeout=0", "--keep-alive-timeout: "},
		{"a target on a unix socket", "--error-target http+unix://%2Frun%2Fhub/hub/error", "--error-target: a unix socket: not available"},
		{"a target of CHP's other spelling", "--default-target unix+http://x", "--default-target: a unix socket"},
		{"a target that is no URL", "--default-target hub", "--default-target: not an http"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := parseFlags(words(test.args)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("parseFlags(%q) = %v, want %q", test.args, err, test.want)
			}
		})
	}
}

func TestFlagsForLaterEndTheProgram(t *testing.T) {
	for _, name := range strings.Fields(laterValues) {
		for _, args := range [][]string{{name, "1000"}, {name + "=/path"}} {
			if got := runWith(t, nil, append([]string{chpName}, args...)...); got.code != 1 ||
				got.stderr != "share-proxy: "+name+": not available in this version\n" {
				t.Errorf("run(%q) = %+v, want code 1 and one sentence", args, got)
			}
		}
	}
	for _, name := range strings.Fields(laterSwitches) {
		if got := runWith(t, nil, chpName, name); got.code != 1 ||
			got.stderr != "share-proxy: "+name+": not available in this version\n" {
			t.Errorf("run(%q) = %+v, want code 1 and one sentence", name, got)
		}
	}
}

// JupyterHub's and Zero-to-JupyterHub's command lines.
func TestCommandLinesOfTheHub(t *testing.T) {
	for name, args := range map[string]string{
		"JupyterHub 5.5": "--ip _ --port 8000 --api-ip 127.0.0.1 --api-port 8001 --error-target http://127.0.0.1:8081/hub/error --log-level info",
		"with subdomains": "--ip 127.0.0.1 --port 8000 --api-ip 127.0.0.1 --api-port 8001 --error-target http://127.0.0.1:8081/hub/error " +
			"--log-level info --host-routing",
		"Zero-to-JupyterHub": "--ip= --api-ip= --api-port=8001 --default-target=http://hub:8081 --error-target=http://hub:8081/hub/error --port=8000 --log-level=debug",
	} {
		if _, err := parseFlags(words(args)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := parseFlags(words("--port=8443 --redirect-port=8000 --redirect-to=443 --ssl-key=/k --ssl-cert=/c"))
	for _, name := range []string{"--redirect-port", "--redirect-to", "--ssl-key", "--ssl-cert"} {
		if err == nil || !strings.Contains(err.Error(), name+": not available") {
			t.Errorf("TLS of Zero-to-JupyterHub: %v, want a word on %s", err, name)
		}
	}
}
