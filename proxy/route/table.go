package route

import (
	"context"
	"errors"
	"strings"
	"sync"
)

// A Table is the set of routes of one process, in memory. It may be used by many
// goroutines. Match, Get, Add and Remove cost the same whatever the size of the
// table; Match does not allocate.
type Table struct {
	// Ended, if set before the table is used, is called with every route whose
	// lifetime has ended, outside the table's lock and before the call that
	// ended it returns.
	Ended func(*Route)

	hosts bool

	mu    sync.RWMutex
	byKey map[string]*Route // by indexKey
	root  node
}

// A node is one segment of the routes' paths.
type node struct {
	route    *Route // nil between routes
	children map[string]*node
}

// NewTable returns an empty table. With hosts, the first segment of every
// route's path but the root's is the host that it serves (--host-routing).
func NewTable(hosts bool) *Table {
	return &Table{hosts: hosts, byKey: make(map[string]*Route)}
}

// Add puts a route in, in the place of the one with the same path if there is
// one. When it returns, Match finds it. r belongs to the table then. It refuses
// only routes that New did not make or that have ended.
func (t *Table) Add(_ context.Context, r *Route) error { return t.put(r) }

// put is Add.
func (t *Table) put(r *Route) error {
	old, err := t.add(r)
	if old != nil && old.Ended() {
		t.tellEnded(old)
	}
	return err
}

// add is put under the lock; it returns the route that was replaced.
func (t *Table) add(r *Route) (old *Route, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r == nil || r.life == nil || r.Ended() {
		return nil, errors.New("route: not made by New, or ended")
	}
	key := t.indexKey(r.Path)
	if old = t.byKey[key]; old != nil {
		r.succeed(old)
	}
	t.byKey[key] = r
	n := &t.root
	for segment := range segments(key) {
		child := n.children[segment]
		if child == nil {
			if n.children == nil {
				n.children = make(map[string]*node)
			}
			child = new(node)
			n.children[segment] = child
		}
		n = child
	}
	n.route = r
	return old, nil
}

func (t *Table) tellEnded(r *Route) {
	if t.Ended != nil {
		t.Ended(r)
	}
}

// Remove takes the route with that decoded path out and ends its lifetime. It
// reports whether there was one, and does not fail.
func (t *Table) Remove(_ context.Context, path string) (bool, error) {
	return t.drop(t.indexKey(Key(path)), nil), nil
}

// drop is Remove by index key. With only, it leaves any other route there.
func (t *Table) drop(key string, only *Route) bool {
	old := t.take(key, only)
	if old == nil {
		return false
	}
	t.tellEnded(old)
	return true
}

// take is drop under the lock; it returns the route that was there.
func (t *Table) take(key string, only *Route) *Route {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.byKey[key]
	if old == nil || only != nil && old != only {
		return nil
	}
	delete(t.byKey, key)
	old.life.over.Store(true)
	t.root.remove(key)
	return old
}

// Get returns the route with exactly that decoded path.
func (t *Table) Get(path string) (*Route, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	r, ok := t.byKey[t.indexKey(Key(path))]
	return r, ok
}

// All returns all routes, in no particular order. The slice is the caller's.
func (t *Table) All(context.Context) []*Route {
	t.mu.RLock()
	defer t.mu.RUnlock()
	all := make([]*Route, 0, len(t.byKey))
	for _, r := range t.byKey {
		all = append(all, r)
	}
	return all
}

// indexKey folds the host in a key, since hosts have no case. The route itself
// keeps its path as posted: the Hub compares it with its own.
func (t *Table) indexKey(key string) string {
	if !t.hosts {
		return key
	}
	host, path, found := strings.Cut(key[1:], "/")
	if lower := strings.ToLower(host); lower != host {
		key = "/" + lower
		if found {
			key += "/" + path
		}
	}
	return key
}

// remove clears the node of key and prunes the branch that leads only to it.
func (n *node) remove(key string) {
	parent, edge := (*node)(nil), "" // where the branch can be cut
	for segment := range segments(key) {
		if parent == nil || n.route != nil || len(n.children) > 1 {
			parent, edge = n, segment
		}
		n = n.children[segment]
	}
	n.route = nil
	if parent != nil && len(n.children) == 0 {
		delete(parent.children, edge)
	}
}

// segments yields the segments of a key; the root has none.
func segments(key string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		if key == "/" {
			return
		}
		for segment := range strings.SplitSeq(key[1:], "/") {
			if !yield(segment) {
				return
			}
		}
	}
}
