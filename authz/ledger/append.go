package ledger

import (
	"context"
	"slices"
	"time"
)

// op is an entry that waits to be appended.
type op struct {
	body        body
	at          Position // where it was last tried
	intent      string   // that it resolves
	onlyPending bool     // and without which it is not appended
	waiter      *waiter
	failed      chan error // has room for one
}

// fail tells who waits for the op that it will not be appended in time.
func (o *op) fail(err error) {
	select {
	case o.failed <- err:
	default:
	}
}

// maxPending bounds what waits for a log that is away. Beyond it the oldest
// changes are left to T.
const maxPending = 1024

// submit puts an op in line and waits until it is appended and applied here.
// An error means that it was not within the time for it; a change of access
// stays in line.
func (r *Replica) submit(ctx context.Context, o *op, limit time.Duration) error {
	r.mu.Lock()
	err := r.enqueue(o)
	r.mu.Unlock()
	if err != nil {
		return err
	}
	r.nudge()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-o.waiter.begun:
		return nil
	case err = <-o.failed:
	case <-timer.C:
		err = errAway
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-o.waiter.begun: // at the same time
		return nil
	default:
	}
	if o.body.Record != nil {
		r.remove(o) // it goes on as an unshared record
	}
	return err
}

// enqueue puts an op in line; the caller holds mu.
func (r *Replica) enqueue(o *op) error {
	if r.left() {
		return errLeft
	}
	if len(r.pending) >= maxPending {
		r.pending[0].fail(errAway)
		r.pending = slices.Delete(r.pending, 0, 1)
	}
	r.order++
	o.body.By, o.body.Order = r.member, r.order
	o.failed = make(chan error, 1)
	o.waiter = newWaiter()
	r.pending = append(r.pending, o)
	return nil
}

func (r *Replica) remove(o *op) {
	if i := slices.Index(r.pending, o); i >= 0 {
		r.pending = slices.Delete(r.pending, i, i+1)
	}
}

// due returns the ops of the next turn: what is in line, else records that
// are unshared. What goes only while its intent is pending goes alone,
// so that its refusal stops nothing else.
func (r *Replica) due() []*op {
	for i, o := range r.pending {
		if o.onlyPending {
			return slices.Clone(r.pending[:max(i, 1)])
		}
		if i == maxAppended {
			return slices.Clone(r.pending[:i])
		}
	}
	if len(r.pending) > 0 {
		return slices.Clone(r.pending)
	}
	changes, orders := r.records.toShare(maxAppended)
	ops := make([]*op, len(changes))
	for i, c := range changes {
		ops[i] = &op{body: body{By: r.member, Order: orders[i], Record: c}} // nobody waits
	}
	return ops
}

// seal makes of an op what the store appends behind at.
func (r *Replica) seal(o *op, at Position) (a Append, err error) {
	o.at, a.Sealed, err = r.sealer.sealEntry(&o.body, at)
	if err != nil {
		return Append{}, err
	}
	a.ID, a.Intent, a.OnlyPending = o.at.ID, o.intent, o.onlyPending
	for _, s := range o.body.Subjects {
		a.Touched = append(a.Touched, r.sealer.subject(s))
	}
	if o.body.Record != nil {
		a.Records = r.sealed(o.body.Record, o.at.Number)
	}
	return a, nil
}

// sealed returns the records that an entry changes in the store: its own, and
// graves that are forgotten with it.
func (r *Replica) sealed(c *change, n uint64) map[string][]byte {
	fields := make(map[string][]byte, 1)
	gone := r.records.prune()
	for _, field := range gone {
		fields[field] = nil
	}
	if len(gone)+len(r.records.old) > 0 {
		fields[floorKey.field()] = r.sealer.sealRecord(floorKey, record{number: r.records.floor})
	}
	fields[c.key().field()] = r.sealer.sealRecord(c.key(), c.record(n))
	return fields
}

// appended applies this replica's own entries.
func (r *Replica) appended(sent []*op) {
	for _, o := range sent {
		r.apply(&o.body, o.at)
	}
	r.records.forget()
}

// arrived takes an op of this replica out of the line: its entry is applied
// here, and the others are waited for.
func (r *Replica) arrived(o uint64, at Position) {
	i := slices.IndexFunc(r.pending, func(p *op) bool { return p.body.Order == o })
	if i < 0 {
		return // nobody waits any more
	}
	p := r.pending[i]
	r.pending = slices.Delete(r.pending, i, i+1)
	if p.waiter == nil {
		return
	}
	p.waiter.begin(at.Number, r.Applied(), r.members.others(r.member, p.body.Record != nil), r.opts.Clock())
	r.waiters = append(r.waiters, p.waiter)
	r.awaiting.Add(1)
}

// refused is called when nothing was appended and nothing was in the way.
func (r *Replica) refused(ctx context.Context, sent []*op) {
	for _, o := range sent {
		r.remove(o)
		o.fail(errRefused)
		if !o.onlyPending {
			r.opts.Log.ErrorContext(ctx, "the shared log refused an entry", "error", errRefused)
		}
	}
}
