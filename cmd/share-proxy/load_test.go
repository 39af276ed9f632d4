package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAnEmptyEnvironmentEnforcesWithTheDefaults(t *testing.T) {
	var empty []string
	for _, field := range settings() {
		empty = append(empty, field.Tag.Get("env")+"=", field.Tag.Get("env")+"_FILE=")
	}
	want := defaults()
	want.Flags.APIPort = 8001
	for name, environ := range map[string][]string{"nothing set": nil, "all set to nothing": empty} {
		got, _, err := loadConfig(nil, environ)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want the defaults %+v", name, got, err, want)
		}
		if got.Enforce != Enforcing {
			t.Errorf("%s: Enforce = %v, want on", name, got.Enforce)
		}
	}
}

func TestSettingsAreRead(t *testing.T) {
	cfg, _, err := loadConfig(nil, []string{
		"JUPYTERHUB_API_URL=http://hub:8081/base/hub/api", "CONFIGPROXY_AUTH_TOKEN=tok",
		"SHARE_PROXY_REVOCATION_BOUND=2s", "SHARE_PROXY_RECHECK_GUESTS=3s", "SHARE_PROXY_RECHECK_OWNERS=2m",
		"SHARE_PROXY_REGRANT_GRACE=0s", "SHARE_PROXY_HOLD_LIMIT=90s", "SHARE_PROXY_OWNER_GRACE=0",
		"SHARE_PROXY_HUB_BUDGET=7", "SHARE_PROXY_DRAIN=0s", "SHARE_PROXY_ENFORCE=observe",
		"SHARE_PROXY_TRUSTED_PROXIES=10.1.2.3/8, fd00::/8", "SHARE_PROXY_LOG_FORMAT=text",
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		field     string
		got, want any
	}{
		{"HubAPIURL", cfg.HubAPIURL.String(), "http://hub:8081/base/hub/api"},
		{"APIToken", cfg.APIToken.Reveal(), "tok"},
		{"RevocationBound", cfg.RevocationBound, 2 * time.Second},
		{"RecheckGuests", cfg.RecheckGuests, 3 * time.Second},
		{"RecheckOwners", cfg.RecheckOwners, 2 * time.Minute},
		{"RegrantGrace", cfg.RegrantGrace, time.Duration(0)},
		{"HoldLimit", cfg.HoldLimit, 90 * time.Second},
		{"OwnerGrace", cfg.OwnerGrace, time.Duration(0)},
		{"HubBudget", cfg.HubBudget, 7},
		{"Drain", cfg.Drain, time.Duration(0)},
		{"Enforce", cfg.Enforce, Observing},
		{"TrustedProxies", cfg.TrustedProxies, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}},
		{"LogFormat", cfg.LogFormat, LogText},
	} {
		if !reflect.DeepEqual(test.got, test.want) {
			t.Errorf("%s = %v, want %v", test.field, test.got, test.want)
		}
	}
}

