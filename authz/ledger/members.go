package ledger

import (
	"maps"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// rememberLost is how long a lost member keeps others from saying "done": a
// process that was cut off for longer than that, and still runs, may use an
// answer of the Hub for up to Δ after others have said it.
const rememberLost = 10 * time.Minute

// members are the replicas as the last turn showed them.
type members struct {
	bound time.Duration
	peers map[string]*peer
}

// peer is a member, and since when it looks as it does: on this clock, when
// the turn that showed it first had returned.
type peer struct {
	name    string
	counter uint64
	applied uint64
	lost    bool
	since   authz.Instant
	absent  bool // the last turn did not show it
	missed  bool // lost with a former history, and not in the store
}

func newMembers(bound time.Duration) members {
	return members{bound: bound, peers: make(map[string]*peer)}
}

// update takes in what a turn returned. Who is not in it stays until it is
// clear whether he has left, or is gone together with the history.
func (ms *members) update(list []Member, now authz.Instant) {
	for _, p := range ms.peers {
		p.absent = true
	}
	for _, m := range list {
		p := ms.peers[m.ID]
		if p == nil || p.counter != m.Counter || p.lost != m.Lost || p.missed {
			p = &peer{name: m.Name, counter: m.Counter, lost: m.Lost, since: now}
			ms.peers[m.ID] = p
		}
		p.applied, p.absent = m.Applied, false
	}
}

// left forgets the members that have left, and lost ones if another process
// runs at their place. It returns that process by who it replaces: it may have
// been there already in a history that was lost, unseen by this replica, and
// have its lease from there.
func (ms *members) left() (heirs map[string]string) {
	heirs = make(map[string]string)
	maps.DeleteFunc(ms.peers, func(id string, p *peer) bool {
		if !p.absent {
			return false
		}
		heir := ms.heir(id)
		if p.lost && heir != "" {
			heirs[id] = heir
		}
		return !p.missed || heir != ""
	})
	return heirs
}

// miss remembers as lost whoever was a member in a former history and is not
// yet in this one: he may have a lease from there.
func (ms *members) miss(self string, now authz.Instant) {
	for id, p := range ms.peers {
		if p.absent && !p.missed && id != self {
			p.lost, p.missed, p.since = true, true, now
		}
	}
}

// lost returns all members but self as lost ones.
func (ms *members) lost(self string) (list []Member) {
	for id, p := range ms.peers {
		if id != self {
			list = append(list, Member{ID: id, Name: p.name, Counter: p.counter, Lost: true})
		}
	}
	return list
}

// heir returns the process that runs at the place of a member, "" if none does.
func (ms *members) heir(id string) string {
	name := ms.peers[id].name
	for other, p := range ms.peers {
		if other != id && p.name == name && !p.lost && !p.absent {
			return other
		}
	}
	return ""
}

// others returns the ids of all members but self; of lost ones only if they are
// to be waited for.
func (ms *members) others(self string, withoutLost bool) map[string]struct{} {
	ids := make(map[string]struct{}, len(ms.peers))
	for id, p := range ms.peers {
		if id != self && !(p.lost && withoutLost) {
			ids[id] = struct{}{}
		}
	}
	return ids
}

// silent returns the members whose counter stood still for longer than Δ: their
// lease has run out.
func (ms *members) silent(self string, now authz.Instant) map[string]uint64 {
	ids := make(map[string]uint64)
	for id, p := range ms.peers {
		if id != self && !p.lost && now.Sub(p.since) > ms.bound {
			ids[id] = p.counter
		}
	}
	return ids
}

// over returns the lost members that are not remembered any longer.
func (ms *members) over(now authz.Instant) (ids []string) {
	for id, p := range ms.peers {
		switch {
		case !p.lost || now.Sub(p.since) <= rememberLost && ms.heir(id) == "":
		case p.missed:
			delete(ms.peers, id)
		default:
			ids = append(ids, id)
		}
	}
	return ids
}

// waiter waits until the other members have confirmed an entry. Its fields are
// guarded by the replica's mu, those above the line until begun is closed only.
type waiter struct {
	number  uint64
	seq     authz.Seq
	since   authz.Instant
	begun   chan struct{} // closed when the entry is applied here
	awaited map[string]struct{}

	confirmed int

	over  chan struct{} // closed when nobody is awaited any more, or for lost
	broke bool          // the history has changed meanwhile
}

func newWaiter() *waiter {
	return &waiter{begun: make(chan struct{}), over: make(chan struct{})}
}

// begin begins to wait for the members named.
func (w *waiter) begin(n uint64, seq authz.Seq, awaited map[string]struct{}, now authz.Instant) {
	w.number, w.seq, w.awaited, w.since = n, seq, awaited, now
	close(w.begun)
}

// check takes those off the list who have confirmed, or left.
func (w *waiter) check(ms *members) (done bool) {
	for id := range w.awaited {
		switch p := ms.peers[id]; {
		case p == nil:
			delete(w.awaited, id)
		case !p.lost && p.applied >= w.number:
			delete(w.awaited, id)
			w.confirmed++
		}
	}
	return len(w.awaited) == 0
}

// awaitHeirs has those who wait for a member wait for its heir.
func (r *Replica) awaitHeirs(heirs map[string]string) {
	for _, w := range r.waiters {
		for id, heir := range heirs {
			if _, is := w.awaited[id]; is {
				w.awaited[heir] = struct{}{}
			}
		}
	}
}

// settleWaiters ends those who wait for nobody any more; the caller holds mu.
func (r *Replica) settleWaiters() {
	rest := r.waiters[:0]
	for _, w := range r.waiters {
		if !w.check(&r.members) {
			rest = append(rest, w)
			continue
		}
		close(w.over)
		r.awaiting.Add(-1)
		r.opts.Acknowledged(r.opts.Clock().Sub(w.since))
	}
	clear(r.waiters[len(rest):])
	r.waiters = rest
}

// abandon ends all waiting without knowing anything: another history; the
// caller holds mu.
func (r *Replica) abandon() {
	for _, w := range r.waiters {
		w.broke = true
		close(w.over)
		r.awaiting.Add(-1)
	}
	r.waiters = nil
}

// await waits for the other members until a limit, and says how far the entry has
// come: who has not confirmed after Δ has no lease that is older than it.
func (r *Replica) await(w *waiter, limit time.Duration) Receipt {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-w.over:
	case <-timer.C:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, other := range r.waiters {
		if other == w {
			r.waiters = append(r.waiters[:i], r.waiters[i+1:]...)
			r.awaiting.Add(-1)
			break
		}
	}
	receipt := Receipt{Seq: w.seq, Missing: len(w.awaited), number: w.number, confirmed: w.confirmed}
	switch {
	case w.broke:
		receipt.State = Within
	case len(w.awaited) > 0:
		receipt.State = Bounded
	default:
		receipt.State = Done
	}
	return receipt
}
