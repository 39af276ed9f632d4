package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/ledgertest"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/redistest"
)

// heartbeat is that of Δ = 1 s, and patience the deadline of its turns.
const (
	heartbeat = 250 * time.Millisecond
	patience  = 200 * time.Millisecond
)

// openStore opens a store until the test ends.
func openStore(t testing.TB, url string) *ledger.Redis {
	t.Helper()
	s, err := ledger.OpenRedis(url, heartbeat, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("OpenRedis: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// runSuite runs the suite of stores on handles that open makes, each test on an
// empty server.
func runSuite(t *testing.T, server *redistest.Server, open func(t *testing.T) ledger.Store) {
	ledgertest.RunStore(t, func(t *testing.T) ledgertest.NewHandle {
		flush(t, server)
		return func() ledger.Store { return open(t) }
	})
}

func flush(t testing.TB, server *redistest.Server) {
	t.Helper()
	if _, err := server.Do("FLUSHALL"); err != nil {
		t.Fatal(err)
	}
}

func TestRedisIsAStore(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	runSuite(t, server, func(t *testing.T) ledger.Store { return openStore(t, "redis://"+server.Addr) })
}

// With TLS, in a database of its own, and as the user of the documentation, who
// may do nothing else.
func TestRedisIsAStoreForAUserOfFewRights(t *testing.T) {
	certificates := redistest.TLS(t)
	server := redistest.Start(t, redistest.Options{
		TLS: certificates, Users: []string{"user default on nopass ~* &* +@all", acl(t)},
	})
	runSuite(t, server, func(t *testing.T) ledger.Store {
		s, err := ledger.OpenRedisTrusting("rediss://proxy:secret@"+server.Addr+"/3", heartbeat, slog.New(slog.DiscardHandler), certificates.Roots)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	})
}

func TestRedisBehindSentinelsIsAStore(t *testing.T) {
	t.Parallel()
	set := redistest.StartSentinels(t, redistest.Options{Password: "secret"})
	runSuite(t, set.Data[0], func(t *testing.T) ledger.Store { return openStore(t, set.URL(":secret@")) })
}

func TestRedisInAClusterIsAStore(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, redistest.Options{})
	runSuite(t, cluster.Nodes[0], func(t *testing.T) ledger.Store { return openStore(t, cluster.URL("")) })
}

func TestRedisBySocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "redis.sock")
	redistest.Start(t, redistest.Options{Config: []string{"unixsocket " + socket}})
	begin(t, openStore(t, "unix://"+socket))
}

// begin begins a log and takes a turn.
func begin(t testing.TB, s ledger.Store) ledger.View {
	t.Helper()
	if err := s.Create(t.Context(), ledger.Creation{Incarnation: "inc"}); err != nil {
		t.Fatalf("Create: %v", err)
	}
	v, err := s.Turn(t.Context(), ledger.Turn{Incarnation: "inc", Member: "m1", Limit: 10})
	if err != nil || v.Incarnation != "inc" {
		t.Fatalf("Turn: %+v, %v", v, err)
	}
	return v
}

// methods are all calls of a store that end.
var methods = map[string]func(context.Context, ledger.Store) error{
	"Turn": func(ctx context.Context, s ledger.Store) error {
		_, err := s.Turn(ctx, ledger.Turn{Incarnation: "inc", Member: "m1", Joined: true, Limit: 10})
		return err
	},
	"Create": func(ctx context.Context, s ledger.Store) error {
		return s.Create(ctx, ledger.Creation{Incarnation: "i"})
	},
	"Records": func(ctx context.Context, s ledger.Store) error {
		_, err := s.Records(ctx, "inc")
		return err
	},
	"IDs": func(ctx context.Context, s ledger.Store) error {
		_, err := s.IDs(ctx, "inc", 10)
		return err
	},
	"Drop":     func(ctx context.Context, s ledger.Store) error { return s.Drop(ctx, "m2", 1) },
	"Forget":   func(ctx context.Context, s ledger.Store) error { return s.Forget(ctx, "m2") },
	"Announce": func(ctx context.Context, s ledger.Store) error { return s.Announce(ctx, "inc", "i1", []byte("x")) },
	"Withdraw": func(ctx context.Context, s ledger.Store) error { return s.Withdraw(ctx, "inc", "i1") },
	"Intents": func(ctx context.Context, s ledger.Store) error {
		_, err := s.Intents(ctx, "inc")
		return err
	},
	"StoreAnswer": func(ctx context.Context, s ledger.Store) error {
		return s.StoreAnswer(ctx, ledger.SharedAnswer{Incarnation: "inc", Key: "k", TTL: 1000})
	},
	"Answer": func(ctx context.Context, s ledger.Store) error {
		_, err := s.Answer(ctx, "inc", "k")
		return err
	},
	"MergeActivity": func(ctx context.Context, s ledger.Store) error {
		_, err := s.MergeActivity(ctx, map[string]int64{"/": 1}, nil, 0)
		return err
	},
}

