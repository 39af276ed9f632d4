package ledgertest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// errOther is the error of a step that names an incarnation that is not there.
var errOther = errors.New("ledgertest: another incarnation")

// Create implements [ledger.Store].
func (c *Client) Create(ctx context.Context, n ledger.Creation) error {
	n.Records = cloneValues(n.Records)
	_, err := do(ctx, c, "Create", func(d *Data) (struct{}, error) {
		if d.Incarnation != "" {
			return struct{}{}, ledger.ErrExists
		}
		d.Incarnation, d.Base, d.Head = n.Incarnation, n.At, n.At
		d.OriginIncarnation, d.OriginNumber = n.OriginIncarnation, n.OriginNumber
		d.Floor = n.At.Number // what was touched before is not known
		maps.Copy(d.Records, n.Records)
		for _, m := range n.Lost {
			d.Members[m.ID] = m
		}
		return struct{}{}, nil
	})
	return err
}

// Records implements [ledger.Store].
func (c *Client) Records(ctx context.Context, incarnation string) (map[string][]byte, error) {
	return do(ctx, c, "Records", func(d *Data) (map[string][]byte, error) {
		if d.Incarnation != incarnation {
			return map[string][]byte{}, nil
		}
		return cloneValues(d.Records), nil
	})
}

// IDs implements [ledger.Store].
func (c *Client) IDs(ctx context.Context, incarnation string, limit int) (map[uint64]string, error) {
	return do(ctx, c, "IDs", func(d *Data) (map[uint64]string, error) {
		ids := make(map[uint64]string)
		if d.Incarnation != incarnation {
			return ids, nil
		}
		for _, e := range d.Log[max(0, len(d.Log)-limit):] {
			ids[e.Number] = e.ID
		}
		if len(ids) < limit {
			ids[d.Base.Number] = d.Base.ID
		}
		return ids, nil
	})
}

// Drop implements [ledger.Store].
func (c *Client) Drop(ctx context.Context, member string, counter uint64) error {
	return c.try(ctx, "Drop", func(d *Data) error {
		if m, there := d.Members[member]; there && m.Counter == counter {
			m.Lost = true
			d.Members[member] = m
		}
		return nil
	})
}

// Forget implements [ledger.Store].
func (c *Client) Forget(ctx context.Context, member string) error {
	return c.try(ctx, "Forget", func(d *Data) error {
		delete(d.Members, member)
		return nil
	})
}

// Announce implements [ledger.Store].
func (c *Client) Announce(ctx context.Context, incarnation, id string, intent []byte) error {
	intent = bytes.Clone(intent)
	return c.try(ctx, "Announce", func(d *Data) error {
		if d.Incarnation != incarnation {
			return errOther
		}
		if c.store.MaxIntents > 0 && len(d.Intents) >= c.store.MaxIntents {
			return ledger.ErrFull
		}
		d.Intents[id] = intent
		return nil
	})
}

// Withdraw implements [ledger.Store].
func (c *Client) Withdraw(ctx context.Context, incarnation string, ids ...string) error {
	return c.try(ctx, "Withdraw", func(d *Data) error {
		if d.Incarnation == incarnation {
			for _, id := range ids {
				delete(d.Intents, id)
			}
		}
		return nil
	})
}

// Intents implements [ledger.Store].
func (c *Client) Intents(ctx context.Context, incarnation string) (map[string][]byte, error) {
	return do(ctx, c, "Intents", func(d *Data) (map[string][]byte, error) {
		if d.Incarnation != incarnation {
			return map[string][]byte{}, nil
		}
		return cloneValues(d.Intents), nil
	})
}

// StoreAnswer implements [ledger.Store].
func (c *Client) StoreAnswer(ctx context.Context, a ledger.SharedAnswer) error {
	a.Sealed = bytes.Clone(a.Sealed)
	return c.try(ctx, "StoreAnswer", func(d *Data) error {
		if d.Incarnation != a.Incarnation || a.At < d.Floor || a.Tick > d.Tick {
			return nil
		}
		for _, mark := range a.Touched {
			if d.Marks[mark] > a.At {
				return nil
			}
		}
		end := time.Now().Add(time.Duration(a.TTL) * time.Millisecond)
		d.Answers[a.Key] = StoredAnswer{Sealed: a.Sealed, End: end}
		return nil
	})
}

// Answer implements [ledger.Store].
func (c *Client) Answer(ctx context.Context, incarnation, key string) ([]byte, error) {
	return do(ctx, c, "Answer", func(d *Data) ([]byte, error) {
		a, there := d.Answers[key]
		if !there || d.Incarnation != incarnation || !time.Now().Before(a.End) {
			return nil, nil
		}
		return bytes.Clone(a.Sealed), nil
	})
}

// MergeActivity implements [ledger.Store].
func (c *Client) MergeActivity(ctx context.Context, seen map[string]int64, gone []string, since int64) (map[string]int64, error) {
	seen = maps.Clone(seen)
	return do(ctx, c, "MergeActivity", func(d *Data) (map[string]int64, error) {
		for name, at := range seen {
			d.Activity[name] = max(d.Activity[name], at)
		}
		for _, name := range gone {
			delete(d.Activity, name)
		}
		all := maps.Clone(d.Activity)
		maps.DeleteFunc(all, func(_ string, at int64) bool { return at < since })
		return all, nil
	})
}

// try is do for a step that returns nothing.
func (c *Client) try(ctx context.Context, op string, step func(*Data) error) error {
	_, err := do(ctx, c, op, func(d *Data) (struct{}, error) { return struct{}{}, step(d) })
	return err
}
