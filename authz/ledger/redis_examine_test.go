package ledger_test

import (
	"context"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/redistest"
)

// examine examines what a URL names.
func examine(t *testing.T, url string) []ledger.Finding {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return openStore(t, url).Examine(ctx)
}

// want is what a finding should be.
type want struct {
	grade       ledger.Grade
	text        string // a part of it
	unreachable bool
}

// expect fails the test unless the findings are those.
func expect(t *testing.T, got []ledger.Finding, wanted ...want) {
	t.Helper()
	for _, w := range wanted {
		if !slices.ContainsFunc(got, func(f ledger.Finding) bool {
			return f.Grade == w.grade && strings.Contains(f.Text, w.text) && f.Unreachable == w.unreachable
		}) {
			t.Errorf("no finding is %+v", w)
		}
	}
	if len(got) != len(wanted) || t.Failed() {
		t.Errorf("findings: %+v", got)
	}
}

func TestExamineFindsNothingWrong(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	expect(t, examine(t, "redis://"+server.Addr), want{grade: ledger.Fine})
	if keys, err := server.Do("KEYS", "*"); err != nil || len(keys.([]any)) != 0 {
		t.Errorf("the examination left %v, %v", keys, err)
	}
}

func TestExamineSaysWhatIsWrongWithTheServer(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	set := func(args ...string) {
		t.Helper()
		if _, err := server.Do(args...); err != nil {
			t.Fatal(err)
		}
	}
	url := "redis://" + server.Addr
	set("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	expect(t, examine(t, url), want{grade: ledger.Doubtful, text: "allkeys-lru"})
	set("CONFIG", "SET", "maxmemory", "100mb")
	expect(t, examine(t, url), want{grade: ledger.Faulty, text: "allkeys-lru"})
	set("CONFIG", "SET", "maxmemory-policy", "volatile-ttl") // what expires may go
	expect(t, examine(t, url), want{grade: ledger.Fine})
	replica := redistest.Start(t, redistest.Options{Config: []string{"replicaof " + strings.Replace(server.Addr, ":", " ", 1)}})
	got := examine(t, "redis://"+replica.Addr)
	if len(got) < 2 || !strings.Contains(got[0].Text, "read-only replica") || !strings.Contains(got[1].Text, "READONLY") {
		t.Errorf("of a replica: %+v", got)
	}
}

func TestExamineSaysWhyRedisIsNotReached(t *testing.T) {
	plain := redistest.Start(t, redistest.Options{})
	secret := redistest.Start(t, redistest.Options{Password: "right"})
	secure := redistest.Start(t, redistest.Options{TLS: redistest.TLS(t)})
	hole := redistest.Between(t, plain.Addr)
	hole.BlackHole()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	_ = l.Close()
	for name, test := range map[string]struct{ url, text string }{
		"nobody listens":             {"redis://" + nobody, "nobody listens"},
		"no such host":               {"redis://redis.invalid", "no such host"},
		"a black hole":               {"redis://" + hole.Addr(), "no answer in time"},
		"no password":                {"redis://" + secret.Addr, "user name or password is refused"},
		"a wrong password":           {"redis://:SECRET@" + secret.Addr, "user name or password is refused"},
		"a wrong user":               {"redis://bob:SECRET@" + secret.Addr, "user name or password is refused"},
		"TLS to a plain server":      {"rediss://" + plain.Addr, "is TLS spoken there?"},
		"no TLS to a server with it": {"redis://" + secure.Addr, "does it want TLS"},
		"a certificate nobody knows": {"rediss://" + secure.Addr, "signed by nobody"},
		"no Sentinels":               {"redis://" + nobody + "?master_name=shares", "nobody listens"},
		"a server for a Sentinel":    {"redis://" + plain.Addr + "?master_name=shares", "ERR unknown command"},
	} {
		t.Run(name, func(t *testing.T) {
			got := examine(t, test.url)
			expect(t, got, want{ledger.Faulty, test.text, true})
			if strings.Contains(got[0].Text, "SECRET") {
				t.Errorf("the password is repeated: %s", got[0].Text)
			}
		})
	}
}

// acl is the user that the documentation of [ledger.Redis] asks for, in one
// line.
func acl(t *testing.T) string {
	t.Helper()
	var words []string
	for line := range strings.Lines(readFile(t, "redis.go")) {
		line = strings.TrimSpace(strings.TrimPrefix(line, "//"))
		if strings.HasPrefix(line, "user NAME on ") || len(words) > 0 {
			if line == "" {
				break
			}
			words = append(words, strings.NewReplacer("NAME", "proxy", "PASSWORD", "secret").Replace(line))
		}
	}
	if len(words) == 0 {
		t.Fatal("the documentation names no user")
	}
	return strings.Join(words, " ")
}

func TestExamineNamesCommandsThatAnACLRefuses(t *testing.T) {
	line := acl(t)
	server := redistest.Start(t, redistest.Options{Users: []string{"user default on nopass ~* &* +@all", line}})
	expect(t, examine(t, "redis://proxy:secret@"+server.Addr), want{grade: ledger.Fine})
	for _, command := range regexp.MustCompile(`\+(\S+)`).FindAllStringSubmatch(line, -1) {
		name := command[1]
		if name == "select" || strings.HasPrefix(name, "cluster") {
			continue // not used here
		}
		if _, err := server.Do("ACL", "SETUSER", "proxy", "-"+name); err != nil {
			t.Fatal(err)
		}
		found := examine(t, "redis://proxy:secret@"+server.Addr)
		if !slices.ContainsFunc(found, func(f ledger.Finding) bool {
			return f.Grade == ledger.Faulty && strings.Contains(strings.ToLower(f.Text), "'"+name+"'")
		}) {
			t.Errorf("without +%s: %+v", name, found)
		}
		if _, err := server.Do("ACL", "SETUSER", "proxy", "+"+name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := server.Do("ACL", "SETUSER", "proxy", "resetkeys", "resetchannels"); err != nil {
		t.Fatal(err)
	}
	if found := examine(t, "redis://proxy:secret@"+server.Addr); len(found) < 2 {
		t.Errorf("without keys and channels: %+v", found)
	}
}

func TestEveryCommandOfAScriptIsExamined(t *testing.T) {
	samples := readFile(t, "redis_examine.go")
	for _, script := range scripts(t) {
		for _, call := range regexp.MustCompile(`redis\.call\('([A-Z]+)'`).FindAllStringSubmatch(readFile(t, script), -1) {
			if !strings.Contains(samples, `{"`+call[1]+`"`) {
				t.Errorf("%s uses %s, which is not examined", script, call[1])
			}
		}
	}
}

func TestExamineCountsNodes(t *testing.T) {
	t.Parallel()
	set := redistest.StartSentinels(t, redistest.Options{})
	expect(t, examine(t, set.URL("")), want{grade: ledger.Fine})
	expect(t, examine(t, "redis://"+set.Data[0].Addr), want{grade: ledger.Doubtful, text: "2 replica(s)"})
	expect(t, examine(t, strings.Replace(set.URL(""), redistest.Name, "nobody", 1)), want{ledger.Faulty, "No such master", true})
	redistest.Must(t, set.Data[1].Pause())
	expect(t, examine(t, set.URL("")), want{grade: ledger.Fine})
	redistest.Must(t, set.Data[2].Pause())
	expect(t, examine(t, set.URL("")), want{grade: ledger.Faulty, text: "0 of 1 replicas"})
}

func TestExamineAsUsersOfFewRights(t *testing.T) {
	t.Parallel()
	t.Run("of Sentinels", func(t *testing.T) {
		set := redistest.StartSentinels(t, redistest.Options{})
		allow(t, acl(t), set.Data...)
		rights := regexp.MustCompile(`At Sentinels: ([^.]+)\.`).FindStringSubmatch(strings.ReplaceAll(readFile(t, "redis.go"), "\n//", ""))
		allow(t, "user watcher on >seen "+rights[1], set.Watchers...)
		expect(t, examine(t, set.URL("proxy:secret@")+"&sentinel_username=watcher&sentinel_password=seen"), want{grade: ledger.Fine})
	})
	t.Run("of a cluster", func(t *testing.T) {
		cluster := redistest.StartCluster(t, redistest.Options{})
		allow(t, acl(t), cluster.Nodes...)
		expect(t, examine(t, cluster.URL("proxy:secret@")), want{grade: ledger.Fine})
		expect(t, examine(t, "redis://"+cluster.Nodes[0].Addr), want{grade: ledger.Faulty, text: "a node of a cluster"},
			want{grade: ledger.Doubtful, text: "2 replica(s)"})
	})
}

// allow makes a user at servers.
func allow(t *testing.T, line string, servers ...*redistest.Server) {
	t.Helper()
	for _, server := range servers {
		args := append([]string{"ACL", "SETUSER"}, strings.Fields(line)[1:]...)
		if _, err := server.Do(args...); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
	}
}
