package ledger

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseRedisURL(t *testing.T) {
	for url, want := range map[string]redisPlace{
		"redis://redis":    {network: "tcp", host: "redis", addrs: []string{"redis:6379"}},
		"redis://[::1]:7/": {network: "tcp", host: "::1", addrs: []string{"[::1]:7"}},
		"rediss://u:p%2Fq@redis:1/3": {
			network: "tcp", host: "redis", addrs: []string{"redis:1"}, tls: true, user: "u", password: "p/q", db: 3,
		},
		"redis://:p@redis?db=2": {network: "tcp", host: "redis", addrs: []string{"redis:6379"}, password: "p", db: 2},
		"unix://u:p@/run/redis.sock?db=1": {
			network: "unix", addrs: []string{"/run/redis.sock"}, user: "u", password: "p", db: 1,
		},
		"redis://a:1?addr=b:2&addr=c:3": {network: "tcp", host: "a", addrs: []string{"a:1", "b:2", "c:3"}},
		"redis://u:p@a/1?master_name=m&addr=b:2&sentinel_username=s&sentinel_password=t": {
			network: "tcp", host: "a", addrs: []string{"a:26379", "b:2"}, user: "u", password: "p", db: 1,
			primary: "m", sentinelUser: "s", sentinelPassword: "t",
		},
	} {
		got, err := parseRedisURL(url)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", url, got, err, want)
		}
	}
}

func TestParseRedisURLRefuses(t *testing.T) {
	for name, url := range map[string]string{
		"another scheme":           "http://:SECRET@redis",
		"no scheme":                "redis:6379:SECRET",
		"no host":                  "redis://:SECRET@/1",
		"no number for a database": "redis://:SECRET@redis/SECRET",
		"two databases":            "redis://:SECRET@redis/1/2",
		"an addr without a port":   "redis://:SECRET@redis?addr=SECRET",
		"a parameter that is what safety rests on": "redis://:SECRET@redis?read_timeout=60s",
		"no name of a primary":                     "redis://:SECRET@redis?master_name=&addr=a:1",
		"Sentinels' password without Sentinels":    "redis://redis?sentinel_password=SECRET",
		"a database of a cluster":                  "redis://:SECRET@a/1?addr=b:1",
		"two sockets":                              "unix:///a?addr=b:1",
		"a host of a socket":                       "unix://host/a",
		"an unescaped percent sign":                "redis://:SECRET%@redis",
		"an unescaped slash in a password":         "redis://:SEC/SECRET@redis",
		"a port that is none":                      "redis://redis:SECRET",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseRedisURL(url)
			if err == nil {
				t.Fatalf("%s is accepted: %+v", url, got)
			}
			if strings.Contains(err.Error(), "SECRET") {
				t.Errorf("the error repeats what may be a password: %v", err)
			}
		})
	}
}