func TestBadSettingsRefuseToStart(t *testing.T) {
	for _, test := range []struct{ name, setting, want string }{
		{"a misspelt mode", "SHARE_PROXY_ENFORCE=flase", "neither on nor observe"},
		{"a mode in capitals", "SHARE_PROXY_ENFORCE=ON", "neither on nor observe"},
		{"a mode as a truth value", "SHARE_PROXY_ENFORCE=false", "neither on nor observe"},
		{"a network that is none", "SHARE_PROXY_TRUSTED_PROXIES=10.0.0.0/99", "no network"},
		{"an address without a mask", "SHARE_PROXY_TRUSTED_PROXIES=10.0.0.1", "no network"},
		{"one bad network among good ones", "SHARE_PROXY_TRUSTED_PROXIES=10.0.0.0/8,", "no network"},
		{"a time without a unit", "SHARE_PROXY_REVOCATION_BOUND=1", "missing unit"},
		{"a bound of nothing", "SHARE_PROXY_REVOCATION_BOUND=0s", "not from 100ms"},
		{"a bound too short", "SHARE_PROXY_REVOCATION_BOUND=99ms", "not from 100ms"},
		{"a bound too long", "SHARE_PROXY_REVOCATION_BOUND=61s", "to 1m0s"},
		{"guests below the bound", "SHARE_PROXY_RECHECK_GUESTS=900ms", "not from 1s"},
		{"guests too long", "SHARE_PROXY_RECHECK_GUESTS=11m", "to 10m0s"},
		{"owners below guests", "SHARE_PROXY_RECHECK_OWNERS=4s", "not from 5s"},
		{"owners too long", "SHARE_PROXY_RECHECK_OWNERS=61m", "to 1h0m0s"},
		{"a negative grace", "SHARE_PROXY_REGRANT_GRACE=-1s", "not from 0s"},
		{"a grace too long", "SHARE_PROXY_REGRANT_GRACE=11s", "to 10s"},
		{"no hold", "SHARE_PROXY_HOLD_LIMIT=0s", "not from 1s"},
		{"a hold too long", "SHARE_PROXY_HOLD_LIMIT=2h", "to 1h0m0s"},
		{"a negative grace of owners", "SHARE_PROXY_OWNER_GRACE=-1s", "not from 0s"},
		{"a grace of owners too long", "SHARE_PROXY_OWNER_GRACE=25h", "to 24h0m0s"},
		{"no budget", "SHARE_PROXY_HUB_BUDGET=0", "not from 1"},
		{"a budget without end", "SHARE_PROXY_HUB_BUDGET=10001", "to 10000"},
		{"a budget that is no number", "SHARE_PROXY_HUB_BUDGET=many", "invalid syntax"},
		{"a negative drain", "SHARE_PROXY_DRAIN=-1s", "not from 0s"},
		{"a drain too long", "SHARE_PROXY_DRAIN=2h", "to 1h0m0s"},
		{"a log of another form", "SHARE_PROXY_LOG_FORMAT=xml", "neither json nor text"},
		{"a Hub that is no URL", "JUPYTERHUB_API_URL=hub:8081", "not an http"},
		{"a Hub without a host", "JUPYTERHUB_API_URL=http:///hub/api", "without a host"},
		{"a Hub with a password", "JUPYTERHUB_API_URL=http://u:p@hub/hub/api", "with a user in it"},
		{"a Hub with a query", "JUPYTERHUB_API_URL=http://hub/hub/api?x=1", "query"},
		{"a token that no header carries", "CONFIGPROXY_AUTH_TOKEN=two words", "blank"},
		{"a token with a newline", "SHARE_PROXY_HUB_TOKEN=tok\n", "blank"},
		{"Redis without a key", "SHARE_PROXY_REDIS_URL=redis://redis", "set CONFIGPROXY_AUTH_TOKEN, or SHARE_PROXY_SECRET"},
		{"an empty key", "SHARE_PROXY_SECRET=one,,two", "empty key"},
		{"the pages' address", "SHARE_PROXY_SERVICE_ADDR=:8003", "not available in this version"},
		{"an upstream", "SHARE_PROXY_UPSTREAM=http://u", "not available in this version"},
		{"another proxy's routes", "SHARE_PROXY_ROUTES_URL=http://u", "not available in this version"},
		{"beside a server", "SHARE_PROXY_SERVER=1", "not available in this version"},
	} {
		t.Run(test.name, func(t *testing.T) {
			name, _, _ := strings.Cut(test.setting, "=")
			got := runWith(t, []string{test.setting}, "share-proxy", "serve")
			if got.code != 1 || !strings.Contains(got.stderr, name+": ") || !strings.Contains(got.stderr, test.want) {
				t.Errorf("serve with %q = %+v, want code 1, %s and %q", test.setting, got, name, test.want)
			}
		})
	}
}

