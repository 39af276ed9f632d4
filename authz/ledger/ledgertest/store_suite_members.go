package ledgertest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

func ticks(t *testing.T, s *storeSuite) {
	s.create()
	first := s.turn(ledger.Turn{Member: "m1"})
	second := s.turn(ledger.Turn{Member: "m2"})
	if second.Tick <= first.Tick {
		t.Errorf("tick %d after %d, want a higher one", second.Tick, first.Tick)
	}
	counters := make(map[string]uint64)
	for _, m := range second.Members {
		counters[m.ID] = m.Counter
	}
	same(t, "counters", counters, map[string]uint64{"m1": first.Tick, "m2": second.Tick})
}

func applied(t *testing.T, s *storeSuite) {
	s.create()
	at := s.append(ledger.Append{ID: "e1"})
	m, _ := s.member("m1")
	same(t, "applied after appending", m.Applied, uint64(0))
	s.turn(ledger.Turn{At: at})
	m, _ = s.member("m1")
	same(t, "applied at its next turn", m.Applied, uint64(1))
	same(t, "name", m.Name, "host-of-m1")
}

func appliedElsewhere(t *testing.T, s *storeSuite) {
	s.create()
	s.append(ledger.Append{ID: "e1"})
	s.append(ledger.Append{ID: "e2"})
	s.append(ledger.Append{ID: "e3"})
	for what, turn := range map[string]ledger.Turn{
		"an entry that was lost":               {At: ledger.Position{Number: 3, ID: "lost"}},
		"an entry that was lost and overtaken": {At: ledger.Position{Number: 2, ID: "lost"}},
		"a head that is gone":                  {At: ledger.Position{Number: 9, ID: "e9"}},
		"another incarnation":                  {At: ledger.Position{Number: 3, ID: "e3"}, Incarnation: "inc-0"},
	} {
		turn.Member = "m2"
		s.turn(turn)
		if m, _ := s.member("m2"); m.Applied >= 2 {
			t.Errorf("a member at %s has applied %d: an acknowledgement of entries that it never saw", what, m.Applied)
		}
	}
}

func drop(t *testing.T, s *storeSuite) {
	s.create()
	v := s.turn(ledger.Turn{Member: "m2"})
	s.ok(s.Drop(s.ctx(), "m2", v.Tick))
	if m, there := s.member("m2"); !there || !m.Lost {
		t.Errorf("dropped: %+v, %v; want a lost member", m, there)
	}
	s.ok(s.Drop(s.ctx(), "never", 1))
	if m, there := s.member("never"); there {
		t.Errorf("dropping nobody made %+v", m)
	}
}

func dropLate(t *testing.T, s *storeSuite) {
	s.create()
	v := s.turn(ledger.Turn{Member: "m2"})
	s.turn(ledger.Turn{Member: "m2", Joined: true})
	s.ok(s.Drop(s.ctx(), "m2", v.Tick))
	if m, _ := s.member("m2"); m.Lost {
		t.Errorf("a member that took a turn meanwhile was dropped: %+v", m)
	}
}

func dropped(t *testing.T, s *storeSuite) {
	s.create()
	if v := s.turn(ledger.Turn{Member: "m2"}); v.Dropped {
		t.Error("a member that joins is told that it was dropped")
	}
	v := s.turn(ledger.Turn{Member: "m2", Joined: true})
	if v.Dropped {
		t.Error("a member that goes on is told that it was dropped")
	}
	s.ok(s.Drop(s.ctx(), "m2", v.Tick))
	if v := s.turn(ledger.Turn{Member: "m2", Joined: true}); !v.Dropped {
		t.Error("a dropped member is not told so")
	}
	if m, _ := s.member("m2"); m.Lost {
		t.Error("a dropped member that goes on is lost still")
	}
	if v := s.turn(ledger.Turn{Member: "m2", Joined: true}); v.Dropped {
		t.Error("a dropped member is told so twice")
	}
}

func forgotten(t *testing.T, s *storeSuite) {
	s.create()
	s.turn(ledger.Turn{Member: "m2"})
	s.ok(s.Forget(s.ctx(), "m2"))
	if m, there := s.member("m2"); there {
		t.Errorf("a forgotten member is there: %+v", m)
	}
	if v := s.turn(ledger.Turn{Member: "m2", Joined: true}); !v.Dropped {
		t.Error("a forgotten member that goes on is not told so")
	}
}

func replaces(t *testing.T, s *storeSuite) {
	s.create()
	lost := s.turn(ledger.Turn{Member: "m2", Name: "host"})
	s.turn(ledger.Turn{Member: "m3", Name: "host"})
	other := s.turn(ledger.Turn{Member: "m4", Name: "other host"})
	s.ok(s.Drop(s.ctx(), "m2", lost.Tick))
	s.ok(s.Drop(s.ctx(), "m4", other.Tick))
	s.turn(ledger.Turn{Member: "m3", Name: "host", Joined: true})
	if _, there := s.member("m2"); !there {
		t.Error("a member that only goes on has replaced a lost one")
	}
	s.turn(ledger.Turn{Member: "m5", Name: "host"})
	for id, want := range map[string]bool{"m2": false, "m3": true, "m4": true, "m5": true} {
		if _, there := s.member(id); there != want {
			t.Errorf("%s after the lost one's name joined again: there %v, want %v", id, there, want)
		}
	}
}

func messages(t *testing.T, s *storeSuite) {
	s.create()
	ctx, stop := context.WithCancel(t.Context())
	wakes := make(chan ledger.Wake, 1000)
	var listening sync.WaitGroup
	listener := s.handle()
	listening.Go(func() { listener.Listen(ctx, func(w ledger.Wake) { wakes <- w }) })
	defer listening.Wait()
	defer stop()

	at := s.head()
	if !s.until(wakes, func() { at = s.append(ledger.Append{ID: "e"}) }, func(w ledger.Wake) bool { return w.Head >= 1 }) {
		t.Fatal("no message says that an entry was appended")
	}
	s.turn(ledger.Turn{Member: "m2", At: at})
	if !s.until(wakes, func() {}, func(w ledger.Wake) bool { return w.Acked }) {
		t.Error("no message says that a member has applied an entry")
	}
}

// until repeats what causes a message until one comes that fits: a listener
// needs time to be there.
func (s *storeSuite) until(wakes <-chan ledger.Wake, cause func(), fits func(ledger.Wake) bool) bool {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	over := s.ctx().Done()
	cause()
	for {
		select {
		case w := <-wakes:
			if fits(w) {
				return true
			}
		case <-again.C:
			cause()
		case <-over:
			return false
		}
	}
}