func TestRedisThatRefusesIsAnError(t *testing.T) {
	server := redistest.Start(t, redistest.Options{Password: "right"})
	for name, call := range methods {
		if err := call(t.Context(), openStore(t, "redis://:wrong@"+server.Addr)); err == nil {
			t.Errorf("%s with a wrong password is no error", name)
		}
	}
}

func TestRedisThatBecomesAReplicaIsAnError(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	s := openStore(t, "redis://"+server.Addr)
	begin(t, s)
	if _, err := server.Do("REPLICAOF", "127.0.0.1", "1"); err != nil {
		t.Fatal(err)
	}
	if err := turn(s); err == nil {
		t.Error("a turn at a read-only replica is no error")
	}
	if _, err := server.Do("REPLICAOF", "NO", "ONE"); err != nil {
		t.Fatal(err)
	}
	within(t, time.Second, func() error { return turn(s) })
}

func TestRedisDeadlinesHoldOnADeadLink(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	begin(t, openStore(t, "redis://"+server.Addr))
	for fault, break_ := range map[string]func(*redistest.Proxy){
		"from the start":         (*redistest.Proxy).BlackHole,
		"for what is asked":      (*redistest.Proxy).BlackHoleRequests,
		"for what is answered":   (*redistest.Proxy).BlackHoleAnswers,
		"when it was in use yet": nil,
	} {
		link := redistest.Between(t, server.Addr)
		s := openStore(t, "redis://"+link.Addr())
		if break_ == nil {
			_ = methods["Turn"](t.Context(), s)
			break_ = (*redistest.Proxy).BlackHole
		}
		break_(link)
		for name, call := range methods {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			begun := time.Now()
			err := call(ctx, s)
			cancel()
			if took := time.Since(begun); err == nil || took > patience+100*time.Millisecond {
				t.Errorf("%s over a link that is dead %s: %v after %v, want an error after %v", name, fault, err, took, patience)
			}
		}
		link.Pass()
		within(t, 3*time.Second, func() error { return turn(s) })
	}
}

// A turn whose answer was lost is not repeated: it could append twice, and what
// it returned then would not be what became of the first.
func TestRedisIsAskedOnce(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	link := redistest.Between(t, server.Addr)
	s := openStore(t, "redis://"+link.Addr())
	begin(t, s)
	link.BlackHoleAnswers()
	ended := make(chan error)
	go func() {
		_, err := s.Turn(t.Context(), ledger.Turn{Incarnation: "inc", Member: "m1"})
		ended <- err
	}()
	tick := func() string {
		t.Helper()
		reply, err := server.Do("HGET", "{share-proxy}state", "tick")
		if err != nil {
			t.Fatal(err)
		}
		return reply.(string)
	}
	within(t, time.Second, func() error {
		if tick() == "1" {
			return errors.New("not done yet")
		}
		return nil
	})
	link.Cut()
	link.Pass()
	if err := <-ended; err == nil {
		t.Error("a turn whose answer was lost is no error")
	}
	if err := turn(s); err != nil || tick() != "3" {
		t.Errorf("the next turn: %v, tick %s; want 3: begin, the lost one and this", err, tick())
	}
}

func TestRedisThatIsClosedIsAnError(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	for _, url := range []string{"redis://" + server.Addr, "redis://" + server.Addr + "?master_name=x", "redis://" + server.Addr + "?addr=" + server.Addr} {
		s := openStore(t, url)
		_ = turn(s)
		s.Close()
		if err := turn(s); err == nil {
			t.Errorf("a turn after Close of %s is no error", url)
		}
	}
}

// turn takes a turn with the deadline of Δ = 1 s.
func turn(s ledger.Store) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	v, err := s.Turn(ctx, ledger.Turn{Incarnation: "inc", Member: "m1", Limit: 10})
	if err == nil && v.Incarnation == "" {
		err = errors.New("the log is gone")
	}
	return err
}

// within tries until there is no error.
func within(t *testing.T, limit time.Duration, try func() error) {
	t.Helper()
	begun := time.Now()
	again := time.NewTicker(heartbeat / 5)
	defer again.Stop()
	for {
		err := try()
		if err == nil {
			t.Logf("works after %v", time.Since(begun))
			return
		}
		if time.Since(begun) > limit {
			t.Fatalf("does not work after %v: %v", limit, err)
		}
		<-again.C
	}
}

