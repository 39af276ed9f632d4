package ledger

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// Shared answers. An answer of the Hub that one replica left is used by another
// as if that one had asked itself, at the start of its own last turn that
// returned a lower tick than the first had seen before it asked: so it is never
// taken for younger than it is, whatever the clocks say, and one that is put
// back later is as old as it is. It carries the position behind which it was
// asked, so that entries overtake it as any other answer; the position's id, so
// that it is not taken over into another history; and it is sealed under the
// credential's key. The store refuses to keep it if an entry about its user,
// session or groups came between, so that a replica that was paused does not
// replace a newer one, and if its tick is still to come: the store was put back
// then to an older state, and this tick will be another one's.

// answerTTL is how long an answer is kept: the owners' T, if it is not changed.
// Older ones are asked for again anyway.
const answerTTL = time.Minute

// maxApart is how far clocks may be apart. Beyond it answers are not shared. No
// age is counted by these clocks; they only end what can be done with an answer
// that was kept, by somebody who puts back the tick in the store as well.
const maxApart = time.Minute

// answer is what is sealed.
type answer struct {
	Kind    authz.Kind `json:"kind"`
	Name    authz.User `json:"name"`
	Session string     `json:"session,omitempty"`
	Groups  []string   `json:"groups,omitempty"`
	Access  []string   `json:"access,omitempty"`

	Number uint64 `json:"number"`
	ID     []byte `json:"id"`
	Tick   uint64 `json:"tick"`
	Left   int64  `json:"left"` // when, in Unix seconds
}

var _ authz.Shared = (*Replica)(nil)

// Mark implements [authz.Shared].
func (r *Replica) Mark() authz.Mark {
	if m := r.lastMark.Load(); m != nil {
		return *m
	}
	return authz.Mark{}
}

// Leave implements [authz.Shared].
func (r *Replica) Leave(ctx context.Context, key authz.Key, a *authz.Answer, asked authz.Mark) {
	r.mu.Lock()
	incarnation, s, history := r.incarnation, r.sealer, r.histories
	r.mu.Unlock()
	if asked.Incarnation == "" || asked.Incarnation != incarnation || asked.History != history || !r.leased() {
		return
	}
	plain, err := json.Marshal(answer{
		Kind: a.Kind, Name: a.Name, Session: a.Session, Groups: a.Groups, Access: a.Access,
		Number: asked.Number, ID: []byte(asked.ID), Tick: asked.Tick, Left: time.Now().Unix(),
	})
	if err != nil {
		return
	}
	place := s.mark("answer", string(key[:]))
	shared := SharedAnswer{
		Incarnation: incarnation, At: asked.Number, Tick: asked.Tick, Key: place,
		Sealed: s.seal(plain, "answer", hex.EncodeToString(key[:])), TTL: answerTTL.Milliseconds(),
	}
	about := authz.Decision{Allow: true, Interactive: true, Answer: a} // what the answer alone depends on
	about.Subjects(func(subject authz.Subject) bool {
		shared.Touched = append(shared.Touched, s.subject(subject))
		return true
	})
	ctx, cancel := context.WithTimeout(ctx, r.patience)
	defer cancel()
	_ = r.store.StoreAnswer(ctx, shared) // others ask the Hub
}

// Take implements [authz.Shared].
func (r *Replica) Take(ctx context.Context, key authz.Key) *authz.Answer {
	r.mu.Lock()
	incarnation, s := r.incarnation, r.sealer
	r.mu.Unlock()
	if s == nil || !r.leased() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.patience)
	defer cancel()
	sealed, err := r.store.Answer(ctx, incarnation, s.mark("answer", string(key[:])))
	if err != nil || sealed == nil {
		return nil
	}
	plain, err := s.open(sealed, "answer", hex.EncodeToString(key[:]))
	if err != nil {
		return nil
	}
	var found answer
	if json.Unmarshal(plain, &found) != nil {
		return nil
	}
	if ago := time.Since(time.Unix(found.Left, 0)); ago.Abs() > answerTTL+maxApart {
		return nil
	}
	return r.adopt(incarnation, found)
}

// adopt makes of a shared answer one that this replica could have got itself.
func (r *Replica) adopt(incarnation string, found answer) *authz.Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked, known := r.ticks.before(found.Tick)
	switch {
	case incarnation != r.incarnation || !known:
		return nil
	case found.Number > r.at.Number || !r.ids.has(found.Number, string(found.ID)):
		return nil // ahead, too old, or of another history
	case found.Number < r.localAfter || asked < r.localAt:
		return nil // what came into force here alone may be missing in it
	}
	return &authz.Answer{
		Kind: found.Kind, Name: found.Name, Session: found.Session, Groups: found.Groups, Access: found.Access,
		Asked: asked, Seq: authz.Seq(r.applied.Load() - (r.at.Number - found.Number)),
	}
}
