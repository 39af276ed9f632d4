package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const planted = "s3cr3t-3f9a"

func TestNothingPrintsASecret(t *testing.T) {
	cfg, _, err := loadConfig(nil, []string{
		"CONFIGPROXY_AUTH_TOKEN=" + planted, "SHARE_PROXY_HUB_TOKEN=" + planted,
		"JUPYTERHUB_API_TOKEN=" + planted, "SHARE_PROXY_SECRET=" + planted,
	})
	if err != nil {
		t.Fatal(err)
	}
	hidden := struct{ cfg Config }{cfg} // fmt calls no methods in there
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		fmt.Fprintf(&out, verb+"\n", cfg)
		fmt.Fprintf(&out, verb+"\n", &cfg)
		fmt.Fprintf(&out, verb+"\n", hidden)
		fmt.Fprintf(&out, verb+"\n", cfg.APIToken)
	}
	if err := json.NewEncoder(&out).Encode(cfg); err != nil {
		t.Fatal(err)
	}
	newLogger(cfg, &out).Info("json", "config", cfg, "token", cfg.APIToken, "hidden", hidden)
	slog.New(slog.NewTextHandler(&out, nil)).Info("text", "config", cfg, "token", cfg.APIToken, "hidden", hidden)
	hex := fmt.Sprintf("%x", planted)
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, planted) || strings.Contains(line, hex) {
			t.Errorf("printed: %s", line)
		}
	}
	if got := cfg.APIToken.Reveal(); got != planted {
		t.Errorf("Reveal = %q, want the secret", got)
	}
	if !strings.Contains(out.String(), redacted) {
		t.Error("nothing says that a secret is set")
	}
}

func TestTheZeroSecretIsUnset(t *testing.T) {
	for name, s := range map[string]Secret{"zero": {}, "empty": newSecret("")} {
		if s.IsSet() || s.Reveal() != "" || s.String() != "" {
			t.Errorf("%s: IsSet %v, Reveal %q, String %q; want unset and empty", name, s.IsSet(), s.Reveal(), s)
		}
	}
}

func TestFaultsDoNotRepeatSecrets(t *testing.T) {
	for name, environ := range map[string][]string{
		"a token with a blank":           {"CONFIGPROXY_AUTH_TOKEN=" + planted + " x"},
		"set twice":                      {"CONFIGPROXY_AUTH_TOKEN=" + planted, "CONFIGPROXY_AUTH_TOKEN_FILE=" + planted},
		"the secret where the file goes": {"CONFIGPROXY_AUTH_TOKEN_FILE=" + planted},
		"a password in the Hub's URL":    {"JUPYTERHUB_API_URL=http://user:" + planted + "@hub/hub/api"},
		"a broken URL with a password":   {"JUPYTERHUB_API_URL=http://user:" + planted + "@hub:x/"},
		"a store's password":             {"SHARE_PROXY_REDIS_URL=redis://:" + planted + "@redis"},
	} {
		t.Run(name, func(t *testing.T) {
			got := runWith(t, environ, "share-proxy", "serve", "--error-target", "http://u:"+planted+"@hub", planted)
			if got.code != 1 || got.stderr == "" || strings.Contains(got.stderr+got.stdout, planted) {
				t.Errorf("serve = %+v, want code 1 and faults without the secret", got)
			}
		})
	}
}
