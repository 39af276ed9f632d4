package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// The sizes of a turn.
const (
	maxAppended = 64  // entries: a turn is short, and what waits goes with the next
	maxReturned = 256 // entries of others
)

var errRefused = errors.New("the store appended nothing, and nothing was in the way")

// turn is one step at the store. It reports whether the next should follow at
// once. Only Run takes turns.
func (r *Replica) turn(ctx context.Context, regular bool) (again bool) {
	t, sent := r.prepare(regular)
	began := r.opts.Clock()
	limit, cancel := context.WithTimeout(ctx, r.patience)
	v, err := r.store.Turn(limit, t)
	cancel()
	if err != nil {
		r.failed(ctx, err)
		return false
	}
	done, again := r.take(ctx, t, sent, v, began)
	switch {
	case v.Incarnation == "":
		return r.create(ctx)
	case !done:
		return r.join(ctx, v)
	case regular:
		r.keepHouse(ctx)
	}
	return again
}

// prepare says what the next turn is to do.
func (r *Replica) prepare(regular bool) (t Turn, sent []*op) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t = Turn{
		Incarnation: r.incarnation, Member: r.member, Name: r.opts.Name, Joined: r.joined,
		At: r.at, Announce: regular, Limit: maxReturned,
	}
	r.syncing = append(r.syncing, r.syncs...)
	r.syncs = nil
	if !r.joined {
		return t, nil
	}
	t.Told, t.Asked = r.tally.take()
	at := r.at
	for _, o := range r.due() {
		a, err := r.seal(o, at)
		if err != nil { // not JSON: cannot be, it was made here
			r.remove(o)
			o.fail(err)
			continue
		}
		t.Append, sent, at = append(t.Append, a), append(sent, o), o.at
	}
	return t, sent
}

// take takes in what a turn returned. It reports done if the replica is still in
// the same history, and whether another turn should follow at once.
func (r *Replica) take(ctx context.Context, t Turn, sent []*op, v View, began authz.Instant) (done, again bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members.update(v.Members, r.opts.Clock())
	if !r.joined || v.Incarnation != r.incarnation || v.Tick <= r.ticks.last || !r.catchUp(v, t, sent) {
		return false, false
	}
	r.awaitHeirs(r.members.left())
	switch {
	case v.Appended:
		r.appended(sent)
	case len(sent) > 0 && len(v.Entries) == 0:
		r.refused(ctx, sent)
	}
	if v.Dropped { // others went on without waiting for this one
		r.doubt(authz.AboutEveryGuest)
	}
	r.settleWaiters()
	r.tally.answer(v.Told)
	r.ticks.add(v.Tick, began)
	if r.at == v.Head {
		r.fresh.Store(int64(began.Add(-r.patience)))
		r.lastMark.Store(&authz.Mark{Incarnation: r.incarnation, Number: r.at.Number, ID: r.at.ID, Tick: v.Tick, History: r.histories})
		r.caughtUp(ctx)
	}
	return true, len(v.Entries) > 0 || len(r.pending) > 0 || len(r.records.unshared)+len(r.records.old) > 0 && len(sent) > 0
}

// catchUp applies the entries of others. It reports false at a gap.
func (r *Replica) catchUp(v View, t Turn, sent []*op) bool {
	for _, e := range v.Entries {
		b, err := r.sealer.openEntry(e, r.at)
		if err != nil {
			return false
		}
		r.apply(b, e.Position)
	}
	if v.Appended {
		return len(sent) > 0 && v.Head == sent[len(sent)-1].at && r.at == t.At
	}
	return len(v.Entries) == t.Limit || v.Head == r.at
}

// apply puts an entry into force.
func (r *Replica) apply(b *body, at Position) {
	r.at = at
	r.position.Store(at.Number)
	r.ids.add(at)
	seq := authz.Seq(r.applied.Add(1)) // before it is applied, see the package comment
	own := b.By == r.member
	if b.Record != nil {
		r.records.apply(b.Record, at.Number, b.Order, own)
		if own && b.Record.Removed {
			r.activity.forget(b.Record.Name)
		}
	}
	if len(b.Subjects) > 0 {
		if !own {
			r.tally.about(seq, at.Number)
		}
		r.opts.Apply(b.entry(seq, r.opts.Clock()))
	}
	if own {
		r.arrived(b.Order, at)
	}
}

// local puts something into force that is not in the log. What others asked the
// Hub for before it is not used.
func (r *Replica) local(e Entry) authz.Seq {
	r.localAfter, r.localAt = r.at.Number, r.opts.Clock()
	e.Seq = authz.Seq(r.applied.Add(1))
	r.opts.Apply(e)
	return e.Seq
}

// doubt makes every answer about a guest, or about everyone, be asked for
// again, at the Hub.
func (r *Replica) doubt(about authz.SubjectKind) {
	r.local(Entry{Subjects: []authz.Subject{{Kind: about}}})
}

// caughtUp is called when everything up to the head is applied.
func (r *Replica) caughtUp(ctx context.Context) {
	if !r.up {
		r.up = true
		if r.lostSight {
			r.lostSight = false
			r.opts.Log.InfoContext(ctx, "the shared log is back", "position", r.at.Number, "unshared", len(r.records.unshared))
		}
	}
	for _, done := range r.syncing {
		done <- nil
	}
	r.syncing = nil
	select {
	case <-r.loaded:
	default:
		close(r.loaded)
	}
}

// failed is called when a step got no answer.
func (r *Replica) failed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.up = false
	r.endSyncs(errAway)
	if !r.lostSight && !r.leased() {
		r.lostSight = true
		r.opts.Log.WarnContext(ctx, "the shared log is away: answers of the hub are used for Δ only, revocations here reach the others within T",
			"error", err)
	}
}

// endSyncs tells those who wait to be in sync that it cannot be known.
func (r *Replica) endSyncs(err error) {
	for _, done := range append(r.syncing, r.syncs...) {
		done <- err
	}
	r.syncing, r.syncs = nil, nil
}

// Sync implements [Ledger].
func (r *Replica) Sync(ctx context.Context) error {
	done := make(chan error, 1)
	r.mu.Lock()
	if r.left() {
		r.mu.Unlock()
		return errLeft
	}
	r.syncs = append(r.syncs, done)
	r.mu.Unlock()
	r.nudge()
	ctx, cancel := context.WithTimeout(ctx, r.every+r.patience)
	defer cancel()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Status is what the replica knows about itself and the others.
type Status struct {
	Up       bool   // the last turn succeeded
	Position uint64 // of the last entry applied here
	Members  int    // that live, this one too
	Lost     int    // that were dropped and may still run
	Unshared int    // records that no other member knows
}

// Status returns the replica's status. It is safe for concurrent use.
func (r *Replica) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Status{Up: r.up, Position: r.at.Number, Unshared: len(r.records.unshared)}
	for _, p := range r.members.peers {
		if p.lost {
			s.Lost++
		} else {
			s.Members++
		}
	}
	return s
}

// for how long a whole table may be loaded, or written: much longer than it
// takes, because no lease depends on it.
const loadTime = 2 * time.Second
