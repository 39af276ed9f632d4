package route

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// fakeLog is a log of one process that can be away. It remembers what it was
// asked.
type fakeLog struct {
	keep     ledger.Keep
	unshared bool  // what is written is not shared
	err      error // of everything
	hangs    bool  // reading lasts until its context ends

	mu     sync.Mutex
	calls  []string
	told   []map[string]int64
	others map[string]int64
}

func (l *fakeLog) call(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, name)
}

// fail has everything fail from now on.
func (l *fakeLog) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *fakeLog) Write(ctx context.Context, r ledger.Record) error {
	l.call("write " + r.Name)
	if err := errors.Join(l.err, ctx.Err()); err != nil {
		return err
	}
	r.Unshared = l.unshared
	l.keep(r)
	return nil
}

func (l *fakeLog) Sync(ctx context.Context) error {
	l.call("sync")
	if l.hangs {
		<-ctx.Done()
	}
	return errors.Join(l.err, ctx.Err())
}

func (l *fakeLog) MergeActivity(ctx context.Context, seen map[string]int64) (map[string]int64, error) {
	l.call("merge")
	if l.hangs {
		<-ctx.Done()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	l.told = append(l.told, seen)
	return l.others, l.err
}

// newShared returns a table that is written through a log that is a fake.
func newShared(hosts bool) (*Shared, *Table, *fakeLog) {
	table := NewTable(hosts)
	s := NewShared(table, slog.New(slog.DiscardHandler))
	log := &fakeLog{keep: s.Keep}
	s.Attach(log)
	return s, table, log
}

// post adds a route as the Hub does and returns the one in the table.
func post(t testing.TB, s *Shared, path, target, data string) *Route {
	t.Helper()
	if err := s.Add(t.Context(), mustNew(t, path, target, data)); err != nil {
		t.Fatalf("Add(%q): %v", path, err)
	}
	r, ok := s.Get(path)
	if !ok {
		t.Fatalf("%q is not in the table", path)
	}
	return r
}

const alices = `{"user":"alice","server_name":""}`

func TestLifetimesEndInTheOrderOfTheLog(t *testing.T) {
	for _, tt := range []struct {
		name  string
		then  func(s *Shared) error
		ended bool
	}{
		{"posted again as it was", func(s *Shared) error { return s.Add(t.Context(), mustNew(t, "/x", "http://a:1", alices)) }, false},
		{"another target", func(s *Shared) error { return s.Add(t.Context(), mustNew(t, "/x", "http://a:2", alices)) }, true},
		{"removed", func(s *Shared) error { _, err := s.Remove(t.Context(), "/x/"); return err }, true},
		{"a record that cannot be read", func(s *Shared) error {
			s.Keep(ledger.Record{Kind: Kind, Name: "/x", Value: []byte("{}")})
			return nil
		}, true},
		{"a record of another kind", func(s *Shared) error {
			s.Keep(ledger.Record{Kind: "grant", Name: "/x"})
			return nil
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, table, _ := newShared(false)
			var ended []*Route
			table.Ended = func(r *Route) { ended = append(ended, r) }
			first := post(t, s, "/x", "http://a:1", alices)
			if err := tt.then(s); err != nil {
				t.Fatal(err)
			}
			if first.Ended() != tt.ended || tt.ended != slices.Equal(ended, []*Route{first}) {
				t.Errorf("ended = %v, told of %v; want %v", first.Ended(), ended, tt.ended)
			}
		})
	}
}

func TestRemovingWhatIsNotHereIsWritten(t *testing.T) {
	s, _, log := newShared(false)
	if found, err := s.Remove(t.Context(), "/x"); found || err != nil {
		t.Errorf("Remove = %v, %v; want not found", found, err)
	}
	if !slices.Equal(log.calls, []string{"write /x"}) {
		t.Errorf("the log was asked to %q: a post that is on its way would outlive its removal", log.calls)
	}
}

func TestALocalRouteIsOverriddenByARecordAndNeverWritten(t *testing.T) {
	s, table, log := newShared(false)
	local := add(t, table, "/", "http://default:1", `{}`)
	if got := s.All(t.Context()); len(got) != 1 || got[0] != local {
		t.Errorf("All = %v, want the local route", got)
	}
	log.calls = nil
	if got := post(t, s, "/", "http://hub:1", `{"hub":true}`); got.Class != ClassHub || !local.Ended() {
		t.Errorf("the record's route is %+v, the local one has ended: %v", got, local.Ended())
	}
	if !slices.Equal(log.calls, []string{"write /"}) {
		t.Errorf("the log was asked to %q", log.calls)
	}
}

func TestRemovingALocalRouteRemovesItHere(t *testing.T) {
	s, table, log := newShared(false)
	add(t, table, "/", "http://default:1", `{}`)
	log.keep = func(ledger.Record) {} // nothing changes in the log
	if found, err := s.Remove(t.Context(), "/"); !found || err != nil {
		t.Errorf("Remove = %v, %v", found, err)
	}
	if r, ok := s.Get("/"); ok {
		t.Errorf("%+v is still there", r)
	}
}

func TestRemovingLeavesWhatWasPostedMeanwhile(t *testing.T) {
	s, _, log := newShared(false)
	post(t, s, "/x", "http://a:1", alices)
	later, err := s.table.record(mustNew(t, "/x", "http://a:2", alices))
	if err != nil {
		t.Fatal(err)
	}
	log.keep = func(r ledger.Record) {
		s.Keep(r)
		s.Keep(later)
	}
	if found, err := s.Remove(t.Context(), "/x"); !found || err != nil {
		t.Errorf("Remove = %v, %v", found, err)
	}
	if _, ok := s.Get("/x"); !ok {
		t.Error("what the log says last is gone")
	}
}

func TestWritesGoOnWhenTheirCallerLeaves(t *testing.T) {
	s, _, _ := newShared(false)
	ctx, leave := context.WithCancel(t.Context())
	leave()
	if err := s.Add(ctx, mustNew(t, "/x", "http://a:1", alices)); err != nil {
		t.Errorf("Add: %v", err)
	}
	if found, err := s.Remove(ctx, "/x"); !found || err != nil {
		t.Errorf("Remove = %v, %v", found, err)
	}
}

func TestWhatTheDiskRefusedIsAnErrorAndChangesNothing(t *testing.T) {
	s, _, log := newShared(false)
	before := post(t, s, "/x", "http://a:1", alices)
	log.err = errors.New("disk full")
	if err := s.Add(t.Context(), mustNew(t, "/x", "http://a:2", alices)); !errors.Is(err, log.err) {
		t.Errorf("Add = %v, want %v", err, log.err)
	}
	if _, err := s.Remove(t.Context(), "/x"); !errors.Is(err, log.err) {
		t.Errorf("Remove = %v, want %v", err, log.err)
	}
	if now, ok := s.Get("/x"); !ok || now != before || now.Ended() {
		t.Errorf("the route is %+v, want the one before", now)
	}
}

func TestAllAsksTheLogFirst(t *testing.T) {
	s, _, log := newShared(false)
	if s.All(t.Context()); !slices.Equal(log.calls, []string{"sync", "merge"}) {
		t.Errorf("the log was asked to %q, want sync and merge", log.calls)
	}
	post(t, s, "/x", "http://a:1", alices)
	log.err = errors.New("away")
	if got := s.All(t.Context()); len(got) != 1 {
		t.Errorf("with the log away, All has %d routes, want 1", len(got))
	}
}

func TestAllDoesNotWaitForALogThatHangs(t *testing.T) {
	for name, busy := range map[string]bool{"alone": false, "while activity is exchanged": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _, log := newShared(false)
				log.hangs = true
				if busy {
					s.merging <- struct{}{}
				}
				began := time.Now()
				s.All(t.Context())
				if took := time.Since(began); took != shareLimit {
					t.Errorf("All took %v, want %v", took, shareLimit)
				}
			})
		})
	}
}
