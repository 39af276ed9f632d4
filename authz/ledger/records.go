package ledger

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// recordKey names a record.
type recordKey struct{ kind, name string }

// field is the key under which a store keeps a record.
func (k recordKey) field() string { return k.kind + "\x00" + k.name }

func keyOf(field string) recordKey {
	kind, name, _ := strings.Cut(field, "\x00")
	return recordKey{kind, name}
}

// record is a value as the log has it.
type record struct {
	value  []byte // nil: removed
	number uint64 // of the entry that wrote it
	old    bool   // sealed with a key that will be given up
}

// unshared is a value that was written here while the log was away, or that the
// log has lost.
type unshared struct {
	value []byte // nil: removed
	after uint64 // the last entry that was applied here then
	order uint64 // among the writes of this member; 0: it was not written here
}

// maxGraves is how many removed records are remembered with the number of their
// entry: 100 bytes each. A write that was accepted before the last forgotten
// one is late, whatever it is about.
const maxGraves = 4096

// floorKey is the record that keeps the number of the last forgotten grave.
var floorKey = recordKey{"", "floor"}

// records is the table that the log describes, and over it what was written here
// and is not in the log yet. A record that is written in both ways at once, so
// that nobody knows which was later, is removed: who owns it repairs a missing
// one, and a wrong one would do harm.
type records struct {
	keep     Keep
	shared   map[recordKey]record
	unshared map[recordKey]unshared
	old      map[recordKey]struct{} // in shared: to be written again, with the first key
	graves   int                    // in shared
	floor    uint64                 // of what was in shared
	gone     []string
}

func newRecords(keep Keep) records {
	if keep == nil {
		keep = func(Record) {}
	}
	return records{keep: keep, shared: make(map[recordKey]record), unshared: make(map[recordKey]unshared)}
}

// visible returns the value that holds here.
func (rs *records) visible(key recordKey) (value []byte, alone bool) {
	if e, ok := rs.unshared[key]; ok {
		return e.value, e.value != nil && e.order > 0
	}
	return rs.shared[key].value, false
}

// change does what f does and tells keep if that made a visible difference.
func (rs *records) change(key recordKey, f func()) {
	before, wasAlone := rs.visible(key)
	f()
	after, isAlone := rs.visible(key)
	if wasAlone != isAlone || (before == nil) != (after == nil) || !bytes.Equal(before, after) {
		rs.keep(Record{Kind: key.kind, Name: key.name, Value: after, Unshared: isAlone})
	}
}

// apply takes in an entry. own is set for one of this member.
func (rs *records) apply(c *change, n, order uint64, own bool) {
	key := c.key()
	if rs.shared[key].number >= n {
		return // loaded already
	}
	rs.change(key, func() {
		r := c.record(n)
		rs.set(key, r)
		rs.settle(key, r, order, own)
	})
}

// settle compares what is unshared with what the log says now.
func (rs *records) settle(key recordKey, r record, order uint64, own bool) {
	e, ok := rs.unshared[key]
	switch {
	case !ok:
	case same(e.value, r.value), own && e.order <= order:
		delete(rs.unshared, key)
	case own: // written here before e was
		rs.unshared[key] = unshared{e.value, r.number, e.order}
	default:
		rs.unshared[key] = unshared{nil, r.number, e.order}
	}
}

func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// write keeps a value that could not be shared.
func (rs *records) write(key recordKey, e unshared) {
	rs.change(key, func() { rs.unshared[key] = e })
}

// set puts a record into the shared table.
func (rs *records) set(key recordKey, r record) {
	if old, ok := rs.shared[key]; ok && old.value == nil {
		rs.graves--
	}
	rs.shared[key] = r
	delete(rs.old, key)
	if r.value == nil {
		rs.graves++
	}
}

// prune forgets the oldest quarter of the graves if there are too many, and
// returns the fields that the store has to forget, until forget is called.
func (rs *records) prune() (gone []string) {
	if rs.graves <= maxGraves {
		return rs.gone
	}
	keys := make([]recordKey, 0, rs.graves)
	for key, r := range rs.shared {
		if r.value == nil {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b recordKey) int {
		return cmp.Compare(rs.shared[a].number, rs.shared[b].number)
	})
	for _, key := range keys[:maxGraves/4] {
		rs.floor = max(rs.floor, rs.shared[key].number)
		delete(rs.shared, key)
		delete(rs.old, key)
		rs.graves--
		rs.gone = append(rs.gone, key.field())
	}
	return rs.gone
}

