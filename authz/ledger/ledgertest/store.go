package ledgertest

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// Store is a place that replicas share, in memory and with faults that can be
// switched on. Each replica has its own [Client]. It does no I/O, so that it
// can live in a bubble of [testing/synctest]; all its time is that of package
// time. It is safe for concurrent use.
type Store struct {
	// The bounds; zero stands for none. Set before the first use.
	MaxLog, MaxMarks, MaxIntents int

	mu        sync.Mutex // guards everything below, and all data and faults
	data      *Data
	listeners map[*listener]struct{}
}

// NewStore returns an empty store without faults.
func NewStore() *Store {
	return &Store{data: newData(), listeners: make(map[*listener]struct{})}
}

// Client returns a replica's handle.
func (s *Store) Client() *Client {
	return &Client{store: s, data: s.data}
}

// Edit changes what is stored, as somebody would who can write the store.
func (s *Store) Edit(change func(*Data)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s.data)
}

// Copy returns a copy of what is stored.
func (s *Store) Copy() *Data {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data.clone()
}

// Restore brings an old state back, as a failover does that loses the last
// writes. The copy stays the caller's.
func (s *Store) Restore(old *Data) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*s.data = *old.clone()
}

// Wipe forgets everything, as a restart does of a store that keeps nothing.
func (s *Store) Wipe() { s.Restore(newData()) }

// Split makes a second primary: the clients given go on with what is stored,
// all others with a copy of it, until each is given to Join.
func (s *Store) Split(isolated ...*Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.data.clone()
	for _, c := range isolated {
		c.data = old
	}
}

// Join ends a split for clients: what they wrote meanwhile is lost.
func (s *Store) Join(clients ...*Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range clients {
		c.data = s.data
	}
}

// publish sends a message to all who listen to a primary; the caller holds mu.
func (s *Store) publish(d *Data, w ledger.Wake) {
	for l := range s.listeners {
		if l.client.data != d || !l.client.hears() {
			continue
		}
		select {
		case l.messages <- w:
		default: // a listener that is too slow loses messages
		}
	}
}

// listener is one who listens.
type listener struct {
	client   *Client
	messages chan ledger.Wake
}

// Data is what is stored. Maps and slices are never shared with a client.
type Data struct {
	Incarnation       string
	OriginIncarnation string
	OriginNumber      uint64

	Tick     uint64
	Base     ledger.Position // where the incarnation began
	Head     ledger.Position
	Log      []ledger.SealedEntry
	Records  map[string][]byte
	Intents  map[string][]byte
	Marks    map[string]uint64 // the number of the last entry about a subject
	Floor    uint64            // marks of entries up to this one may have been forgotten
	Members  map[string]ledger.Member
	Told     map[uint64]ledger.Told
	Answers  map[string]StoredAnswer
	Activity map[string]int64
}

// StoredAnswer is a shared answer as it is kept.
type StoredAnswer struct {
	Sealed []byte
	End    time.Time
}

func newData() *Data {
	return &Data{
		Records: make(map[string][]byte), Intents: make(map[string][]byte),
		Marks: make(map[string]uint64), Members: make(map[string]ledger.Member),
		Told:    make(map[uint64]ledger.Told),
		Answers: make(map[string]StoredAnswer), Activity: make(map[string]int64),
	}
}

// clone copies all but the bytes of values, which nobody changes in place.
func (d *Data) clone() *Data {
	c := *d
	c.Log = slices.Clone(d.Log)
	c.Records, c.Intents = maps.Clone(d.Records), maps.Clone(d.Intents)
	c.Marks, c.Members = maps.Clone(d.Marks), maps.Clone(d.Members)
	c.Told = maps.Clone(d.Told)
	c.Answers, c.Activity = maps.Clone(d.Answers), maps.Clone(d.Activity)
	return &c
}

// Flip returns a copy of sealed bytes with one bit changed.
func Flip(sealed []byte) []byte {
	c := bytes.Clone(sealed)
	c[len(c)/2] ^= 1
	return c
}

// Client is the handle of one replica on a [Store].
type Client struct {
	store *Store

	// Guarded by store.mu.
	data   *Data // the primary that this client takes for the right one
	faults faults
}

var _ ledger.Store = (*Client)(nil)

// Listen implements [ledger.Store].
func (c *Client) Listen(ctx context.Context, woken func(ledger.Wake)) {
	l := &listener{client: c, messages: make(chan ledger.Wake, 1000)}
	c.store.mu.Lock()
	c.store.listeners[l] = struct{}{}
	c.store.mu.Unlock()
	defer func() {
		c.store.mu.Lock()
		defer c.store.mu.Unlock()
		delete(c.store.listeners, l)
	}()
	for {
		select {
		case w := <-l.messages:
			woken(w)
		case <-ctx.Done():
			return
		}
	}
}
