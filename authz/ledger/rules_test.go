package ledger_test

import (
	"context"
	"hash/fnv"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/ledgertest"
)

// The tests in the files rules_*_test.go take the rules of [ledger.Replica] one
// by one, each with the schedule that breaks the bound without it. They run in
// virtual time on a store in memory.

// The bound, and what the documentation of Replica derives from it.
const (
	bound = time.Second
	every = bound / 4 // between turns
	wait  = bound / 5 // for a turn
)

var (
	bob   = authz.Subject{Kind: authz.AboutUser, Name: "bob"}
	carol = authz.Subject{Kind: authz.AboutUser, Name: "carol"}
	guest = authz.Subject{Kind: authz.AboutEveryGuest}

	everyone = authz.Subject{Kind: authz.AboutEveryone}
)

// cluster is some replicas on one store.
type cluster struct {
	t       *testing.T
	store   *ledgertest.Store
	origin  time.Time
	secrets [][]byte
	bound   time.Duration
}

// rule runs a test in a bubble.
func rule(t *testing.T, test func(t *testing.T, c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t, &cluster{t: t, store: ledgertest.NewStore(), origin: time.Now(), secrets: [][]byte{[]byte("of all replicas")}, bound: bound})
	})
}

// replica is one process.
type replica struct {
	*ledger.Replica
	t      *testing.T
	name   string
	client *ledgertest.Client
	clock  authz.Clock
	stop   func() // ends the process in order

	mu      sync.Mutex
	applied []applied
	records map[string]ledger.Record
	onApply func(ledger.Entry)
}

// applied is an entry, when it was applied, and how fresh the lease was then.
type applied struct {
	ledger.Entry
	at, fresh authz.Instant
}

// launch starts a process. Clocks of processes have nothing in common.
func (c *cluster) launch(name string) *replica {
	c.t.Helper()
	hash := fnv.New32()
	_, _ = hash.Write([]byte(name))
	ahead := time.Duration(hash.Sum32()) * time.Microsecond
	r := &replica{t: c.t, name: name, client: c.store.Client(), records: make(map[string]ledger.Record)}
	r.clock = func() authz.Instant { return authz.Instant(time.Since(c.origin) + ahead) }
	var err error
	r.Replica, err = ledger.NewReplica(ledger.ReplicaOptions{
		Options: ledger.Options{Clock: r.clock, Apply: r.apply, Keep: r.keep},
		Store:   r.client, Secrets: c.secrets, Bound: c.bound, Name: name,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		c.t.Fatalf("NewReplica: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	r.stop = func() {
		cancel()
		running.Wait()
	}
	c.t.Cleanup(r.stop)
	return r
}

// start starts a process and waits until it is loaded.
func (c *cluster) start(name string) *replica {
	c.t.Helper()
	r := c.launch(name)
	if err := r.Loaded(c.t.Context()); err != nil {
		c.t.Fatalf("%s: Loaded: %v", name, err)
	}
	return r
}

// three starts three replicas, each of which has seen the others.
func (c *cluster) three() (a, b, d *replica) {
	c.t.Helper()
	a, b, d = c.start("a"), c.start("b"), c.start("c")
	c.pass(2 * every)
	return a, b, d
}

// two starts two.
func (c *cluster) two() (a, b *replica) {
	c.t.Helper()
	a, b = c.start("a"), c.start("b")
	c.pass(2 * every)
	return a, b
}

// pass lets time pass.
func (c *cluster) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// betweenTurns waits for a moment at which no turn of r is under way.
func (c *cluster) betweenTurns(r *replica) {
	turn := r.client.PauseAfter("Turn")
	<-turn.Reached()
	turn.Release()
	synctest.Wait()
}

// kill ends a process without a word to the others.
func (r *replica) kill() {
	r.client.BlackHole(true)
	r.stop()
}

func (r *replica) apply(e ledger.Entry) {
	r.mu.Lock()
	r.applied = append(r.applied, applied{e, r.clock(), r.Fresh()})
	hook := r.onApply
	r.mu.Unlock()
	if hook != nil {
		hook(e)
	}
}

func (r *replica) keep(rec ledger.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rec.Value == nil {
		delete(r.records, rec.Name)
	} else {
		r.records[rec.Name] = rec
	}
}

// entries returns the entries about a subject, in order; those about everyone
// are about every guest, too.
func (r *replica) entries(s authz.Subject) (found []applied) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.applied {
		if slices.Contains(e.Subjects, s) || s == guest && slices.Contains(e.Subjects, everyone) {
			found = append(found, e)
		}
	}
	return found
}

// table returns the records that can be seen here.
func (r *replica) table() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	table := make(map[string]string)
	for name, rec := range r.records {
		table[name] = string(rec.Value)
		if rec.Unshared {
			table[name] += " (unshared)"
		}
	}
	return table
}

// wantTable checks them.
func (r *replica) wantTable(when string, want map[string]string) {
	r.t.Helper()
	if got := r.table(); !maps.Equal(got, want) {
		r.t.Errorf("%s, records at %s are %v, want %v", when, r.name, got, want)
	}
}

// age is how old the lease is.
func (r *replica) age() time.Duration { return r.clock().Sub(r.Fresh()) }

// begin announces a call about a subject that may take a minute.
func (r *replica) begin(s authz.Subject) ledger.Call {
	r.t.Helper()
	call, err := r.Begin(r.t.Context(), ledger.Intent{Subjects: []authz.Subject{s}, Limit: time.Minute})
	if err != nil {
		r.t.Errorf("%s: Begin: %v", r.name, err)
	}
	return call
}

// revocation is what became of a call that changed something.
type revocation struct {
	ledger.Receipt
	err  error
	took time.Duration
}

// revoke takes a call about a subject from its beginning to its end.
func (r *replica) revoke(s authz.Subject) revocation {
	call, _ := r.Begin(r.t.Context(), ledger.Intent{Subjects: []authz.Subject{s}, Limit: time.Minute})
	return r.resolve(call)
}

// resolve ends a call that changed something.
func (r *replica) resolve(call ledger.Call) revocation {
	began := r.clock()
	receipt, err := r.Resolve(r.t.Context(), call, ledger.Changed)
	return revocation{receipt, err, r.clock().Sub(began)}
}

// later does revoke without waiting for it.
func (r *replica) later(s authz.Subject) <-chan revocation {
	done := make(chan revocation, 1)
	go func() { done <- r.revoke(s) }()
	return done
}

// write writes a record; the empty value removes it.
func (r *replica) write(name, value string) {
	r.t.Helper()
	rec := ledger.Record{Kind: "route", Name: name}
	if value != "" {
		rec.Value = []byte(value)
	}
	if err := r.Write(r.t.Context(), rec); err != nil {
		r.t.Errorf("%s: Write: %v", r.name, err)
	}
}

// wantState checks how far an entry has come.
func (v revocation) wantState(t *testing.T, what string, want ledger.State, missing int) {
	t.Helper()
	if v.State != want || v.Missing != missing || (v.err != nil) != (want == ledger.Within) {
		t.Errorf("%s: receipt %+v, error %v; want state %d with %d missing", what, v.Receipt, v.err, want, missing)
	}
}
