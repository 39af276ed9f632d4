package proxy_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy"
)

// sharedLog is the log of one of several replicas, as its proxy sees it: entries
// are those of a log in memory, and the test says what the others do.
type sharedLog struct {
	*ledger.Memory
	clock authz.Clock

	mu      sync.Mutex
	frozen  authz.Instant // what is fresh while the log is away
	away    bool
	answers map[authz.Key]authz.Answer // of other replicas
	left    int
	reach   ledger.State
	missing int
	err     error
	status  ledger.Status
	within  func() // called in Resolve, if not nil
}

// newReplicaRig is a rig of one of several replicas.
func newReplicaRig(t *testing.T, change ...func(*proxy.Options)) (*rig, *sharedLog) {
	t.Helper()
	l := &sharedLog{answers: make(map[authz.Key]authz.Answer), reach: ledger.Done}
	r := newRig(t, append([]func(*proxy.Options){func(o *proxy.Options) {
		l.clock = o.Clock
		o.NewLedger = func(c authz.Clock, a ledger.Apply) ledger.Ledger {
			l.Memory = ledger.NewMemory(ledger.Options{Clock: c, Apply: a})
			return l
		}
	}}, change...)...)
	return r, l
}

// goAway ages the lease from now on, until the function it returns is called.
func (l *sharedLog) goAway() (comeBack func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away, l.frozen = true, l.clock().Add(-bound)-1
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.away = false
	}
}

func (l *sharedLog) Fresh() authz.Instant {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away {
		return l.frozen
	}
	return l.clock()
}

func (l *sharedLog) Resolve(ctx context.Context, call ledger.Call, o ledger.Outcome) (ledger.Receipt, error) {
	receipt, err := l.Memory.Resolve(ctx, call, o)
	l.mu.Lock()
	defer l.mu.Unlock()
	if within := l.within; within != nil {
		l.mu.Unlock()
		within()
		l.mu.Lock()
	}
	if receipt.Seq != 0 {
		receipt.State, receipt.Missing, err = l.reach, l.missing, l.err
	}
	return receipt, err
}

// entry applies an entry of another replica.
func (l *sharedLog) entry(t *testing.T, subjects ...authz.Subject) {
	t.Helper()
	call, err := l.Begin(t.Context(), ledger.Intent{Subjects: subjects, Limit: time.Minute})
	if err == nil {
		_, err = l.Memory.Resolve(t.Context(), call, ledger.Changed)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (l *sharedLog) Mark() authz.Mark { return authz.Mark{Incarnation: "i", Number: 1} }

func (l *sharedLog) Take(_ context.Context, key authz.Key) *authz.Answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, ok := l.answers[key]
	if !ok {
		return nil
	}
	a.Asked, a.Seq = l.clock(), l.Applied()
	return &a
}

func (l *sharedLog) Leave(context.Context, authz.Key, *authz.Answer, authz.Mark) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left++
}

func (l *sharedLog) Status() ledger.Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

// set changes what the other replicas do.
func (l *sharedLog) set(change func(l *sharedLog)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}

// TestRunWaitsForWhatIsBeingWritten: the log is left last.
func TestRunWaitsForWhatIsBeingWritten(t *testing.T) {
	for _, tt := range []struct {
		name  string
		begin func(r *rig)
	}{
		{"a logout that had to wait for its turn", func(r *rig) {
			r.hub.does(func(*fakeHub) {}, http.StatusFound)
			for range 2 {
				go func() { _, _ = r.try("GET", "/hub/logout", nil, sessionOfBob) }()
			}
		}},
		{"a call of which it is not known what came of it", func(r *rig) {
			r.hub.does(func(*fakeHub) {}, http.StatusInternalServerError)
			go func() { _, _ = r.try("PATCH", "/hub/api/shares/alice/", nil) }()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, l := newReplicaRig(t)
			var calls, over int
			second := make(chan struct{})
			l.set(func(l *sharedLog) {
				l.within = func() { // the second entry is slow: it is under way when all ends
					var n int
					l.set(func(*sharedLog) { calls++; n = calls })
					if n == 2 {
						close(second)
						<-time.After(2 * bound)
						l.set(func(*sharedLog) { over++ })
					}
				}
			})
			tt.begin(r)
			<-second
			r.stop()
			<-r.ended
			l.set(func(*sharedLog) {
				if over != 1 {
					t.Error("Run returned while an entry was being written")
				}
			})
		})
	}
}

