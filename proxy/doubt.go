package proxy

import (
	"sync"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// doubts are the changes that the Hub may still make after an unclear end of a
// call. Calls of which the Hub fails may be anybody's, so that those about the
// same are asked for once, however many there were. It is safe for concurrent
// use. Use newDoubts.
type doubts struct {
	mu    sync.Mutex // guards the field below
	until map[changeKey]time.Time
}

func newDoubts() doubts { return doubts{until: make(map[changeKey]time.Time)} }

// maxDoubts bounds what calls with made-up names can begin. Beyond it a change
// that the Hub makes late is enforced within T.
const maxDoubts = 1024

// add begins a doubt, or prolongs it; it reports whether it began.
func (ds *doubts) add(key changeKey, until time.Time) (began bool) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	_, known := ds.until[key]
	if !known && len(ds.until) >= maxDoubts {
		return false
	}
	ds.until[key] = until
	return !known
}

// over ends a doubt whose time has passed. It reports whether it has.
func (ds *doubts) over(key changeKey, now time.Time) bool {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if now.Before(ds.until[key]) {
		return false
	}
	delete(ds.until, key)
	return true
}

// askOn asks the Hub every Δ after an unclear end of a call, until the Hub's
// own time for it has passed: it may still do it.
func (p *Proxy) askOn(c change) {
	key := c.key()
	if !p.doubts.add(key, time.Now().Add(callLimit)) {
		return
	}
	p.background.Go(func() {
		tick := time.NewTicker(p.rule.Bound)
		defer tick.Stop()
		for {
			select {
			case <-p.ctx.Done():
				return
			case now := <-tick.C:
				if p.doubts.over(key, now) {
					return
				}
			}
			call, err := p.ledger.Begin(p.ctx, c.intent())
			if err == nil {
				_, err = p.ledger.Resolve(p.ctx, call, ledger.Changed)
			}
			if err != nil {
				p.log.WarnContext(p.ctx, "writing a change of access", "error", err)
			}
		}
	})
}
