package main

import (
	"net"
	"strings"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/redistest"
)

func TestDoctorLooksAtRedis(t *testing.T) {
	redistest.Need(t)
	healthy := redistest.Start(t, redistest.Options{Password: planted})
	forgetful := redistest.Start(t, redistest.Options{Config: []string{"maxmemory 100mb", "maxmemory-policy allkeys-lru"}})
	replica := redistest.Start(t, redistest.Options{Config: []string{"replicaof 127.0.0.1 1"}})
	strict := redistest.Start(t, redistest.Options{Users: []string{"user default off", "user proxy on >" + planted + " ~* &* +@all -eval -evalsha"}})
	gone := redistest.Start(t, redistest.Options{})
	if err := gone.Kill(); err != nil {
		t.Fatal(err)
	}
	hub := "JUPYTERHUB_API_URL=" + fakeHub(t, "", "5.5.1") + "/hub/api"
	host, port, err := net.SplitHostPort(fakeRoutes(t, planted, `{}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, url string
		code      int
		want      string // a line that is there
	}{
		{"that has all that is needed", "redis://:" + planted + "@" + healthy.Addr, 0, "ok       redis: "},
		{"that is not there", "redis://:" + planted + "@" + gone.Addr, 1, "fault    redis: "},
		{"that wants another password", "redis://:" + planted + "x@" + healthy.Addr, 1, "fault    redis: "},
		{"that does not speak TLS", "rediss://:" + planted + "@" + healthy.Addr, 1, "TLS"},
		{"that may forget", "redis://" + forgetful.Addr, 1, "maxmemory-policy is allkeys-lru"},
		{"that is a replica", "redis://" + replica.Addr, 1, "read-only replica"},
		{"that refuses a command", "redis://proxy:" + planted + "@" + strict.Addr, 1, "evalsha"},
		{"by a URL that is none", "redis//" + planted, 1, "fault    log: SHARE_PROXY_REDIS_URL: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := runWith(t, []string{hub, "CONFIGPROXY_AUTH_TOKEN=" + planted, "SHARE_PROXY_REDIS_URL=" + test.url},
				"share-proxy", "doctor", "--api-ip", host, "--api-port", port)
			if got.code != test.code || !strings.Contains(got.stdout, test.want) {
				t.Errorf("doctor = %+v, want code %d and %q", got, test.code, test.want)
			}
			if strings.Contains(got.stdout+got.stderr, planted) {
				t.Errorf("a secret is printed: %+v", got)
			}
		})
	}
}
