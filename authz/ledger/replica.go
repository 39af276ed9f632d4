package ledger

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// Replica is the log of one of several replicas, on a [Store] that they share.
// It implements [Ledger] and [authz.Shared]. Use [NewReplica].
//
// Its rules, each with what would happen without it:
//
//  1. A turn is a write. Every quarter of Δ one renews the membership and
//     raises a tick at the primary; only when everything up to the head that
//     it returned is applied, Fresh becomes the time at which the turn began.
//     If reading were enough, a primary that was cut off and replaced would
//     go on granting leases; if the end of the turn counted, an entry that is
//     appended while the answer travels would be missing under a fresh lease.
//     Fresh is earlier by the longest time that appending takes: Δ counts from
//     the Hub's answer, not from the entry.
//  2. Members. The step that grants a lease records the member, and the step
//     that appends returns the members. If they were two steps each, a replica
//     that starts between would be asked by nobody. One that ends leaves after
//     its last gate is closed. One that is silent is dropped only when its
//     counter stood still for Δ on the clock of who drops it: by then its lease
//     has run out. It is remembered as lost, because it may go on with answers
//     younger than Δ: nobody says "done" while it is. If it comes back it has
//     missed something.
//  3. History. Every entry has a random id, and is sealed with the id of the one
//     before it. Where the chain does not fit, the head is older, or the
//     incarnation is another, a failover or an empty restart may have lost
//     entries, new ones at the same numbers would hide it. Then every answer of
//     a guest is doubted, and the entries from there on are applied; where they
//     are not to be had, everyone is doubted.
//  4. Entries are for subjects, see [authz.Generations]. A login is no entry.
//  5. A watched call is announced by an intent and resolved by an entry. If the
//     announcement held anything, anybody could hold everybody; if the wait
//     counted from it, a Hub that takes 10 s would be overtaken. An intent
//     whose replica died becomes an entry when its time is up on somebody's
//     clock, once.
//  6. Shared answers carry history, position and tick, see answers.go.
//  7. All that is kept is sealed for its place, see seal.go. What does not
//     open is a gap: skipping it would be as good as deleting it unseen.
//  8. Records written while the log was away carry the position at which they
//     were accepted, and are appended only at a head that this replica knows: a
//     late one finds another entry there and is not appended, see records.go.
//  9. Messages only make the next turn early.
//
// What is assumed: clocks of replicas go at the same rate, nothing is paused
// between looking at the lease and writing one chunk, and a commit that a
// majority confirmed survives. Who can write the store without the secret can
// delete, put back older values at their places, and forge confirmations and
// ticks: he turns Δ into T.
type Replica struct {
	opts     ReplicaOptions
	store    Store
	member   string
	every    time.Duration // between regular turns
	patience time.Duration // for a turn, and for an append
	wake     chan struct{}
	loaded   chan struct{}
	closed   chan struct{}
	applied  atomic.Uint64 // authz.Seq
	fresh    atomic.Int64  // authz.Instant
	position atomic.Uint64 // at.Number, for messages
	awaiting atomic.Int64  // entries that wait for acknowledgements
	places   chan struct{} // has room for the announcements that are sent
	lastMark atomic.Pointer[authz.Mark]

	mu          sync.Mutex // guards the fields below, and keeps the entries in order
	incarnation string
	sealer      *sealer
	joined      bool
	histories   uint64 // joined so far
	at          Position
	began       Position // where it went on in this history
	ids         ids
	ticks       ticks
	localAfter  uint64        // at.Number at the last local event
	localAt     authz.Instant // when that was
	order       uint64        // of this member's last entry
	pending     []*op
	calls       map[string]struct{} // announced here and not resolved
	intents     map[string]intent   // of all members
	undone      []string            // announcements of calls that changed nothing
	members     members
	waiters     []*waiter
	syncs       []chan error // wait for the next turn to begin
	syncing     []chan error // wait for this turn, or those that it needs besides
	records     records
	activity    activity
	tally       tally
	firstSeen   authz.Instant // no log: since when
	swept       authz.Instant // when the intents of others were last looked at
	up          bool          // the last turn succeeded
	lostSight   bool          // and before that the lease ran out
}

