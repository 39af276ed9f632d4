package proxy

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

func changeOf(subjects ...authz.Subject) change { return change{subjects: subjects} }

func aboutUser(name string) authz.Subject { return authz.Subject{Kind: authz.AboutUser, Name: name} }

// TestADoubtIsAskedForUntilTheLastCallsTimeIsOver, once, however many calls
// raised it.
func TestADoubtIsAskedForUntilTheLastCallsTimeIsOver(t *testing.T) {
	ds, now := newDoubts(), time.Now()
	bob := aboutUser("bob")
	ds.add(changeOf(bob), now.Add(time.Second))
	ds.add(changeOf(bob), now.Add(2*time.Second))
	ds.add(changeOf(bob, aboutUser("carol")), now.Add(time.Second))
	if got := ds.due(now); len(got) != 1 || len(got[0].subjects) != 2 {
		t.Errorf("due at first: %v, want one entry about both users", got)
	}
	if got := ds.due(now.Add(time.Second)); len(got) != 1 || !slices.Equal(got[0].subjects, []authz.Subject{bob}) {
		t.Errorf("due after a second: %v, want one entry about bob", got)
	}
	if got := ds.due(now.Add(2 * time.Second)); len(got) != 0 || len(ds.open) != 0 {
		t.Errorf("due after the last call's time: %v, want nothing, and nothing kept", got)
	}
}

// TestADoubtAboutEverybodyKeepsItsGrace: it goes apart from the others.
func TestADoubtAboutEverybodyKeepsItsGrace(t *testing.T) {
	ds, now := newDoubts(), time.Now()
	all, _ := watched("DELETE", []string{"api", "shares", "alice", ""}, "")
	ds.add(all, now.Add(time.Second))
	ds.add(changeOf(aboutUser("bob")), now.Add(time.Second))
	got := ds.due(now)
	if len(got) != 2 || got[0].everybody == got[1].everybody {
		t.Errorf("due: %v, want one entry with a grace and one without", got)
	}
}

func TestMadeUpDoubtsAreBounded(t *testing.T) {
	ds, now := newDoubts(), time.Now()
	for i := range 2 * maxDoubts {
		ds.add(changeOf(aboutUser(strconv.Itoa(i))), now.Add(time.Second))
	}
	ds.add(changeOf(aboutUser("0")), now.Add(time.Hour)) // known: not refused
	if len(ds.open) != maxDoubts {
		t.Errorf("%d doubts, want %d", len(ds.open), maxDoubts)
	}
	got, n := ds.due(now), 0
	for _, c := range got {
		if n += len(c.subjects); len(c.subjects) > maxTogether {
			t.Errorf("%d subjects in one entry, want %d at most", len(c.subjects), maxTogether)
		}
	}
	if n != maxDoubts || len(got) != maxDoubts/maxTogether {
		t.Errorf("%d entries about %d users, want all of them in as few as may be", len(got), n)
	}
	if got := ds.due(now.Add(time.Minute)); len(got) != 1 {
		t.Errorf("due a minute later: %v, want the one that was prolonged", got)
	}
}

// slowLog is a log that is away: everything takes long, and fails.
type slowLog struct {
	ledger.Ledger
	begun, under, most int
}

func (l *slowLog) Begin(_ context.Context, in ledger.Intent) (ledger.Call, error) {
	return ledger.Call{}, errors.New("away")
}

func (l *slowLog) Resolve(ctx context.Context, _ ledger.Call, o ledger.Outcome) (ledger.Receipt, error) {
	l.begun++
	l.under++
	l.most = max(l.most, l.under)
	defer func() { l.under-- }()
	select {
	case <-time.After(1200 * time.Millisecond):
	case <-ctx.Done():
	}
	return ledger.Receipt{Seq: 1}, errors.New("away")
}

// TestDoubtsDoNotPileUpWhileTheLogIsAway: what was seen waits in the same line.
func TestDoubtsDoNotPileUpWhileTheLogIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &slowLog{}
		p := &Proxy{ledger: l, doubts: newDoubts(), log: slog.New(slog.DiscardHandler), rule: authz.Rule{Bound: time.Second}}
		for i := range 100 {
			p.doubts.add(changeOf(aboutUser(strconv.Itoa(i))), time.Now().Add(callLimit))
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); p.askOn(ctx) }()
		<-time.After(2 * callLimit)
		cancel()
		<-ended
		if l.most != 1 || l.begun < 20 || l.begun > 60 {
			t.Errorf("%d entries, %d at a time; want about one in Δ, one after the other", l.begun, l.most)
		}
		if len(p.doubts.open) != 0 {
			t.Errorf("%d doubts are left", len(p.doubts.open))
		}
	})
}

// TestEveryChangeFitsItsKey, or two could be taken for the same.
func TestEveryChangeFitsItsKey(t *testing.T) {
	for _, path := range [][]string{
		{"logout"}, {"accept-share"}, {"api", "shares", "alice"}, {"api", "users"}, {"api", "users", "bob"},
		{"api", "users", "bob", "tokens", "a1"}, {"api", "users", "bob", "server"}, {"api", "users", "bob", "shared", "alice"},
		{"api", "groups"}, {"api", "groups", "team"}, {"api", "groups", "team", "shared", "alice"}, {"api", "services", "s"},
	} {
		for _, method := range []string{"POST", "DELETE"} {
			if c, _ := watched(method, path, "s"); len(c.subjects) > len(changeKey{}) {
				t.Errorf("%s %v is about %d subjects, the key has %d", method, path, len(c.subjects), len(changeKey{}))
			}
		}
	}
}
