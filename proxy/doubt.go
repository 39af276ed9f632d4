package proxy

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// doubts are the changes that the Hub may still make after an unclear end of a
// call. Calls of which the Hub fails may be anybody's, so that those about the
// same are asked for once, however many there were. It is safe for concurrent
// use. Use newDoubts.
type doubts struct {
	mu   sync.Mutex // guards the field below
	open map[changeKey]doubt
}

// doubt is a change that the Hub may still make until then.
type doubt struct {
	change change
	until  time.Time
}

func newDoubts() doubts { return doubts{open: make(map[changeKey]doubt)} }

// maxDoubts bounds what calls with made-up names can begin. Beyond it a change
// that the Hub makes late is enforced within T.
const maxDoubts = 1024

// maxTogether bounds the subjects of one entry, whose names anybody may have
// made up.
const maxTogether = 256

// add begins a doubt, or prolongs it.
func (ds *doubts) add(c change, until time.Time) {
	key := c.key()
	c.sockets = nil // done with
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if _, known := ds.open[key]; known || len(ds.open) < maxDoubts {
		ds.open[key] = doubt{c, until}
	}
}

// due forgets the doubts whose time has passed, and returns the others as few
// changes: what takes away everybody's access goes apart, for its grace.
func (ds *doubts) due(now time.Time) (all []change) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	subjects := make(map[bool]map[authz.Subject]struct{})
	for key, d := range ds.open {
		if !now.Before(d.until) {
			delete(ds.open, key)
			continue
		}
		together := subjects[d.change.everybody]
		if together == nil {
			together = make(map[authz.Subject]struct{})
			subjects[d.change.everybody] = together
		}
		for _, s := range d.change.subjects {
			together[s] = struct{}{}
		}
	}
	for everybody, set := range subjects {
		var list []authz.Subject
		for s := range set {
			list = append(list, s)
		}
		for part := range slices.Chunk(list, maxTogether) {
			all = append(all, change{subjects: part, everybody: everybody})
		}
	}
	return all
}

// askOn asks the Hub every Δ after unclear ends of calls, until the Hub's own
// time for them has passed: it may still do it. One entry goes after the other,
// for all doubts together: while the log is away each takes more than Δ, and
// waits in the log's line beside the changes that were seen.
func (p *Proxy) askOn(ctx context.Context) {
	tick := time.NewTicker(p.rule.Bound)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, c := range p.doubts.due(time.Now()) {
			call, err := p.ledger.Begin(ctx, c.intent())
			if err != nil {
				p.log.DebugContext(ctx, "announcing a doubt", "error", err) // it is in force below all the same
			}
			if _, err = p.ledger.Resolve(ctx, call, ledger.Changed); err != nil {
				p.log.WarnContext(ctx, "writing a change of access", "error", err)
			}
		}
	}
}
