package ledger

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sort"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// maxIDs is how many entries back a fork of the history is found exactly.
const maxIDs = 4096

// ids are the ids of the last entries that were applied here.
type ids struct{ list []Position }

func (h *ids) add(at Position) {
	if len(h.list) >= 2*maxIDs {
		h.list = slices.Delete(h.list, 0, maxIDs)
	}
	h.list = append(h.list, at)
}

// has reports whether the entry at a number has that id.
func (h *ids) has(n uint64, id string) bool {
	i := sort.Search(len(h.list), func(i int) bool { return h.list[i].Number >= n })
	return i < len(h.list) && h.list[i] == Position{n, id}
}

// maxTicks and tickStep bound how far back, and how exactly, ages of shared
// answers are known: a hundred seconds, more than any T, by a twentieth.
const (
	maxTicks = 2000
	tickStep = 50_000_000 // nanoseconds
)

// ticks are when this replica's turns began, and the ticks that they returned.
type ticks struct {
	last uint64
	list []tick
}

type tick struct {
	tick  uint64
	began authz.Instant
}

func (ts *ticks) add(n uint64, began authz.Instant) {
	ts.last = n
	if len(ts.list) > 0 && began.Sub(ts.list[len(ts.list)-1].began) < tickStep {
		return
	}
	if len(ts.list) >= 2*maxTicks {
		ts.list = slices.Delete(ts.list, 0, maxTicks)
	}
	ts.list = append(ts.list, tick{n, began})
}

// before returns when the last turn began that returned a lower tick.
func (ts *ticks) before(n uint64) (authz.Instant, bool) {
	i := sort.Search(len(ts.list), func(i int) bool { return ts.list[i].tick >= n })
	if i == 0 {
		return 0, false
	}
	return ts.list[i-1].began, true
}

// create begins a log where there is none. A replica that has a past, in the
// memory of another incarnation, gives it to the new one; one that has none lets
// others go first.
func (r *Replica) create(ctx context.Context) (again bool) {
	c, ok, err := r.creation()
	if !ok {
		return false
	}
	limit, cancel := context.WithTimeout(ctx, loadTime)
	defer cancel()
	if err == nil {
		err = r.store.Create(limit, c)
	}
	if err != nil && !errors.Is(err, ErrExists) {
		r.failed(ctx, err)
		return false
	}
	r.opts.Log.InfoContext(ctx, "the shared log is empty: began a new one",
		"records", len(c.Records)-1 /* the floor */, "by_another", err != nil)
	return true
}

// creation is the log that this replica would begin.
func (r *Replica) creation() (c Creation, ok bool, err error) {
	now := r.opts.Clock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.firstSeen == never {
		r.firstSeen = now
	}
	if r.incarnation == "" && now.Sub(r.firstSeen) <= r.opts.Bound {
		return c, false, nil // by then no lease of a lost log is left
	}
	c = Creation{
		Incarnation: newName(), At: Position{Number: r.at.Number, ID: newID()},
		OriginIncarnation: r.incarnation, OriginNumber: r.at.Number,
		Records: make(map[string][]byte, len(r.records.shared)),
		Lost:    r.members.lost(r.member),
	}
	s, err := newSealer(r.opts.Secrets, c.Incarnation)
	if err != nil {
		return c, true, err
	}
	for key, rec := range r.records.shared {
		c.Records[key.field()] = s.sealRecord(key, rec)
	}
	c.Records[floorKey.field()] = s.sealRecord(floorKey, record{number: r.records.floor})
	return c, true, nil
}

// join begins a history: the first, or another one than before. Records are
// loaded, what is known here and lost there is kept to be written again, and
// every answer of a guest is doubted.
func (r *Replica) join(ctx context.Context, v View) (again bool) {
	limit, cancel := context.WithTimeout(ctx, loadTime)
	defer cancel()
	found, err := r.store.Records(limit, v.Incarnation)
	if err != nil {
		r.failed(ctx, err)
		return false
	}
	there, err := r.store.IDs(limit, v.Incarnation, maxIDs)
	if err != nil {
		r.failed(ctx, err)
		return false
	}
	s, err := newSealer(r.opts.Secrets, v.Incarnation)
	if err != nil {
		r.failed(ctx, err)
		return false
	}
	loaded, floor := r.open(ctx, s, found)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.joined {
		r.opts.Log.WarnContext(ctx, "another history of the shared log: guests are asked about again",
			"position", r.at.Number, "head", v.Head.Number, "same_log", v.Incarnation == r.incarnation)
	}
	common, lineage := r.common(v, there)
	start, about := r.start(v, there, common)
	r.records.rebase(loaded, floor, common, r.carried(v, lineage))
	r.incarnation, r.sealer, r.joined, r.firstSeen = v.Incarnation, s, true, never
	r.at, r.ticks = start, ticks{}
	r.histories++ // ticks of the former one say nothing in this one
	r.position.Store(r.at.Number)
	r.remember(there)
	r.intents = make(map[string]intent)
	r.members.miss(r.member, r.opts.Clock())
	r.began = start
	r.doubt(about)
	r.abandon()
	return true
}

