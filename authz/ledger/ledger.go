// Package ledger is the ordered log by which replicas agree about access: who
// may have been given or taken access, in one order for all.
//
// A call that can change access (a "watched call") is announced before it is
// sent to the Hub ([Ledger.Begin]) and resolved when the Hub has answered
// ([Ledger.Resolve]). The announcement disturbs nobody, because anybody may
// send such a call; it exists so that a replica that dies in between does not
// take the knowledge with it: an announcement that is not resolved in time
// becomes an entry by itself. Only a resolution is an entry: it is applied on
// every member, in order, and the [Receipt] tells the caller when.
//
// What closes which gap:
//
//   - The entry is appended after the Hub's answer and before the caller hears
//     it: whoever asks the Hub after he has applied the entry asks after the
//     change. An answer asked for at a position before the entry may lack it.
//   - Applied is raised before the entry is applied: a question that begins
//     while the entry is being applied counts as asked after it, which is
//     true, since the Hub had answered before.
//   - An entry is about subjects; entries about the same subject coalesce in
//     whoever applies them. A stream of entries of one user disturbs nobody
//     else.
//
// The log also keeps records: named values that all members see alike, in the
// order of the log. The routes are records.
//
// [Memory] is the log of a single process, with its records in a file if one
// is given. [Replica] is the log of several, on a [Store] that they share;
// its rules are told there.
package ledger

import (
	"context"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// Entry is one line of the log.
type Entry struct {
	Seq      authz.Seq
	Subjects []authz.Subject
	// Everybody is set for a call that takes away everybody's access to a
	// server: tools do that and grant again right after.
	Everybody bool
	// Unclear is set when it is not known what the Hub did: it failed, or did
	// not answer, or the replica that asked it died. What the Hub says now
	// may then change once more, until Until.
	Unclear bool
	Until   authz.Instant
}

// Intent announces a call.
type Intent struct {
	Subjects  []authz.Subject
	Everybody bool
	// Limit is the longest time that the Hub may take for the call. An
	// announcement that is that old becomes an unclear entry.
	Limit time.Duration
}

// Outcome is what became of a call.
type Outcome uint8

// The outcomes. Unclear, the zero Outcome, is the careful one.
const (
	Unclear   Outcome = iota // the Hub failed or did not answer
	Changed                  // the Hub did it
	Unchanged                // the Hub refused: nothing happened
)

// String returns the outcome as it stands in logs.
func (o Outcome) String() string {
	switch o {
	case Unclear:
		return "unclear"
	case Changed:
		return "changed"
	case Unchanged:
		return "unchanged"
	}
	return "unclear"
}

// Call is a call that was announced, or could not be. Resolving it twice does
// nothing.
type Call struct {
	id     string
	intent Intent
	begun  authz.Instant

	announced bool // others may know it
}

// State says how far an entry has come.
type State uint8

// The states. Within, the zero State, promises least.
const (
	Within  State = iota // others will learn it from the Hub, within T
	Bounded              // those who did not confirm have lost their lease
	Done                 // applied by every member
)

// Receipt is what [Ledger.Resolve] returns for an entry.
type Receipt struct {
	Seq   authz.Seq // of the entry; 0 if there is none (Unchanged)
	State State
	// Missing is the number of members that did not confirm.
	Missing int

	number    uint64 // of the entry in a shared log
	confirmed int    // members that did
}

// Record is a named value that all members see alike.
type Record struct {
	Kind  string // who owns the names, such as "route"; of letters only
	Name  string
	Value []byte // nil: there is no such record, or no longer
	// Unshared is set for a value that was written here while the shared log was
	// away: no other member knows it yet.
	Unshared bool
}

// Keep takes a record that was written, here or elsewhere, or read when
// the log was loaded. It is called for one record after the other, in the order
// of the log, never beside [Apply], and must not call the ledger. The Value is
// not changed afterwards.
type Keep func(Record)

// Ledger is the log. Implementations are safe for concurrent use and pass the
// suite in package ledgertest.
type Ledger interface {
	authz.Lease

	// Run does what the log does by itself until ctx ends; then it takes leave
	// of the other members and returns. Gates must be closed by then. Called
	// once; before it, only the methods of [authz.Lease] may be.
	Run(ctx context.Context)

	// Loaded returns nil when the records that existed before Run have been
	// given to [Keep], or ctx's error.
	Loaded(ctx context.Context) error

	// Begin announces a call. It disturbs nobody.
	Begin(ctx context.Context, in Intent) (Call, error)

	// Resolve ends an announced call, or one whose Begin failed (the intent is
	// that of Begin). Unless the outcome is Unchanged, it appends an entry and
	// returns when the entry is applied here and every other member has
	// confirmed it or can no longer act on what it knew. An error means that
	// the entry could not be written; it is applied here all the same, and
	// the others have had Δ to lose their lease.
	Resolve(ctx context.Context, call Call, outcome Outcome) (Receipt, error)

	// Tell says how many sockets an entry closed, or holds, at this member. Of
	// several calls the sum counts; final is set with the last one. It may be
	// called by Apply.
	Tell(seq authz.Seq, sockets int, final bool)

	// Told returns how many sockets an entry of this member closed, or holds, at
	// the others that have confirmed it. It waits until they have told; if ctx
	// ends before, it returns what they have told so far.
	Told(ctx context.Context, r Receipt) int

	// Write makes a record, changes it, or removes it (Value nil). When it
	// returns, [Keep] has been called here, and every live member has the
	// record, or has not confirmed it within Δ, or 2 s if that is less. A write that could not be
	// shared is kept, and shared as soon as that is possible; if another
	// member has written the record meanwhile, and otherwise, it is removed.
	// The error is that of a store that is local (a full disk): nothing was
	// written then.
	Write(ctx context.Context, r Record) error

	// Sync returns when what other members had appended before the call is
	// applied here, or with an error if that cannot be known now.
	Sync(ctx context.Context) error

	// MergeActivity gives times of activity to the other members and returns
	// those that they gave since the last call: Unix milliseconds by name, of
	// which the latest counts. They are no entries, and not in order.
	MergeActivity(ctx context.Context, seen map[string]int64) (map[string]int64, error)
}

// Apply puts an entry into force: when it returns, nothing that the entry
// puts in doubt passes any more on this replica. It is called for one entry
// after the other, in order, and must not call the ledger.
type Apply func(Entry)

// Options of a ledger. Apply and Clock are required.
type Options struct {
	Clock authz.Clock
	Apply Apply
	Keep  Keep // nil if there are no records
}