// TestTheCallerHearsHowFarARevocationHasCome.
func TestTheCallerHearsHowFarARevocationHasCome(t *testing.T) {
	errStore := errors.New("redis is away")
	for _, tt := range []struct {
		name    string
		method  string
		path    string
		reach   ledger.State
		missing int
		err     error
		want    string
	}{
		{"on all", "PATCH", "/hub/api/shares/alice/", ledger.Done, 0, nil, "done; sockets=1"},
		{"one did not confirm", "PATCH", "/hub/api/shares/alice/", ledger.Bounded, 1, nil, "bounded; replicas=1"},
		{"one did not confirm: a user, whose own session needs no lease there", "DELETE", "/hub/api/users/bob/tokens/a1", ledger.Bounded, 1, nil, "within=5s"},
		{"not written: guests", "PATCH", "/hub/api/shares/alice/", ledger.Within, 0, errStore, "within=0.3s"},
		{"not written, whatever the receipt says", "PATCH", "/hub/api/shares/alice/", ledger.Done, 0, errStore, "within=0.3s"},
		{"not confirmed by a majority", "PATCH", "/hub/api/shares/alice/", ledger.Within, 0, nil, "within=0.3s"},
		{"not written: whoever was denied", "POST", "/hub/api/users", ledger.Within, 0, errStore, "within=0.3s"},
		{"not written: a service", "DELETE", "/hub/api/services/culler", ledger.Within, 0, errStore, "within=0.3s"},
		{"not written: a user, who may be an owner", "DELETE", "/hub/api/users/bob/tokens/a1", ledger.Within, 0, errStore, "within=5s"},
		{"not written: a server", "DELETE", "/hub/api/users/alice/server", ledger.Within, 0, errStore, "within=5s"},
		{"not written: a group", "DELETE", "/hub/api/groups/team", ledger.Within, 0, errStore, "within=5s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, l := newReplicaRig(t)
			k := newKernel(t)
			r.userServer(k.ServeHTTP)
			bob, bobs := r.meet(k, "bob", as("bob"))
			l.set(func(l *sharedLog) { l.reach, l.missing, l.err = tt.reach, tt.missing, tt.err })
			r.hub.does(unshare, http.StatusNoContent)
			res := r.do(tt.method, tt.path)
			if got := res.Header.Get("Share-Proxy-Cut"); res.StatusCode != 204 || got != tt.want {
				t.Errorf("the caller got %d and %q, want 204 and %q", res.StatusCode, got, tt.want)
			}
			if !strings.Contains(tt.path, "/shares/") {
				return
			}
			bobs.say("late")
			bob.say("late")
			if got := bob.rest(); !slices.Equal(got, []string{"close 1008 Your access to this server has ended."}) {
				t.Errorf("the guest heard %q: want him out here whatever the others do", got)
			}
			if got := bobs.rest(t); len(got) > 0 {
				t.Errorf("%q passed after the answer", got)
			}
		})
	}
}

// TestAnAnswerOfAnotherReplicaSavesTheQuestion.
func TestAnAnswerOfAnotherReplicaSavesTheQuestion(t *testing.T) {
	r, l := newReplicaRig(t)
	r.userServer(func(http.ResponseWriter, *http.Request) {})
	l.set(func(l *sharedLog) {
		l.answers[authz.NewToken("bob").Key()] = authz.Answer{
			Kind: authz.KindUser, Name: "bob", Access: []string{"access:servers!server=alice/"},
		}
	})
	if got := r.status("GET", "/user/alice/api", as("bob")); got != 200 || r.hub.count("bob") != 0 {
		t.Errorf("%d after %d questions, want 200 after none", got, r.hub.count("bob"))
	}
	if got := r.status("GET", "/user/alice/api", as("carol")); got != 200 || r.hub.count("carol") != 1 {
		t.Errorf("nobody left one: %d after %d questions, want 200 after one", got, r.hub.count("carol"))
	}
	for result, want := range map[string]string{"shared": "1", "miss": "1"} {
		if got := r.metric(`share_proxy_cache_lookups_total{result="` + result + `"}`); got != want {
			t.Errorf("look-ups with result %s: %q, want %s", result, got, want)
		}
	}
	waitUntil(t, "the answer about carol was left", func() (ok bool) {
		l.set(func(l *sharedLog) { ok = l.left == 1 })
		return ok
	})
}

