package ledger

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// intent is a call that somebody announced, as this replica knows it.
type intent struct {
	in    Intent
	since authz.Instant // known here
}

// sweepEvery is how often the intents of others are looked at.
const sweepEvery = 5 * time.Second

// Resolve implements [Ledger].
func (r *Replica) Resolve(ctx context.Context, call Call, outcome Outcome) (Receipt, error) {
	r.mu.Lock()
	_, pending := r.calls[call.id]
	delete(r.calls, call.id)
	delete(r.intents, call.id)
	r.mu.Unlock()
	if !pending {
		return Receipt{}, nil
	}
	if outcome == Unchanged {
		r.withdraw(call)
		return Receipt{State: Done}, nil
	}
	o := &op{intent: call.id, body: body{
		Subjects: call.intent.Subjects, Everybody: call.intent.Everybody, Unclear: outcome == Unclear,
		Left: call.begun.Add(call.intent.Limit).Sub(r.opts.Clock()),
	}}
	if err := r.submit(ctx, o, r.patience); err != nil {
		return r.alone(ctx, o), err
	}
	return r.await(o.waiter, r.opts.Bound), nil
}

// alone puts a change into force here that could not be written. It stays in
// line, so that the others learn it as soon as they can. By the time that it
// returns, those who lost the log with this replica have lost their lease.
func (r *Replica) alone(ctx context.Context, o *op) Receipt {
	r.mu.Lock()
	if r.left() { // and all gates are closed
		r.mu.Unlock()
		return Receipt{}
	}
	o.waiter = nil
	seq := r.local(o.body.entry(0, r.opts.Clock()))
	r.mu.Unlock()
	timer := time.NewTimer(r.opts.Bound)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-r.closed:
	}
	return Receipt{Seq: seq, State: Within}
}

// writeLimit bounds the time for a record to be appended, and then for others to
// confirm it, where Δ is long: the Hub gives up on a route after 10 s.
const writeLimit = 2 * time.Second

// Write implements [Ledger]. It does not fail.
func (r *Replica) Write(ctx context.Context, rec Record) error {
	c := &change{Kind: rec.Kind, Name: rec.Name, Value: rec.Value, Removed: rec.Value == nil}
	o := &op{body: body{Record: c}}
	if r.leased() {
		if err := r.submit(ctx, o, min(r.patience, writeLimit)); err == nil {
			r.await(o.waiter, min(r.opts.Bound, writeLimit))
			return nil
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if o.body.Order == 0 { // was not tried
		r.order++
		o.body.Order = r.order
	}
	r.records.write(c.key(), unshared{value: c.record(0).value, after: r.at.Number, order: o.body.Order})
	return nil
}

// keepHouse does what is due now and then. What fails is done the next time.
func (r *Replica) keepHouse(ctx context.Context) {
	now := r.opts.Clock()
	r.mu.Lock()
	silent, over := r.members.silent(r.member, now), r.members.over(now)
	incarnation := r.incarnation
	sweep := now.Sub(r.swept) >= sweepEvery
	if sweep {
		r.swept = now
	}
	r.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, r.patience)
	defer cancel()
	for id, counter := range silent {
		err := r.store.Drop(ctx, id, counter)
		r.note(ctx, err)
		if err == nil {
			r.opts.Log.WarnContext(ctx, "a replica is silent: revocations are bounded by Δ until it is back or forgotten", "member", id)
		}
	}
	for _, id := range over {
		r.note(ctx, r.store.Forget(ctx, id))
	}
	r.withdrawAll(ctx)
	if sweep {
		found, err := r.store.Intents(ctx, incarnation)
		r.note(ctx, err)
		if err == nil {
			r.learnIntents(found, now)
		}
	}
	r.resolveOrphans(now)
}

func (r *Replica) note(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		r.opts.Log.WarnContext(ctx, "the shared log", "error", err)
	}
}

// learnIntents takes in which calls are announced.
func (r *Replica) learnIntents(found map[string][]byte, now authz.Instant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.intents {
		_, is := found[id]
		if _, own := r.calls[id]; !is && !own { // an own one may have been announced since
			delete(r.intents, id)
		}
	}
	for id, sealed := range found {
		if _, known := r.intents[id]; known {
			continue
		}
		plain, err := r.sealer.open(sealed, "intent", id)
		var in Intent
		if err == nil {
			err = json.Unmarshal(plain, &in)
		}
		if err != nil { // forged: it concerns nobody
			continue
		}
		r.intents[id] = intent{in, now}
	}
}

// resolveOrphans appends an unclear entry for calls whose time is up: the
// replica that announced them has died. All members try, one succeeds.
func (r *Replica) resolveOrphans(now authz.Instant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, it := range r.intents {
		if now.Sub(it.since) < it.in.Limit {
			continue
		}
		delete(r.intents, id)
		delete(r.calls, id)
		o := &op{intent: id, onlyPending: true, body: body{
			Subjects: it.in.Subjects, Everybody: it.in.Everybody, Unclear: true,
		}}
		if r.enqueue(o) == nil {
			r.nudge()
		}
	}
}