func TestHoldLimitIsNotShorterThanTheGrace(t *testing.T) {
	_, _, err := loadConfig(nil, []string{"SHARE_PROXY_REGRANT_GRACE=5s", "SHARE_PROXY_HOLD_LIMIT=4s"})
	if err == nil || !strings.Contains(err.Error(), "SHARE_PROXY_HOLD_LIMIT: 4s is not from 5s") {
		t.Errorf("loadConfig = %v, want a fault", err)
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	got := runWith(t, []string{
		"SHARE_PROXY_ENFORCE=flase", "SHARE_PROXY_RECHECK_GUESTS=1ms", "SHARE_PROXY_UPSTREAM=http://x",
		"SHARE_PROXY_DRAIN_FILE=/does/not/exist", "SHARE_PROXY_HUB_BUDGET=x",
	}, "share-proxy", "serve", "--bogus", "--port=70000")
	for _, want := range []string{"--bogus", "--port", "SHARE_PROXY_ENFORCE", "SHARE_PROXY_RECHECK_GUESTS",
		"SHARE_PROXY_UPSTREAM", "SHARE_PROXY_DRAIN_FILE", "SHARE_PROXY_HUB_BUDGET"} {
		if !strings.Contains(got.stderr, "share-proxy: "+want+": ") {
			t.Errorf("no line for %s in\n%s", want, got.stderr)
		}
	}
	if lines := strings.Count(got.stderr, "\n"); lines != 7 {
		t.Errorf("%d lines, want one for each of 7 faults:\n%s", lines, got.stderr)
	}
}

func TestSettingsFromFiles(t *testing.T) {
	file := func(content string) string {
		name := filepath.Join(t.TempDir(), "setting")
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for _, test := range []struct {
		name    string
		environ []string
		token   string
		fault   string
	}{
		{"with a newline at the end", []string{"CONFIGPROXY_AUTH_TOKEN_FILE=" + file("tok\n")}, "tok", ""},
		{"with a newline of Windows", []string{"CONFIGPROXY_AUTH_TOKEN_FILE=" + file("tok\r\n")}, "tok", ""},
		{"without one", []string{"CONFIGPROXY_AUTH_TOKEN_FILE=" + file("tok")}, "tok", ""},
		{"beside an empty variable", []string{"CONFIGPROXY_AUTH_TOKEN=", "CONFIGPROXY_AUTH_TOKEN_FILE=" + file("tok")}, "tok", ""},
		{"beside a variable", []string{"CONFIGPROXY_AUTH_TOKEN=a", "CONFIGPROXY_AUTH_TOKEN_FILE=" + file("b")}, "", "set twice"},
		{"that is empty", []string{"CONFIGPROXY_AUTH_TOKEN_FILE=" + file("\n")}, "", "is empty"},
		{"that is not there", []string{"CONFIGPROXY_AUTH_TOKEN_FILE=/does/not/exist"}, "", "no such file"},
		{"that is too large", []string{"CONFIGPROXY_AUTH_TOKEN_FILE=" + file(strings.Repeat("x", maxSettingFile+1))}, "", "64 KiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg, _, err := loadConfig(nil, test.environ)
			if cfg.APIToken.Reveal() != test.token {
				t.Errorf("token %q, want %q", cfg.APIToken.Reveal(), test.token)
			}
			if (err == nil) != (test.fault == "") || err != nil && !strings.Contains(err.Error(), test.fault) {
				t.Errorf("loadConfig = %v, want %q", err, test.fault)
			}
		})
	}
	t.Run("a bad value is a fault of the variable", func(t *testing.T) {
		_, _, err := loadConfig(nil, []string{"SHARE_PROXY_ENFORCE_FILE=" + file("off\n")})
		if err == nil || !strings.Contains(err.Error(), "SHARE_PROXY_ENFORCE: ") {
			t.Errorf("loadConfig = %v, want a fault", err)
		}
	})
}

func TestWarnings(t *testing.T) {
	for _, test := range []struct {
		name    string
		args    []string
		environ []string
		want    string // "" for none
	}{
		{"nothing to warn about", nil, nil, ""},
		{"a misspelt name", nil, []string{"SHARE_PROXY_ENFROCE=on"}, "SHARE_PROXY_ENFROCE is not a setting"},
		{"a file of a misspelt name", nil, []string{"SHARE_PROXY_TOKEN_FILE=x"}, "SHARE_PROXY_TOKEN_FILE is not a setting"},
		{"what Kubernetes sets for a service named share-proxy", nil, []string{
			"SHARE_PROXY_SERVICE_HOST=10.0.0.1", "SHARE_PROXY_SERVICE_PORT=80", "SHARE_PROXY_SERVICE_PORT_HTTP=80",
			"SHARE_PROXY_PORT=tcp://10.0.0.1:80", "SHARE_PROXY_PORT_80_TCP=tcp://10.0.0.1:80", "SHARE_PROXY_PORT_80_TCP_ADDR=10.0.0.1",
		}, ""},
		{"observe mode", nil, []string{"SHARE_PROXY_ENFORCE=observe"}, "nobody is refused"},
		{"everybody trusted", nil, []string{"SHARE_PROXY_TRUSTED_PROXIES=10.0.0.0/8,::/0"}, "has ::/0"},
		{"a star for an address", []string{"--ip=*"}, nil, "--ip: *"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, warnings, err := loadConfig(test.args, append(test.environ, "CONFIGPROXY_AUTH_TOKEN=tok"))
			if err != nil {
				t.Fatal(err)
			}
			if test.want == "" && len(warnings) > 0 || test.want != "" && (len(warnings) != 1 || !strings.Contains(warnings[0], test.want)) {
				t.Errorf("warnings = %q, want one with %q", warnings, test.want)
			}
		})
	}
	cfg, _, err := loadConfig([]string{"--ip=*", "--api-ip=*", "--metrics-ip=*"}, nil)
	if f := cfg.Flags; err != nil || f.IP+f.APIIP+f.MetricsIP != "" {
		t.Errorf("stars are %q, %q, %q, %v; want all interfaces", f.IP, f.APIIP, f.MetricsIP, err)
	}
	_, warnings, err := loadConfig(nil, nil)
	if err != nil || !slices.ContainsFunc(warnings, func(w string) bool { return strings.Contains(w, "asks for no token") }) {
		t.Errorf("warnings = %q, %v; want one of the missing token", warnings, err)
	}
}

