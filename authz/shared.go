package authz

import "context"

// Mark is where a replica stood in the shared log before it put a question to
// the Hub. It is made by [Shared.Mark] and means nothing to anybody else. The
// zero Mark is nowhere.
type Mark struct {
	Incarnation string
	Number      uint64 // of the last entry that was applied
	ID          string // of that entry
	Tick        uint64 // of the last turn
	History     uint64 // which one it was of those that this replica has followed
}

// Shared is where replicas leave the Hub's answers for each other. It is safe
// for concurrent use, and its methods return soon: when it is away, nothing is
// there.
type Shared interface {
	// Mark is read before a question leaves.
	Mark() Mark

	// Take returns the answer that another replica left, with Asked and Seq as
	// if this one had asked not later than that one did; or nil. Who keeps it
	// may use it as his own.
	Take(ctx context.Context, key Key) *Answer

	// Leave leaves an answer that was asked for behind a mark.
	Leave(ctx context.Context, key Key, a *Answer, asked Mark)
}
