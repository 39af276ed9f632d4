package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// maxName bounds the names in an announcement; the Hub's have 255 characters at
// most. Anybody may send a call about a name as long as a request's head can be,
// and keep it under way for a minute: ten thousand of them would fill the store.
const maxName = 1024

// maxAnnouncing bounds the announcements that are on their way at one time, so that strangers who send watched calls leave connections of the
// store for the turns, on which the lease depends.
const maxAnnouncing = 24

// maxUndone bounds the withdrawals that are to be made; the store keeps no more
// announcements.
const maxUndone = 10_000

var errLong = errors.New("a name that is longer than the hub's is not announced")

// Begin implements [Ledger].
func (r *Replica) Begin(ctx context.Context, in Intent) (Call, error) {
	call := Call{id: newName(), intent: in, begun: r.opts.Clock()}
	r.mu.Lock()
	r.calls[call.id] = struct{}{}
	incarnation, sealer := r.incarnation, r.sealer
	r.mu.Unlock()
	if !r.leased() {
		return call, errAway
	}
	if slices.ContainsFunc(in.Subjects, func(s authz.Subject) bool { return max(len(s.Name), len(s.Server)) > maxName }) {
		return call, errLong
	}
	plain, err := json.Marshal(in)
	if err != nil {
		return call, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.patience)
	defer cancel()
	done, err := r.announcing(ctx)
	if err != nil {
		return call, err
	}
	defer done()
	call.announced = true // if there is an error, it may be there all the same
	if err := r.store.Announce(ctx, incarnation, call.id, sealer.seal(plain, "intent", call.id)); err != nil {
		return call, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.intents[call.id] = intent{in, call.begun}
	return call, nil
}

// announcing waits for one of the places from which announcements are sent, and
// returns what gives it back.
func (r *Replica) announcing(ctx context.Context) (done func(), err error) {
	select {
	case r.places <- struct{}{}:
		return func() { <-r.places }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// withdraw takes back the announcement of a call that changed nothing, with the
// next regular turn and together with others: strangers may send many. What stays
// announced becomes an unclear entry when its time is up, about whomever it names.
func (r *Replica) withdraw(call Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if call.announced && len(r.undone) < maxUndone {
		r.undone = append(r.undone, call.id)
	}
}

// withdrawAll takes back what is to be taken back. If that fails, the next one
// does it.
func (r *Replica) withdrawAll(ctx context.Context) {
	r.mu.Lock()
	ids, incarnation := slices.Clone(r.undone), r.incarnation
	r.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	err := r.store.Withdraw(ctx, incarnation, ids...)
	r.note(ctx, err)
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.undone = slices.Delete(r.undone, 0, len(ids))
	}
}