// open opens the records that were found. One that does not open is missing.
func (r *Replica) open(ctx context.Context, s *sealer, found map[string][]byte) (loaded map[recordKey]record, floor uint64) {
	loaded = make(map[recordKey]record, len(found))
	forged := 0
	for field, sealed := range found {
		key := keyOf(field)
		rec, err := s.openRecord(key, sealed)
		switch {
		case err != nil:
			forged++
		case key == floorKey:
			floor = rec.number
		default:
			loaded[key] = rec
		}
	}
	if forged > 0 {
		r.opts.Log.ErrorContext(ctx, "records in the shared log were not written with this replica's secret: do all have the same?",
			"records", forged)
	}
	return loaded, floor
}

// common returns the number of the last entry that was applied here and is in
// the history of v too. It reports false if they have nothing in common.
func (r *Replica) common(v View, there map[uint64]string) (n uint64, lineage bool) {
	switch {
	case r.incarnation == "":
		return 0, false
	case v.Incarnation != r.incarnation && v.OriginIncarnation != r.incarnation:
		return 0, false
	case v.Incarnation != r.incarnation:
		return min(v.OriginNumber, r.at.Number), true
	}
	oldest := v.Head.Number
	for n := range there {
		oldest = min(oldest, n)
	}
	for _, p := range slices.Backward(r.ids.list) {
		if there[p.Number] == p.ID || v.Head == p {
			return p.Number, true
		}
	}
	if r.at.Number < oldest {
		return r.at.Number, true // the log was cut since
	}
	// Further back than can be seen: not before the last that both show.
	first := r.ids.list[0].Number // not empty: the position that was joined is there
	return min(max(oldest, first, 1)-1, v.Head.Number), true
}

// lately is how many Δ a table is worth carrying into a history that knows
// nothing of it.
const lately = 10

// carried says what of the table here is carried into the history of v. Without
// a lineage the others went on without this replica. If they have done so for
// long, while it had no lease, a route that only it has may lead to an address
// that is somebody else's by now: then the Hub's next check brings what is
// missing. A history that has just begun, by a process that had no past, is to be
// filled; but what was removed here may have been made again since.
func (r *Replica) carried(v View, lineage bool) carried {
	turns := uint64(lately * 4 * len(v.Members)) // regular ones, of all
	switch {
	case lineage:
		return everything
	case v.Tick <= turns, r.opts.Clock().Sub(r.Fresh()) <= lately*r.opts.Bound:
		return values
	}
	return nothing
}

// start returns where this replica goes on, and whom it has to doubt. Entries
// that are in the history, and not applied here, are applied from where both
// histories part, or from the beginning of another one: who joined over them
// would confirm, by his position, what he does not know. Where that is not
// possible, everyone is doubted: at the first time, when entries are not kept
// any more, or when one cannot be opened.
func (r *Replica) start(v View, there map[uint64]string, common uint64) (at Position, about authz.SubjectKind) {
	same := v.Incarnation == r.incarnation
	if !same {
		common = v.OriginNumber // at which it begins
	}
	at = Position{common, there[common]}
	if v.Head.Number == common {
		at = v.Head
	}
	stuck := at == r.began && at == r.at // nothing has come of it the last time
	if !r.joined || at.ID == "" || stuck || same && !r.ids.has(at.Number, at.ID) {
		return v.Head, authz.AboutEveryone
	}
	for n := common + 1; n <= v.Head.Number; n++ {
		if _, is := there[n]; !is {
			return v.Head, authz.AboutEveryone
		}
	}
	return at, authz.AboutEveryGuest
}

// remember takes over the ids of the history that is joined.
func (r *Replica) remember(there map[uint64]string) {
	r.ids = ids{}
	for n, id := range there {
		if n < r.at.Number {
			r.ids.list = append(r.ids.list, Position{n, id})
		}
	}
	slices.SortFunc(r.ids.list, func(a, b Position) int { return cmp.Compare(a.Number, b.Number) })
	r.ids.add(r.at)
}
