package proxy

import (
	"context"
	"sync"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
)

// effects keeps what the last entries did, for who wants to know. The zero
// effects is ready.
type effects struct {
	mu    sync.Mutex // guards the field below
	bySeq map[authz.Seq]*effect
}

// maxEffects bounds the effects that nobody has asked for yet.
const maxEffects = 1024

// add keeps the effect of a new entry. Those that nobody asks for are
// forgotten, oldest first.
func (es *effects) add(seq authz.Seq) *effect {
	eff := &effect{}
	es.mu.Lock()
	defer es.mu.Unlock()
	if es.bySeq == nil {
		es.bySeq = make(map[authz.Seq]*effect)
	}
	es.bySeq[seq] = eff
	if len(es.bySeq) > maxEffects {
		oldest := seq
		for s := range es.bySeq {
			oldest = min(oldest, s)
		}
		delete(es.bySeq, oldest)
	}
	return eff
}

// take returns the effect of the entry at seq, once, or nil.
func (es *effects) take(seq authz.Seq) *effect {
	es.mu.Lock()
	defer es.mu.Unlock()
	eff := es.bySeq[seq]
	delete(es.bySeq, seq)
	return eff
}

// effect is what an entry did to the exchanges of this process.
type effect struct {
	counts   bool           // set before it is used
	settling sync.WaitGroup // one per exchange that was held
	mu       sync.Mutex
	sockets  int // held and not opened again, or cut
}

// count adds n for an exchange that is a socket.
func (eff *effect) count(x *live.Exchange, n int) {
	if !eff.counts || x.Kind != live.Socket {
		return
	}
	eff.mu.Lock()
	defer eff.mu.Unlock()
	eff.sockets += n
}

// held returns the number of sockets that are held, or cut.
func (eff *effect) held() int {
	eff.mu.Lock()
	defer eff.mu.Unlock()
	return eff.sockets
}

// settled waits, until ctx ends, for what the entry at seq did, and returns
// the number of sockets that it closed or still holds.
func (e *enforcer) settled(ctx context.Context, seq authz.Seq) int {
	eff := e.effects.take(seq)
	if eff == nil {
		return 0
	}
	done := make(chan struct{})
	if !e.begin(func() {
		eff.settling.Wait()
		close(done)
	}) {
		return eff.held()
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
	return eff.held()
}
