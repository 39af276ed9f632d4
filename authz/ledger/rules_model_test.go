package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// TestRulesTogether runs three replicas through random faults, revocations and
// writes, and checks all the time what was promised of every revocation:
//
//   - who has not applied it has no lease from after the Hub's answer;
//   - when it is done, every process that was a member has applied it or doubts
//     everything; when it is bounded, who has not has no lease;
//   - when the faults are over, all have the same records and go on.
//
// A seed that fails is run again by naming its subtest.
func TestRulesTogether(t *testing.T) {
	seeds := uint64(25)
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rule(t, func(t *testing.T, c *cluster) {
				m := newModel(c, seed)
				m.run(20 * time.Second)
				if t.Failed() {
					t.Logf("seed %d:\n%s", seed, m.story.text.String())
				}
			})
		})
	}
}

// model is a run and what is known about it. Only the test's goroutine uses it,
// but for the facts, which mu guards.
type model struct {
	*cluster
	random  *rand.Rand
	places  [3]place
	calls   sync.WaitGroup
	story   story
	emptied authz.Instant // when the store was, last
	writes  int
	written map[string]string // what was written only once

	mu    sync.Mutex
	facts []*fact
	known map[*replica]*known
	met   map[[2]*replica]bool // the first has seen the second in the store
}

func newModel(c *cluster, seed uint64) *model {
	return &model{
		cluster: c, random: rand.New(rand.NewPCG(seed, 0)), written: make(map[string]string),
		known: make(map[*replica]*known), met: make(map[[2]*replica]bool),
	}
}

// place is where one process runs at a time.
type place struct {
	name     string
	r        *replica // nil while there is none
	launched authz.Instant
	split    bool
}

// fact is a revocation: when the Hub had answered, and what was promised.
type fact struct {
	subject  authz.Subject
	by       *replica
	seen     authz.Instant // on the cluster's clock
	promised bool
	state    ledger.State
	covered  map[*replica]bool
	freshest map[*replica]authz.Instant // leases of those who did not have it
}

// owner reports whether it is about a session that may be an owner's: only the
// entry ends that, or a doubt about everyone.
func (f *fact) owner() bool { return f.subject.Kind == authz.AboutSession }

// story is what happened, for who reads of a failure.
type story struct {
	mu   sync.Mutex
	text strings.Builder
}

// known is what a process has applied.
type known struct {
	looked   int
	subjects map[authz.Subject]bool
	guests   authz.Instant // when it last doubted every guest, or everyone
	everyone authz.Instant // when it last doubted everyone
	member   bool          // it has been in the log
}

// now is the time of the cluster, which no replica knows.
func (m *model) now() authz.Instant { return authz.Instant(time.Since(m.origin)) }

// here converts an instant of a replica.
func (m *model) here(r *replica, at authz.Instant) authz.Instant {
	return m.now().Add(-r.clock().Sub(at))
}

func (m *model) tell(format string, args ...any) {
	m.story.mu.Lock()
	defer m.story.mu.Unlock()
	fmt.Fprintf(&m.story.text, "%8.3f %s\n", time.Duration(m.now()).Seconds(), fmt.Sprintf(format, args...))
}

// run disturbs for a time, mends everything, and checks that all is well.
func (m *model) run(d time.Duration) {
	if m.random.IntN(3) == 0 {
		m.store.MaxLog = 8
	}
	for i, name := range []string{"a", "b", "c"} {
		m.places[i].name = name
		m.start(&m.places[i])
	}
	m.pass(2 * bound)
	for end := m.now().Add(d); m.now() < end; {
		m.step()
		for range 1 + m.random.IntN(20) {
			m.pass(time.Duration(m.random.IntN(10_000)) * time.Microsecond)
			m.check()
		}
	}
	m.mend()
	m.calls.Wait()
	m.pass(12 * bound) // a table is loaded for ten seconds at most
	m.check()
	m.whole()
	m.stopAll()
}

func (m *model) stopAll() {
	for i := range m.places {
		m.places[i].r.stop()
	}
}

