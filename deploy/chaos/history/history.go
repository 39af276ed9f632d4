// Package history is what was seen while faults were made: which bytes passed,
// what was changed and what the callers were told, who was refused. Check finds
// in it every breach of a promise of share-proxy.
//
// Invariants:
//
//   - The checker is pure: the same history always has the same breaches. It
//     knows the promises and nothing of the proxy.
//   - All times are of one clock, that of the process that watches: users,
//     servers and the Hub of a run are all in it.
//   - What it reports did happen. A byte that left its sender after a deadline,
//     and was received before anything allowed it again, passed too late
//     whatever the machine did meanwhile; that needs no margin. A byte that
//     left before the deadline and arrived after it may have waited in a buffer
//     behind the proxy, so that has one ([Promise.Margin]).
//
// What it does not do: it finds no breach that nobody tried to provoke. A
// history without passages breaks nothing.
package history

import "time"

// Instant is the time since the run began.
type Instant = time.Duration

// Passage is a byte, or a message, that got through.
type Passage struct {
	Who     string // the credential that it passed by
	Replica int    // that it passed through; they count from 1
	// Socket is set for a message of a socket, else it is a request or the
	// answer to one.
	Socket bool
	Up     bool    // towards the server
	Left   Instant // when its sender wrote it
	Came   Instant // when its receiver had read it
}

// Said is what the answer to a change said of its effect.
type Said uint8

// What callers hear in Share-Proxy-Cut. Nothing, the zero Said, is an answer
// without it, or no answer.
const (
	Nothing Said = iota
	Within
	Bounded
	Done
)

// String returns the word in Share-Proxy-Cut.
func (s Said) String() string { return [...]string{"nothing", "within", "bounded", "done"}[s] }

// Change gives or takes the access of one credential. A call that concerns
// several is several changes.
type Change struct {
	ID       int
	Schedule string
	Who      string
	Grant    bool
	Replica  int // through which it was made; 0: inside the Hub
	// When the call was sent, when the Hub did it and when the Hub began to
	// answer; 0: it did not. Ended is when the caller had the answer, or gave
	// up.
	Sent, Committed, Answering, Ended Instant
	Status                            int // of the answer; 0: none
	Said                              Said
}

// Refusal is a request that was not served or a socket that was ended, by
// anybody but its user.
type Refusal struct {
	Who     string
	Owner   bool
	Replica int
	Sent    Instant // when the request was sent, or the socket was last in use
	At      Instant
	Status  int // HTTP; 0 if the connection failed
	Close   int // of a socket that was open; -1: without a close frame
}

// Cause is why a time is special.
type Cause uint8

// The causes.
const (
	ReplicaDown   Cause = iota + 1 // it was ended, or killed, until it was ready again
	ReplicaPaused                  // it was stopped and continued
	HubAway                        // it answered no question
	Stall                          // the watching process itself stood still
)

// Span is a time at which something was the matter.
type Span struct {
	Cause    Cause
	Replica  int // 0: none, or all
	From, To Instant
}

// Recovery is what was found when the faults of a schedule had ended.
type Recovery struct {
	Schedule string
	Ended    Instant // when the last fault ended
	Took     time.Duration
	// Missing says what was not whole in time: a route, a person, a replica.
	Missing []string
}

// History is everything that was seen in one run.
type History struct {
	Passages   []Passage
	Changes    []Change
	Refusals   []Refusal
	Spans      []Span
	Recoveries []Recovery
	// Breaches are those that were seen as such, of promises that are about no
	// time: a credential that reached a server which had moved away.
	Breaches []Breach
}
