package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
)

func TestLogIsAsTheSettingsSay(t *testing.T) {
	var out bytes.Buffer
	cfg := defaults()
	newLogger(cfg, &out).Info("hello", "n", 1)
	if !json.Valid(out.Bytes()) || out.Len() == 0 {
		t.Errorf("the default is %q, want JSON", &out)
	}
	out.Reset()
	cfg.LogFormat, cfg.Flags.LogLevel = LogText, slog.LevelWarn
	log := newLogger(cfg, &out)
	log.Info("hidden")
	log.Warn("hello", "n", 1)
	if got := out.String(); !strings.Contains(got, "level=WARN msg=hello n=1") || strings.Contains(got, "hidden") {
		t.Errorf("text from warn on is %q", got)
	}
}

func TestConfigIsLoggedAsPeopleWriteIt(t *testing.T) {
	cfg, _, err := loadConfig(words("--error-target http://hub/hub/error --api-port 7 --keep-alive-timeout 1500"), []string{"SHARE_PROXY_ENFORCE=observe", "SHARE_PROXY_TRUSTED_PROXIES=10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	newLogger(cfg, &out).Info("starts", "config", cfg)
	for _, want := range []string{
		`"SHARE_PROXY_RECHECK_GUESTS":"5s"`, `"SHARE_PROXY_ENFORCE":"observe"`, `"SHARE_PROXY_TRUSTED_PROXIES":["10.0.0.0/8"]`,
		`"error_target":"http://hub/hub/error"`, `"api_port":7`, `"keep_alive_timeout":"1.5s"`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in %s", want, &out)
		}
	}
	if strings.Contains(out.String(), "SHARE_PROXY_UPSTREAM") {
		t.Errorf("settings of later are logged: %s", &out)
	}
}