// ReplicaOptions are required, but for Acknowledged.
type ReplicaOptions struct {
	Options
	Store   Store
	Secrets [][]byte      // of all replicas: the first seals, all open
	Bound   time.Duration // Δ
	// Name is that of the place at which the process serves: host and port. A
	// process that starts there replaces the one that was lost there.
	Name string
	Log  *slog.Logger
	// Acknowledged is told how long all members took to confirm an entry.
	Acknowledged func(time.Duration)
}

var (
	errNoSecret = errors.New("the log needs a secret that all replicas share")
	errAway     = errors.New("the shared log is away")
	errLeft     = errors.New("this replica has left the log")
)

// NewReplica returns a replica that knows nothing yet. It does nothing before
// Run.
func NewReplica(o ReplicaOptions) (*Replica, error) {
	if len(o.Secrets) == 0 {
		return nil, errNoSecret
	}
	for _, secret := range o.Secrets {
		if len(secret) == 0 {
			return nil, errNoSecret
		}
	}
	if o.Acknowledged == nil {
		o.Acknowledged = func(time.Duration) {}
	}
	r := &Replica{
		opts: o, store: o.Store, member: newName(),
		every: o.Bound / 4, patience: o.Bound / 5,
		wake: make(chan struct{}, 1), loaded: make(chan struct{}), closed: make(chan struct{}),
		places: make(chan struct{}, maxAnnouncing),
		calls:  make(map[string]struct{}), intents: make(map[string]intent),
		members: newMembers(o.Bound), records: newRecords(o.Keep), tally: newTally(),
		firstSeen: never, swept: never,
	}
	r.fresh.Store(int64(never))
	return r, nil
}

// never is before every instant, and far enough from the end of the numbers
// that durations can be computed.
const never = authz.Instant(math.MinInt64 / 2)

// Applied implements [authz.Lease].
func (r *Replica) Applied() authz.Seq { return authz.Seq(r.applied.Load()) }

// Fresh implements [authz.Lease].
func (r *Replica) Fresh() authz.Instant { return authz.Instant(r.fresh.Load()) }

// leased reports whether the lease holds now.
func (r *Replica) leased() bool { return r.opts.Clock().Sub(r.Fresh()) <= r.opts.Bound }

// Loaded implements [Ledger].
func (r *Replica) Loaded(ctx context.Context) error {
	select {
	case <-r.loaded:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run implements [Ledger].
func (r *Replica) Run(ctx context.Context) {
	var listening sync.WaitGroup
	listening.Go(func() { r.store.Listen(ctx, r.woken) })
	tick := time.NewTicker(r.every)
	defer tick.Stop()
	for regular := true; ; {
		again := r.turn(ctx, regular)
		regular = false
		if again && ctx.Err() == nil {
			select {
			case <-tick.C:
				regular = true // also where one turn follows the other
			default:
			}
			continue
		}
		select {
		case <-tick.C:
			regular = true
		case <-r.wake:
		case <-ctx.Done():
			r.leave(context.WithoutCancel(ctx))
			listening.Wait()
			return
		}
	}
}

// woken is told of messages. What they say is only a reason to look.
func (r *Replica) woken(w Wake) {
	if w.Head > r.position.Load() || w.Acked && r.awaiting.Load() > 0 {
		r.nudge()
	}
}

// nudge makes the next turn come at once.
func (r *Replica) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// leave ends what waits, and the membership. A member that cannot say so is
// dropped by the others.
func (r *Replica) leave(ctx context.Context) {
	r.mu.Lock()
	close(r.closed)
	r.fresh.Store(int64(never))
	for _, o := range r.pending {
		o.fail(errLeft)
	}
	r.pending = nil
	r.abandon()
	r.endSyncs(errLeft)
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, r.patience)
	defer cancel()
	r.withdrawAll(ctx)
	if err := r.store.Forget(ctx, r.member); err != nil {
		r.opts.Log.WarnContext(ctx, "leaving the shared log", "error", err)
	}
}

// left reports whether the replica has left; what it does then is only local.
func (r *Replica) left() bool {
	select {
	case <-r.closed:
		return true
	default:
		return false
	}
}