// forget is called when the store has forgotten what prune returned.
func (rs *records) forget() { rs.gone = nil }

// late reports whether the log may have changed a record behind a number.
func (rs *records) late(key recordKey, after uint64) bool {
	if r, ok := rs.shared[key]; ok {
		return r.number > after
	}
	return rs.floor > after
}

// toShare returns at most limit changes that the log has to learn, and their
// order; and what it has with an old key only.
func (rs *records) toShare(limit int) (changes []*change, orders []uint64) {
	for key, e := range rs.unshared {
		r := rs.shared[key]
		if e.value != nil && !same(e.value, r.value) && rs.late(key, e.after) {
			e.value = nil // nobody knows which was later
			rs.change(key, func() { rs.unshared[key] = e })
		}
		if rs.told(key, e) {
			rs.change(key, func() { delete(rs.unshared, key) })
			continue
		}
		changes = append(changes, &change{Kind: key.kind, Name: key.name, Value: e.value, Removed: e.value == nil})
		orders = append(orders, e.order)
		if len(changes) == limit {
			break
		}
	}
	for key := range rs.old {
		if len(changes) >= limit {
			break
		}
		if _, is := rs.unshared[key]; !is {
			r := rs.shared[key]
			changes = append(changes, &change{Kind: key.kind, Name: key.name, Value: r.value, Removed: r.value == nil})
			orders = append(orders, 0) // before all that is written here
		}
	}
	return changes, orders
}

// told reports whether the log says what e does. A removal is told even of what
// is not there: it may be on its way from another member that wrote it unshared.
func (rs *records) told(key recordKey, e unshared) bool {
	r := rs.shared[key]
	return same(e.value, r.value) && (e.value != nil || r.number > e.after)
}

// carried says what of a table is carried into another history.
type carried uint8

const (
	nothing    carried = iota
	values             // but not what was removed
	everything         // removals, too
)

// rebase replaces the shared table by one that was loaded. What the former one
// got from entries behind common, the last that both histories have, was lost
// there, and is unshared now, as far as it is carried.
func (rs *records) rebase(loaded map[recordKey]record, floor, common uint64, what carried) {
	before := rs.all()
	for key, e := range rs.unshared {
		e.after = min(e.after, common)
		rs.unshared[key] = e
	}
	for key, r := range rs.shared {
		if _, is := rs.unshared[key]; !is && r.number > common && (what == everything || what == values && r.value != nil) {
			rs.unshared[key] = unshared{value: r.value, after: common}
		}
	}
	rs.shared, rs.graves, rs.floor = loaded, 0, floor
	rs.old = make(map[recordKey]struct{})
	for key, r := range loaded {
		if r.old {
			rs.old[key] = struct{}{}
		}
		if r.value == nil {
			rs.graves++
		}
		e, is := rs.unshared[key]
		switch {
		case !is:
		case rs.told(key, e):
			delete(rs.unshared, key)
		case r.number > e.after:
			rs.unshared[key] = unshared{nil, r.number, e.order}
		}
	}
	rs.tell(before)
}

// all returns what is visible.
func (rs *records) all() map[recordKey]Record {
	all := make(map[recordKey]Record, len(rs.shared)+len(rs.unshared))
	add := func(key recordKey) {
		if value, alone := rs.visible(key); value != nil {
			all[key] = Record{Kind: key.kind, Name: key.name, Value: value, Unshared: alone}
		}
	}
	for key := range rs.shared {
		add(key)
	}
	for key := range rs.unshared {
		add(key)
	}
	return all
}

// tell tells keep what has changed since before.
func (rs *records) tell(before map[recordKey]Record) {
	now := rs.all()
	for key := range before {
		if _, is := now[key]; !is {
			rs.keep(Record{Kind: key.kind, Name: key.name})
		}
	}
	for key, r := range now {
		if was, is := before[key]; !is || was.Unshared != r.Unshared || !bytes.Equal(was.Value, r.Value) {
			rs.keep(r)
		}
	}
}
