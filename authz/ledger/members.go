package ledger

import (
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
	counter uint64
	applied uint64
	lost    bool
	since   authz.Instant
}

func newMembers(bound time.Duration) members {
	return members{bound: bound, peers: make(map[string]*peer)}
}

// update takes in what a turn returned.
func (ms *members) update(list []Member, now authz.Instant) {
	peers := make(map[string]*peer, len(list))
	for _, m := range list {
		p := ms.peers[m.ID]
		if p == nil || p.counter != m.Counter || p.lost != m.Lost {
			p = &peer{counter: m.Counter, lost: m.Lost, since: now}
		}
		p.applied = m.Applied
		peers[m.ID] = p
	}
	ms.peers = peers
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
		if p.lost && now.Sub(p.since) > rememberLost {
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
		p := ms.peers[id]
		if p == nil || !p.lost && p.applied >= w.number {
			delete(w.awaited, id)
		}
	}
	return len(w.awaited) == 0
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

// await waits for the other members, Δ at most, and says how far the entry has
// come: who has not confirmed by then has no lease that is older than it.
func (r *Replica) await(w *waiter) Receipt {
	timer := time.NewTimer(r.opts.Bound)
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
	receipt := Receipt{Seq: w.seq, Missing: len(w.awaited)}
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
