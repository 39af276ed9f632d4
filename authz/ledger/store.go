package ledger

import (
	"context"
	"errors"
)

// Store is what a [Replica] needs of the place that all replicas share. Each
// method is one atomic step there, is bounded by its context's deadline, and
// does not repeat itself. An error leaves open whether the step was done, but
// for those named below. What is given and returned is sealed: a store neither
// reads nor checks it. Implementations are safe for concurrent use.
type Store interface {
	// Turn renews a membership, raises the tick, appends entries if nobody else
	// has appended since the position given, and returns what came after it.
	//
	// With several data nodes, Turn fails with [ErrUnconfirmed] if no majority
	// of them confirmed it: what it did may be lost, or was done by a primary
	// that is none any more.
	Turn(ctx context.Context, t Turn) (View, error)

	// Create begins an incarnation, with records, if there is none. If there
	// is one by now, it does nothing and returns [ErrExists].
	Create(ctx context.Context, c Creation) error

	// Records returns the records of an incarnation by their key. Those that
	// are written meanwhile may be among them in either form.
	Records(ctx context.Context, incarnation string) (map[string][]byte, error)

	// IDs returns the ids of the last entries by their numbers, and that of the
	// position at which the incarnation began, at most limit in all.
	IDs(ctx context.Context, incarnation string, limit int) (map[uint64]string, error)

	// Drop marks a member as lost if its counter is still the one given.
	Drop(ctx context.Context, member string, counter uint64) error

	// Forget removes a member: that it has left, or that it was lost for so
	// long that nobody waits for it.
	Forget(ctx context.Context, member string) error

	// Announce keeps an intent under an id; [ErrFull] if there are too many.
	Announce(ctx context.Context, incarnation, id string, intent []byte) error

	// Withdraw removes intents.
	Withdraw(ctx context.Context, incarnation string, ids ...string) error

	// Intents returns the intents that are neither resolved nor withdrawn.
	Intents(ctx context.Context, incarnation string) (map[string][]byte, error)

	// StoreAnswer keeps an answer, unless one of the subjects was touched by an
	// entry behind at, or that is not known any more, or the tick is from another
	// history, since it has not come yet.
	StoreAnswer(ctx context.Context, a SharedAnswer) error

	// Answer returns the answer kept under a key; nil if there is none.
	Answer(ctx context.Context, incarnation, key string) ([]byte, error)

	// MergeActivity keeps the later time for each name, forgets those named in
	// gone, and returns all times that are not before since.
	MergeActivity(ctx context.Context, seen map[string]int64, gone []string, since int64) (map[string]int64, error)

	// Listen calls woken for every message that arrives, until ctx ends.
	// Messages may be lost. A connection that is silent for longer than the
	// regular turns of this member allow is replaced by a new one.
	Listen(ctx context.Context, woken func(Wake))
}

// Errors of a [Store] that say what was or was not done.
var (
	ErrExists      = errors.New("another replica began the log first")
	ErrFull        = errors.New("too many intents are pending")
	ErrUnconfirmed = errors.New("not confirmed by a majority of the data nodes")
)

// Position is a place in the log: the number of an entry and its id. The zero
// Position is before the first entry.
type Position struct {
	Number uint64
	ID     string // random, 12 bytes
}

// Turn is what a replica says and wants in one step.
type Turn struct {
	Incarnation string // "" if none is known: nothing is appended then
	Member      string // random, one for each life of a process
	Name        string // of the place that the process runs at: one life at a time
	// Joined is set once a turn of this member succeeded. A member that joins
	// replaces lost ones of the same name.
	Joined bool
	At     Position // the last entry that is applied here
	// Announce asks for a message to the others even if nothing is new: the
	// regular turns are the heartbeat of the messages' connections.
	Announce bool
	Limit    int // of entries returned
	Append   []Append
	// Told is added to what members have told of entries, by their number; Asked
	// are the entries of which the sums are wanted. The store may forget them.
	Told  map[uint64]Told
	Asked []uint64
}

// Told is what members tell of an entry.
type Told struct {
	Sockets int // closed or held by it
	Tellers int // members that have told all
}

// Append is an entry to be appended, and what goes with it.
type Append struct {
	ID     string
	Sealed []byte
	// Intent is the id of the intent that the entry resolves; "" for none.
	Intent string
	// OnlyPending refuses the entry if its intent is not pending any more; it is
	// the only one of its turn then.
	OnlyPending bool
	Touched     []string          // marks of the subjects that the entry is about
	Records     map[string][]byte // records that it changes; nil: removed for good
}

// View is what a turn returns. All of it is of one moment.
type View struct {
	Incarnation string // "": there is no log
	// Origin is where the incarnation's first records came from: a position of
	// another incarnation.
	OriginIncarnation string
	OriginNumber      uint64

	Tick     uint64
	Head     Position // the last entry, those of this turn included
	Appended bool     // the entries of this turn were appended
	// Entries are those behind Turn.At, but for those of this turn, in order,
	// if the incarnation is the one of the turn. The first may be missing.
	Entries []SealedEntry
	Members []Member        // all, this one too
	Told    map[uint64]Told // as asked
	// Dropped is set if the turn's member had joined and was dropped since. It
	// is a member again now.
	Dropped bool
}

// SealedEntry is an entry as it is kept.
type SealedEntry struct {
	Position
	Sealed []byte
}

// Member is a replica as the others see it.
type Member struct {
	ID, Name string
	Counter  uint64 // the tick of its last turn
	// Applied is the number of the last entry that it had applied then; 0 if the
	// position that it gave is not one of this history.
	Applied uint64
	Lost    bool // dropped by another member
}

// Creation begins an incarnation.
type Creation struct {
	Incarnation       string
	At                Position // its head: entries follow behind
	OriginIncarnation string
	OriginNumber      uint64
	Records           map[string][]byte
	// Lost are members of the incarnation that was lost. They are lost members
	// of this one, until they join it.
	Lost []Member
}

// SharedAnswer is an answer of the Hub for other replicas.
type SharedAnswer struct {
	Incarnation string
	At          uint64   // number of the last entry that was applied when it was asked for
	Tick        uint64   // of the last turn before it was asked for
	Touched     []string // marks of the subjects that it depends on
	Key         string
	Sealed      []byte
	TTL         int64 // milliseconds
}

// Wake is a message.
type Wake struct {
	Head  uint64 // an entry was appended
	Acked bool   // a member has applied entries
}
