package main

import (
	"slices"
	"strings"
	"testing"
)

func TestWhereTheLogIsKept(t *testing.T) {
	const redis, token = "SHARE_PROXY_REDIS_URL=redis://:" + planted + "@redis", "CONFIGPROXY_AUTH_TOKEN=" + planted
	for _, test := range []struct {
		name    string
		environ []string
		fault   string // "" for none
		keys    []string
	}{
		{"in memory, without a key", nil, "", nil},
		{"in a file", []string{"SHARE_PROXY_DATA_DIR=/data"}, "", nil},
		{"in Redis, by the route API's token", []string{redis, token}, "", []string{planted}},
		{"in Redis, by a key of its own", []string{redis, token, "SHARE_PROXY_SECRET=a-key-of-its-own"}, "", []string{"a-key-of-its-own"}},
		{"in Redis, with a new and an old key", []string{redis, "SHARE_PROXY_SECRET=new, old"}, "", []string{"new", "old"}},
		{"in Redis without a key", []string{redis}, "SHARE_PROXY_REDIS_URL: no key for what is kept there: set CONFIGPROXY_AUTH_TOKEN, or SHARE_PROXY_SECRET", nil},
		{"in Redis and in a file", []string{redis, token, "SHARE_PROXY_DATA_DIR=/data"}, "SHARE_PROXY_DATA_DIR: SHARE_PROXY_REDIS_URL is set too", []string{planted}},
		{"with an empty key", []string{redis, "SHARE_PROXY_SECRET=new,"}, "SHARE_PROXY_SECRET: has an empty key", []string{"new", ""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg, _, err := loadConfig(nil, test.environ)
			if (err == nil) != (test.fault == "") || err != nil && !strings.Contains(err.Error(), test.fault) {
				t.Errorf("loadConfig = %v, want %q", err, test.fault)
			}
			if err != nil && strings.Contains(err.Error(), planted) {
				t.Errorf("the fault shows a secret: %v", err)
			}
			if keys := cfg.secrets(); !slices.Equal(keys, test.keys) {
				t.Errorf("secrets = %q, want %q", keys, test.keys)
			}
		})
	}
}

func TestAKeyThatCanBeGuessedIsWarnedAbout(t *testing.T) {
	const redis = "SHARE_PROXY_REDIS_URL=redis://redis"
	for _, test := range []struct {
		name    string
		environ []string
		want    bool
	}{
		{"a short token", []string{redis, "CONFIGPROXY_AUTH_TOKEN=short"}, true},
		{"a short key among long ones", []string{redis, "SHARE_PROXY_SECRET=0123456789abcdef,short"}, true},
		{"a long key", []string{redis, "SHARE_PROXY_SECRET=0123456789abcdef", "CONFIGPROXY_AUTH_TOKEN=short"}, false},
		{"a short token without Redis", []string{"CONFIGPROXY_AUTH_TOKEN=short"}, false},
	} {
		_, warnings, err := loadConfig(nil, test.environ)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(strings.Join(warnings, "\n"), "can guess it"); got != test.want {
			t.Errorf("%s: warnings = %q, warned about the key: %v, want %v", test.name, warnings, got, test.want)
		}
	}
}