func TestHubAPI(t *testing.T) {
	for _, test := range []struct {
		name, variable, errorTarget, want string
	}{
		{"the variable comes first", "http://hub:1/hub/api", "http://other:2/hub/error", "http://hub:1/hub/api"},
		{"else the error target tells", "", "http://127.0.0.1:8081/hub/error", "http://127.0.0.1:8081/hub/api"},
		{"with a slash at its end", "", "http://127.0.0.1:8081/hub/error/", "http://127.0.0.1:8081/hub/api"},
		{"under a base URL", "", "https://hub/base/hub/error", "https://hub/base/hub/api"},
		{"under an escaped base URL", "", "http://hub/@/space%20word/hub/error", "http://hub/@/space%20word/hub/api"},
		{"with an escaped slash in it", "", "http://hub/a%2Fb/hub/error", "http://hub/a%2Fb/hub/api"},
		{"an error target that is not the Hub's", "", "http://pages/errors", ""},
		{"neither", "", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg, _, err := loadConfig([]string{"--error-target", test.errorTarget}, []string{"JUPYTERHUB_API_URL=" + test.variable})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if u := cfg.hubAPI(); u != nil {
				got = u.String()
			}
			if got != test.want {
				t.Errorf("hubAPI = %q, want %q", got, test.want)
			}
		})
	}
}
