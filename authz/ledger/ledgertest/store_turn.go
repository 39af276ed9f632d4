package ledgertest

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// Turn implements [ledger.Store].
func (c *Client) Turn(ctx context.Context, t ledger.Turn) (ledger.View, error) {
	t.Append = cloneAppends(t.Append)
	return do(ctx, c, "Turn", func(d *Data) (ledger.View, error) { return c.store.turn(d, t), nil })
}

// turn is the step of Turn; the caller holds mu.
func (s *Store) turn(d *Data, t ledger.Turn) ledger.View {
	if d.Incarnation == "" {
		return ledger.View{}
	}
	d.Tick++
	same := t.Incarnation == d.Incarnation
	v := ledger.View{
		Incarnation: d.Incarnation, OriginIncarnation: d.OriginIncarnation, OriginNumber: d.OriginNumber,
		Tick: d.Tick, Dropped: s.renew(d, t),
	}
	if same {
		v.Entries = d.behind(t.At.Number, t.Limit)
		if t.At == d.Head && len(t.Append) > 0 && d.pending(t.Append) {
			s.append(d, t.Append)
			v.Appended = true
		}
	}
	v.Told = d.tell(t)
	if t.Announce || len(t.Told) > 0 {
		s.publish(d, ledger.Wake{Acked: len(t.Told) > 0})
	}
	v.Head = d.Head
	v.Members = slices.SortedFunc(maps.Values(d.Members), func(a, b ledger.Member) int { return strings.Compare(a.ID, b.ID) })
	return v
}

// tell adds what a turn tells of entries and returns what it asks for.
func (d *Data) tell(t ledger.Turn) map[uint64]ledger.Told {
	if t.Incarnation == d.Incarnation {
		for n, told := range t.Told {
			sum := d.Told[n]
			d.Told[n] = ledger.Told{Sockets: sum.Sockets + told.Sockets, Tellers: sum.Tellers + told.Tellers}
		}
	}
	asked := make(map[uint64]ledger.Told, len(t.Asked))
	for _, n := range t.Asked {
		asked[n] = d.Told[n]
	}
	return asked
}

// renew renews the membership behind a turn and reports whether it was dropped.
func (s *Store) renew(d *Data, t ledger.Turn) (dropped bool) {
	before, known := d.Members[t.Member]
	if !t.Joined {
		maps.DeleteFunc(d.Members, func(_ string, m ledger.Member) bool { return m.Lost && m.Name == t.Name })
	}
	m := ledger.Member{ID: t.Member, Name: t.Name, Counter: d.Tick}
	if t.Incarnation == d.Incarnation && d.has(t.At) {
		m.Applied = t.At.Number
	}
	d.Members[t.Member] = m
	if m.Applied > before.Applied {
		s.publish(d, ledger.Wake{Acked: true})
	}
	return t.Joined && (!known || before.Lost)
}

// has reports whether a position is one of this history. One of another history
// confirms nothing: the same numbers stand for other entries there.
func (d *Data) has(at ledger.Position) bool {
	return at == d.Head || at == d.Base || slices.ContainsFunc(d.Log, func(e ledger.SealedEntry) bool { return e.Position == at })
}

// behind returns the entries behind a number, at most limit.
func (d *Data) behind(number uint64, limit int) []ledger.SealedEntry {
	var found []ledger.SealedEntry
	for _, e := range d.Log {
		if e.Number > number && len(found) < limit {
			found = append(found, ledger.SealedEntry{Position: e.Position, Sealed: bytes.Clone(e.Sealed)})
		}
	}
	return found
}

// pending reports whether the intents are pending that entries are refused
// without.
func (d *Data) pending(entries []ledger.Append) bool {
	return !slices.ContainsFunc(entries, func(a ledger.Append) bool {
		_, there := d.Intents[a.Intent]
		return a.OnlyPending && !there
	})
}

// append appends entries; the caller holds mu.
func (s *Store) append(d *Data, entries []ledger.Append) {
	for _, a := range entries {
		d.Head = ledger.Position{Number: d.Head.Number + 1, ID: a.ID}
		d.Log = append(d.Log, ledger.SealedEntry{Position: d.Head, Sealed: a.Sealed})
		delete(d.Intents, a.Intent)
		for _, mark := range a.Touched {
			d.Marks[mark] = d.Head.Number
		}
		for key, value := range a.Records {
			if value == nil {
				delete(d.Records, key)
			} else {
				d.Records[key] = value
			}
		}
	}
	if excess := len(d.Log) - s.MaxLog; s.MaxLog > 0 && excess > 0 {
		d.Log = slices.Clone(d.Log[excess:])
	}
	for s.MaxMarks > 0 && len(d.Marks) > s.MaxMarks {
		d.forgetMark()
	}
	s.publish(d, ledger.Wake{Head: d.Head.Number})
}

// forgetMark forgets the oldest mark.
func (d *Data) forgetMark() {
	var oldest string
	for mark, number := range d.Marks {
		if oldest == "" || number < d.Marks[oldest] {
			oldest = mark
		}
	}
	d.Floor = max(d.Floor, d.Marks[oldest])
	delete(d.Marks, oldest)
}

// cloneAppends copies what a caller gave, down to the bytes.
func cloneAppends(given []ledger.Append) []ledger.Append {
	kept := slices.Clone(given)
	for i := range kept {
		kept[i].Sealed = bytes.Clone(kept[i].Sealed)
		kept[i].Touched = slices.Clone(kept[i].Touched)
		kept[i].Records = cloneValues(kept[i].Records)
	}
	return kept
}

func cloneValues(given map[string][]byte) map[string][]byte {
	kept := make(map[string][]byte, len(given))
	for key, value := range given {
		kept[key] = bytes.Clone(value)
	}
	return kept
}
