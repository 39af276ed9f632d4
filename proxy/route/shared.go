package route

import (
	"context"
	"log/slog"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// shareLimit is the longest time for which reading waits for other replicas.
// The Hub gives up on a GET after 10 s, and ends if it does so at its start.
const shareLimit = 250 * time.Millisecond

// Log is what a Shared needs of a [ledger.Ledger].
type Log interface {
	Write(ctx context.Context, r ledger.Record) error
	Sync(ctx context.Context) error
	MergeActivity(ctx context.Context, seen map[string]int64) (map[string]int64, error)
}

// A Shared is a Table that is written through a log: a write goes to the log, and
// what the log says goes into the table, on every replica in the same order. So a
// POST here and a DELETE elsewhere end alike on all. It keeps nothing itself:
// without other replicas the log is one in memory, or in a local file.
//
// To connect one: make the table and the Shared, give [Shared.Keep] to the log's
// options, [Shared.Attach] the log, run the log, wait until it is loaded, and then
// serve the route API and run [Shared.Run]. The methods are safe for concurrent
// use but Attach, which comes before all of them.
//
// A route that is no record, such as that of --default-target, is added to the
// Table itself: it stays local, a record of the same path takes its place, and it
// does not come back when that record goes.
type Shared struct {
	table   *Table
	log     *slog.Logger
	ledger  Log
	merging chan struct{} // holds one while times of activity are exchanged
}

// NewShared returns a Shared for a table. Nobody else may change routes of the
// table that are records.
func NewShared(table *Table, log *slog.Logger) *Shared {
	return &Shared{table: table, log: log, merging: make(chan struct{}, 1)}
}

// Attach sets the log. It is called once, before any other method: the log needs
// Keep to be made, and Shared needs the log.
func (s *Shared) Attach(log Log) { s.ledger = log }

// Keep implements [ledger.Keep]; records of other kinds are ignored. A record that
// cannot be read removes its route: a wrong one would hand credentials to
// somebody else's server, and a missing one is put back by the Hub.
func (s *Shared) Keep(rec ledger.Record) {
	if rec.Kind != Kind {
		return
	}
	if rec.Value == nil {
		s.table.drop(rec.Name, nil)
		return
	}
	r, err := s.table.fromRecord(rec)
	if err == nil {
		err = s.table.put(r)
	}
	if err != nil {
		s.log.Error("route record cannot be read: route removed", "path", rec.Name, "error", err)
		s.table.drop(rec.Name, nil)
	}
}

// Add writes a route, which [New] made, to the log. When it returns nil, the
// route is in the table here, and on every live replica or the log's bound has
// passed. A write goes on when its caller leaves: half of it would be worse.
//
// A route that is posted again as it was is written again, too. To leave it out
// one would have to know that nothing is under way that removes it, and that
// costs a turn of the log, as writing does; the Hub repeats a handful of routes
// a minute at most.
//
// The error is that of a local disk: nothing was written. Other replicas that
// are out of reach are none.
func (s *Shared) Add(ctx context.Context, r *Route) error {
	rec, err := s.table.record(r)
	if err != nil {
		return err
	}
	return s.ledger.Write(context.WithoutCancel(ctx), rec)
}

// Remove removes the route with that decoded path, as Add adds one, and reports
// whether there was one here. The removal is written in any case: a POST that
// another replica accepted before may be on its way.
func (s *Shared) Remove(ctx context.Context, path string) (found bool, err error) {
	key := s.table.indexKey(Key(path))
	before, found := s.table.Get(path)
	err = s.ledger.Write(context.WithoutCancel(ctx), ledger.Record{Kind: Kind, Name: key})
	if err == nil && found {
		s.table.drop(key, before) // still there: it was no record
	}
	return found, err
}

// Get returns the route with exactly that decoded path, as it is known here.
func (s *Shared) Get(path string) (*Route, bool) { return s.table.Get(path) }

// All returns all routes, in no particular order, with what other replicas had
// accepted before the call and with the activity that they have told of. If they
// are not to be reached within 250 ms, it returns what is known here.
func (s *Shared) All(ctx context.Context) []*Route {
	ctx, cancel := context.WithTimeout(ctx, shareLimit)
	defer cancel()
	if err := s.ledger.Sync(ctx); err != nil {
		s.log.DebugContext(ctx, "routes are shown as they are known here", "error", err)
	}
	s.merge(ctx)
	return s.table.All(ctx)
}
