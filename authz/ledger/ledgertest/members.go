package ledgertest

import (
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// NewLog makes an empty log and returns what makes members of it.
type NewLog func(t *testing.T) New

// RunMembers runs the suite of logs that have several members, in virtual time.
func RunMembers(t *testing.T, newLog NewLog) {
	for name, test := range memberTests() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, newLog(t)) })
		})
	}
}

// RunMembersReal runs it in real time.
func RunMembersReal(t *testing.T, newLog NewLog) {
	for name, test := range memberTests() {
		t.Run(name, func(t *testing.T) { test(t, newLog(t)) })
	}
}

func memberTests() map[string]func(*testing.T, New) {
	return map[string]func(*testing.T, New){
		"a record is kept by all members before write returns":      recordIsKeptByAll,
		"a member that starts has the records when it is loaded":    recordsAreLoaded,
		"writes to one name end in the same value on all members":   recordsEndAlike,
		"times of activity reach the other members, the latest one": activityReachesAll,
	}
}

// members are some members of one log and what they keep.
type members struct {
	logs    []ledger.Ledger
	shelves []*Shelf
}

func startMembers(t *testing.T, newMember New, n int) *members {
	t.Helper()
	m := new(members)
	for range n {
		m.start(t, newMember)
	}
	return m
}

// start adds a member.
func (m *members) start(t *testing.T, newMember New) {
	t.Helper()
	l, shelf := startKept(t, newMember)
	m.logs, m.shelves = append(m.logs, l), append(m.shelves, shelf)
}

func recordIsKeptByAll(t *testing.T, newMember New) {
	m := startMembers(t, newMember, 3)
	for i, l := range m.logs {
		value := fmt.Sprint("by ", i)
		write(t, l, "route", "/a", []byte(value))
		for _, shelf := range m.shelves {
			wantRecord(t, shelf, "route", "/a", value)
		}
	}
	write(t, m.logs[0], "route", "/a", nil)
	for i, shelf := range m.shelves {
		if value, ok := shelf.Value("route", "/a"); ok {
			t.Errorf("the removed record is %q on member %d", value, i)
		}
	}
}

func recordsAreLoaded(t *testing.T, newMember New) {
	m := startMembers(t, newMember, 1)
	write(t, m.logs[0], "route", "/a", []byte("one"))
	write(t, m.logs[0], "route", "/b", []byte("gone soon"))
	write(t, m.logs[0], "route", "/b", nil)
	m.start(t, newMember)
	wantRecord(t, m.shelves[1], "route", "/a", "one")
	if value, ok := m.shelves[1].Value("route", "/b"); ok {
		t.Errorf("the removed record is %q on a member that started later", value)
	}
}

func recordsEndAlike(t *testing.T, newMember New) {
	m := startMembers(t, newMember, 3)
	var writing sync.WaitGroup
	for i, l := range m.logs {
		for c := range 3 {
			writing.Go(func() {
				for n := range 5 {
					value := fmt.Appendf(nil, "%d of %d on %d", n, c, i)
					if (n+c)%4 == 3 {
						value = nil
					}
					write(t, l, "route", fmt.Sprint("/", n%2), value)
				}
			})
		}
	}
	writing.Wait()
	for i, l := range m.logs {
		if err := l.Sync(t.Context()); err != nil {
			t.Errorf("Sync of member %d: %v", i, err)
		}
	}
	want := m.shelves[0].all()
	for i, shelf := range m.shelves {
		if got := shelf.all(); !maps.Equal(got, want) {
			t.Errorf("member %d has %v, member 0 has %v", i, got, want)
		}
	}
}

func activityReachesAll(t *testing.T, newMember New) {
	m := startMembers(t, newMember, 2)
	now := time.Now().UnixMilli()
	write(t, m.logs[0], "route", "/a", []byte("one"))
	for _, ms := range []int64{now, now - 5} {
		if _, err := m.logs[0].MergeActivity(t.Context(), map[string]int64{"/a": ms}); err != nil {
			t.Fatalf("MergeActivity: %v", err)
		}
	}
	got, err := m.logs[1].MergeActivity(t.Context(), nil)
	if err != nil || got["/a"] != now {
		t.Errorf("the other member is given %v, %v; want /a at %d", got, err, now)
	}
}

// all returns what all records say now.
func (s *Shelf) all() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.values)
}
