package ledger

import (
	"encoding/json"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// body is what is sealed in an entry.
type body struct {
	By    string `json:"by"`    // the member that appended it
	Order uint64 `json:"order"` // among the entries of that member

	// A change of access.
	Subjects  []authz.Subject `json:"subjects,omitempty"`
	Everybody bool            `json:"everybody,omitempty"`
	Unclear   bool            `json:"unclear,omitempty"`
	Left      time.Duration   `json:"left,omitempty"` // of the time in which the Hub may still do it

	// A record.
	Record *change `json:"record,omitempty"`
}

// change is a record that was written.
type change struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Value   []byte `json:"value,omitempty"`
	Removed bool   `json:"removed,omitempty"`
}

func (c *change) key() recordKey { return recordKey{c.Kind, c.Name} }

// record returns what an entry at n makes of the record.
func (c *change) record(n uint64) record {
	switch {
	case c.Removed:
		return record{number: n}
	case c.Value == nil: // empty, which JSON does not tell from nil
		return record{value: []byte{}, number: n}
	default:
		return record{value: c.Value, number: n}
	}
}

// entry is what the body says to those who apply it.
func (b *body) entry(seq authz.Seq, now authz.Instant) Entry {
	return Entry{
		Seq: seq, Subjects: b.Subjects, Everybody: b.Everybody,
		Unclear: b.Unclear, Until: now.Add(b.Left),
	}
}

// sealEntry seals a body for the position behind at, under an id of its own.
func (s *sealer) sealEntry(b *body, at Position) (next Position, sealed []byte, err error) {
	plain, err := json.Marshal(b)
	if err != nil {
		return Position{}, nil, err
	}
	next = Position{Number: at.Number + 1, ID: newID()}
	return next, s.sealAs(next.ID, plain, "entry", number(next.Number), at.ID), nil
}

// openEntry opens the entry behind at. An error means that it is not the one
// that was appended there.
func (s *sealer) openEntry(e SealedEntry, at Position) (*body, error) {
	if e.Number != at.Number+1 {
		return nil, errForged
	}
	plain, err := s.openAs(e.ID, e.Sealed, "entry", number(e.Number), at.ID)
	if err != nil {
		return nil, err
	}
	b := &body{}
	if err := json.Unmarshal(plain, b); err != nil {
		return nil, err
	}
	return b, nil
}
