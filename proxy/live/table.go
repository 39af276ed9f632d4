package live

import (
	"context"
	"slices"
	"sync"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// Age says whether a decision may be used.
type Age uint8

// The ages. Old, the zero Age, closes the gate.
const (
	Old   Age = iota
	Ripe      // still good, but to be asked for again
	Young     // good
)

// Options of a [Table]. Age and Recheck are required.
type Options struct {
	// Age judges a decision at the moment at which a chunk wants to pass. It
	// must be fast and must not call back.
	Age func(*authz.Decision) Age
	// Recheck starts asking for the decision of an exchange again and returns
	// at once. It must call [Exchange.Rechecked] when it is done.
	Recheck func(*Exchange)
	// Cut is told about every exchange that was cut, after its last byte and
	// before its context ends. It must not block.
	Cut func(x *Exchange, cause error)
}

// Table holds all exchanges that live, indexed by the subjects that their
// decisions depend on. It is safe for concurrent use.
type Table struct {
	opts Options

	mu     sync.Mutex // guards the fields below
	all    map[*Exchange]struct{}
	index  map[authz.Subject]map[*Exchange]struct{}
	closed error         // why nothing new begins
	empty  chan struct{} // closed when all is empty, if somebody waits
}

// NewTable returns an empty table.
func NewTable(opts Options) *Table {
	return &Table{
		opts:  opts,
		all:   make(map[*Exchange]struct{}),
		index: make(map[authz.Subject]map[*Exchange]struct{}),
	}
}

// Open registers an exchange with its gate closed. It ends when ctx ends, and
// must be ended by [Exchange.End] or [Exchange.Cut].
func (t *Table) Open(ctx context.Context, info Info) *Exchange {
	x := &Exchange{Info: info, table: t, kick: make(chan struct{}, 1)}
	x.ctx, x.cancel = context.WithCancelCause(ctx)
	x.gate.gone = x.ctx.Done()
	t.mu.Lock()
	t.all[x] = struct{}{}
	t.place(x, &authz.Decision{Server: info.Server})
	closed := t.closed
	t.mu.Unlock()
	if closed != nil {
		x.Cut(closed)
	}
	return x
}

// Concerned returns the exchanges that depend on any of the subjects. For
// [authz.AboutEveryGuest] and [authz.AboutEveryone], under which nearly all
// would stand, there is no index: it looks at every exchange that lives.
func (t *Table) Concerned(subjects []authz.Subject) []*Exchange {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(subjects) == 1 && !indexless(subjects[0].Kind) {
		return keys(t.index[subjects[0]])
	}
	found := make(map[*Exchange]struct{})
	for _, s := range subjects {
		if indexless(s.Kind) {
			t.find(found, s.Kind)
			continue
		}
		for x := range t.index[s] {
			found[x] = struct{}{}
		}
	}
	return keys(found)
}

func indexless(k authz.SubjectKind) bool {
	return k == authz.AboutEveryGuest || k == authz.AboutEveryone
}

// find adds those to found that depend on a kind without an index: every guest,
// or everyone who is decided about. The caller holds mu.
func (t *Table) find(found map[*Exchange]struct{}, k authz.SubjectKind) {
	for x := range t.all {
		if x.guest || k == authz.AboutEveryone && len(x.subjects) > 0 {
			found[x] = struct{}{}
		}
	}
}

// All returns every exchange that lives.
func (t *Table) All() []*Exchange {
	t.mu.Lock()
	defer t.mu.Unlock()
	return keys(t.all)
}

// Hold closes the gates of xs until a decision asked for at seq or later opens
// them. When it returns, nothing more is written by any of them. All are told
// to stop before the first is waited for.
func (t *Table) Hold(xs []*Exchange, seq authz.Seq) {
	for _, x := range xs {
		x.gate.hold(seq)
	}
	for _, x := range xs {
		x.gate.settle()
	}
}

// Close lets nothing new begin, for cause.
func (t *Table) Close(cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = cause
}

// Wait returns when no exchange is left, or ctx ended.
func (t *Table) Wait(ctx context.Context) error {
	t.mu.Lock()
	if len(t.all) == 0 {
		t.mu.Unlock()
		return nil
	}
	if t.empty == nil {
		t.empty = make(chan struct{})
	}
	empty := t.empty
	t.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// reindex places x under everything that d depends on, unless x has ended.
func (t *Table) reindex(x *Exchange, d *authz.Decision) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, lives := t.all[x]; lives {
		old := x.subjects
		x.subjects = make([]authz.Subject, 0, len(old)+3) // user, session and a group come in
		t.place(x, d)
		t.displace(x, slices.DeleteFunc(old, func(s authz.Subject) bool { return slices.Contains(x.subjects, s) }))
	}
}

// place and displace keep the index; the caller holds mu.
func (t *Table) place(x *Exchange, d *authz.Decision) {
	x.guest = false
	d.Subjects(func(s authz.Subject) bool {
		switch s.Kind {
		case authz.AboutDenied:
			return true // who was denied has no exchange that lives
		case authz.AboutEveryGuest:
			x.guest = true
			return true
		}
		set := t.index[s]
		if set == nil {
			set = make(map[*Exchange]struct{})
			t.index[s] = set
		}
		set[x] = struct{}{}
		x.subjects = append(x.subjects, s)
		return true
	})
}

func (t *Table) displace(x *Exchange, subjects []authz.Subject) {
	for _, s := range subjects {
		set := t.index[s]
		delete(set, x)
		if len(set) == 0 {
			delete(t.index, s)
		}
	}
}

// forget takes x out of the table.
func (t *Table) forget(x *Exchange) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.displace(x, x.subjects)
	x.subjects = nil
	delete(t.all, x)
	if len(t.all) == 0 && t.empty != nil {
		close(t.empty)
		t.empty = nil
	}
}

func keys(set map[*Exchange]struct{}) []*Exchange {
	list := make([]*Exchange, 0, len(set))
	for x := range set {
		list = append(list, x)
	}
	return list
}