// waitUntil waits for something that happens behind the answer.
func waitUntil(t *testing.T, what string, is func() bool) {
	t.Helper()
	retry := time.NewTicker(5 * time.Millisecond)
	defer retry.Stop()
	for end := time.Now().Add(patience); !is(); <-retry.C {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// TestAnotherHistoryAsksAboutEveryGuestInTurn: nobody's access is taken for
// granted, owners notice nothing, and the Hub is not flooded.
func TestAnotherHistoryAsksAboutEveryGuestInTurn(t *testing.T) {
	const guests, budget = 16, 10
	r, l := newReplicaRig(t, func(o *proxy.Options) { o.Budget, o.Rule.Guests = budget, time.Minute })
	k := newKernel(t)
	r.userServer(k.ServeHTTP)
	alice, alices := r.meet(k, "alice", as("alice"))
	stop := chatter(alice, alices)
	var sockets []*socket
	for i := range guests {
		name := "guest" + strconv.Itoa(i)
		r.hub.set(name, name, "", "access:servers!server=alice/")
		s, _ := r.meet(k, name, as(name))
		sockets = append(sockets, s)
	}
	for i := range guests / 2 {
		name := "guest" + strconv.Itoa(i)
		r.hub.set(name, name, "")
	}
	l.entry(t, authz.Subject{Kind: authz.AboutEveryGuest})
	for i, s := range sockets[:guests/2] {
		if got := s.rest(); !slices.Equal(got, []string{"close 1008 Your access to this server has ended."}) {
			t.Errorf("guest %d, who has lost his access, heard %q", i, got)
		}
	}
	for i := range guests {
		waitUntil(t, "a guest is asked about once more", func() bool { return r.hub.count("guest"+strconv.Itoa(i)) == 2 })
	}
	if got := r.metric("share_proxy_hub_deferred_total{}"); got == "0" {
		t.Errorf("%s of %d questions took turns, want what is beyond the budget of %d", got, guests, budget)
	}
	if n, err := stop(); err != nil || n == 0 {
		t.Errorf("the owner's socket: %d messages, %v; want all of them", n, err)
	}
	if n := r.hub.count("alice"); n != 1 {
		t.Errorf("the owner was asked about %d times, want once", n)
	}
}

// TestTheStateOfTheLogIsMeasured.
func TestTheStateOfTheLogIsMeasured(t *testing.T) {
	r, l := newReplicaRig(t)
	l.set(func(l *sharedLog) {
		l.status = ledger.Status{Up: true, Position: 42, Members: 3, Lost: 1, Unshared: 2}
	})
	r.proxy.ObserveAcknowledged(3 * time.Millisecond)
	for series, want := range map[string]string{
		"share_proxy_store_up{}":             "1",
		"share_proxy_log_position{}":         "42",
		`share_proxy_replicas{state="live"}`: "3",
		`share_proxy_replicas{state="lost"}`: "1",
		"share_proxy_unshared_records{}":     "2",
	} {
		if got := r.metric(series); got != want {
			t.Errorf("%s is %q, want %s", series, got, want)
		}
	}
	if n := r.observed("share_proxy_acknowledge_duration_seconds"); n != 1 {
		t.Errorf("%d confirmations are counted, want 1", n)
	}
	l.set(func(l *sharedLog) { l.status.Up = false })
	l.goAway()
	if got := r.metric("share_proxy_store_up{}"); got != "0" {
		t.Errorf("while the store is away share_proxy_store_up is %q, want 0", got)
	}
	if got, err := strconv.ParseFloat(r.metric("share_proxy_lease_age_seconds{}"), 64); err != nil || got < bound.Seconds() {
		t.Errorf("the lease is %v s old, %v; want more than %v", got, err, bound)
	}
}

// TestASingleProcessNeedsNoStore.
func TestASingleProcessNeedsNoStore(t *testing.T) {
	r := newRig(t)
	if got := r.metric("share_proxy_store_up{}"); got != "1" {
		t.Errorf("share_proxy_store_up is %q, want 1", got)
	}
	for _, line := range r.exposition() {
		if strings.HasPrefix(line, "share_proxy_replicas") {
			t.Errorf("%q in a process that has no others", line)
		}
	}
}