// covers reports whether an entry can do no harm at a replica any more.
func (m *model) covers(r *replica, f *fact) bool {
	k := m.look(r)
	return k.subjects[f.subject] || k.member && (k.everyone >= f.seen || !f.owner() && k.guests >= f.seen)
}

// look returns what a process has applied.
func (m *model) look(r *replica) *known {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := m.known[r]
	for ; k.looked < len(r.applied); k.looked++ {
		e := &r.applied[k.looked]
		for _, s := range e.Subjects {
			switch s {
			case everyone:
				k.everyone, k.guests, k.member = m.here(r, e.at), m.here(r, e.at), true
			case guest:
				k.guests = m.here(r, e.at)
			}
			k.subjects[s] = true
		}
	}
	return k
}

// meet notes who has taken a turn after another did, in the same log.
func (m *model) meet() {
	for _, p := range m.places {
		for _, q := range m.places {
			if p.r == nil || q.r == nil || p.r == q.r {
				continue
			}
			later, earlier := m.here(p.r, p.r.Fresh()).Add(wait), m.here(q.r, q.r.Fresh()).Add(wait)
			if later > earlier && earlier > m.emptied {
				m.met[[2]*replica{p.r, q.r}] = true
			}
		}
	}
}

// check checks every promise.
func (m *model) check() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.meet()
	for _, f := range m.facts {
		for i := range m.places {
			p := &m.places[i]
			if p.r == nil || f.seen == 0 || p.launched >= f.seen || f.covered[p.r] {
				continue
			}
			if m.covers(p.r, f) {
				f.covered[p.r] = true
				continue
			}
			if !m.known[p.r].member {
				continue // was never a member
			}
			f.freshest[p.r] = max(f.freshest[p.r], m.here(p.r, p.r.Fresh()))
			if f.promised {
				m.broken(f, p)
			}
		}
	}
}

// broken reports what was promised of an entry and is not so.
func (m *model) broken(f *fact, p *place) {
	what := ""
	switch {
	case f.owner() && f.state != ledger.Done:
		return // owners need no lease
	case f.owner() && (m.emptied <= f.freshest[p.r] || m.met[[2]*replica{f.by, p.r}]):
		what = "the answers of owners"
	case f.owner():
		return // as below
	case f.freshest[p.r] > f.seen:
		what = "a lease from after the Hub's answer"
	case p.r.age() <= bound:
		what = "a lease"
	case m.emptied > f.freshest[p.r] && !m.met[[2]*replica{f.by, p.r}]:
		return // nobody could tell who revoked that there is this process
	case f.state == ledger.Done:
		what = "answers as old as the bound"
	default:
		return
	}
	m.tell("BROKEN: %s at %s", f.subject.Name, p.name)
	m.t.Errorf("at %.3f: %s, seen by %s at %.3f, state %d, is not known at %s, which has %s",
		time.Duration(m.now()).Seconds(), f.subject.Name, f.by.name, time.Duration(f.seen).Seconds(), f.state, p.name, what)
	f.promised = false // said once
}

// whole checks that all is well after the faults.
func (m *model) whole() {
	m.tell("all faults are over")
	first := m.places[0].r
	for i := range m.places {
		r := m.places[i].r
		s := r.Status()
		if !s.Up || s.Unshared != 0 || s.Members != 3 || r.age() > every+wait || s.Position != first.Status().Position {
			m.t.Errorf("%s: status %+v, lease %v old, first is at %d", r.name, s, r.age(), first.Status().Position)
		}
		r.wantTable("when the faults are over", first.table())
	}
	v := first.revoke(bob)
	if v.State == ledger.Within {
		m.t.Errorf("revoked when the faults are over: %+v", v)
	}
	for i := range m.places {
		if r := m.places[i].r; len(r.entries(bob)) != 1 {
			m.t.Errorf("%s has %d entries of it", r.name, len(r.entries(bob)))
		}
	}
	for name, value := range m.written {
		if got, is := first.table()[name]; is && got != value {
			m.t.Errorf("record %s is %q, nobody wrote but %q", name, got, value)
		}
	}
}