func TestRedisWithoutItsScriptsIsGivenThem(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	s := openStore(t, "redis://"+server.Addr)
	begin(t, s)
	if _, err := server.Do("SCRIPT", "FLUSH"); err != nil {
		t.Fatal(err)
	}
	if err := turn(s); err != nil {
		t.Errorf("after SCRIPT FLUSH: %v", err)
	}
}

func TestRedisThatRestartsEmptyHasNoLog(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	s := openStore(t, "redis://"+server.Addr)
	begin(t, s)
	redistest.Must(t, server.Kill())
	if err := turn(s); err == nil {
		t.Error("a turn without a server is no error")
	}
	redistest.Must(t, server.Start())
	within(t, 3*time.Second, func() error {
		v, err := s.Turn(t.Context(), ledger.Turn{Incarnation: "inc", Member: "m1", Joined: true, Limit: 10})
		if err == nil && (v.Incarnation != "" || v.Tick != 0) {
			t.Fatalf("of an empty server: %+v, want no log", v)
		}
		return err
	})
	begin(t, s)
}

func TestRedisThatLostItsStateOnlyBeginsAnew(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	s := openStore(t, "redis://"+server.Addr)
	head := begin(t, s).Head
	appendMany(t, s, head, 3, func(int) []string { return []string{"bob"} })
	if err := s.Announce(t.Context(), "inc", "intent", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Do("DEL", "{share-proxy}state"); err != nil {
		t.Fatal(err)
	}
	if v := begin(t, s); len(v.Entries) != 0 || len(v.Members) != 1 {
		t.Errorf("a log that begins anew has what somebody left of another one: %+v", v)
	}
	if intents, err := s.Intents(t.Context(), "inc"); err != nil || len(intents) != 0 {
		t.Errorf("intents of another log: %q, %v", intents, err)
	}
	appendMany(t, s, head, 1, nil)
}

func TestRedisForgetsOldEntries(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	s := openStore(t, "redis://"+server.Addr)
	head := begin(t, s).Head
	const more = 100
	appendMany(t, s, head, ledger.KeepEntries+more, nil)
	v, err := s.Turn(t.Context(), ledger.Turn{Incarnation: "inc", Member: "m2", At: head, Limit: 10})
	if err != nil || len(v.Entries) != 10 || v.Entries[0].Number != more+1 {
		t.Errorf("behind what is kept: %+v, %v; want the entries from %d on", v, err, more+1)
	}
}

func TestRedisRefusesAnswersOlderThanItsMarks(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	s := openStore(t, "redis://"+server.Addr)
	head := begin(t, s).Head
	const each, forgotten = 1000, 10 * 1000
	appendMany(t, s, head, (ledger.KeepMarks+forgotten)/each+1, func(entry int) (marks []string) {
		for i := range each {
			marks = append(marks, fmt.Sprint(entry, "/", i))
		}
		return marks
	})
	kept := func(at uint64, mark string) bool {
		t.Helper()
		flushed := ledger.SharedAnswer{Incarnation: "inc", At: at, Touched: []string{mark}, Key: fmt.Sprint(at, mark), Sealed: []byte("x"), TTL: 60_000}
		if err := s.StoreAnswer(t.Context(), flushed); err != nil {
			t.Fatal(err)
		}
		got, err := s.Answer(t.Context(), "inc", flushed.Key)
		if err != nil {
			t.Fatal(err)
		}
		return got != nil
	}
	if kept(5, "0/0") {
		t.Error("an answer is kept although the mark of a younger entry may have been forgotten")
	}
	if kept(12, "70/0") {
		t.Error("an answer is kept although its subject was touched since")
	}
	if !kept(12, "nobody") || !kept(70, "0/0") {
		t.Error("an answer that is younger than all that was forgotten is refused")
	}
}

// appendMany appends n entries in turns of 50.
func appendMany(t *testing.T, s ledger.Store, at ledger.Position, n int, marks func(entry int) []string) {
	t.Helper()
	for i := 0; i < n; {
		next := ledger.Turn{Incarnation: "inc", Member: "m1", Joined: true, At: at, Limit: 10}
		for ; i < n && len(next.Append) < 50; i++ {
			a := ledger.Append{ID: fmt.Sprint("e", i), Sealed: []byte("x")}
			if marks != nil {
				a.Touched = marks(i)
			}
			next.Append = append(next.Append, a)
		}
		v, err := s.Turn(t.Context(), next)
		if err != nil || !v.Appended {
			t.Fatalf("append: %+v, %v", v, err)
		}
		at = v.Head
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func scripts(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("scripts/*.lua")
	if err != nil || len(names) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	return names
}
