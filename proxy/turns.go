package proxy

import (
	"sync"
	"time"
)

// turns puts changes of one session into force together, if they come faster
// than turnEvery. The cookie that names a session is not signed, and every
// server that its holder uses sees it: without turns, whoever calls the Hub's
// logout with it again and again would keep the holder's exchanges held, since
// every entry wants answers that were asked for after it.
//
// The first change goes at once, and none waits for longer than turnEvery: an
// entry does not wait for the one before, which may take more than Δ to be
// confirmed. Nobody's change is lost or goes early: one that has to wait is
// covered by an entry that is written after it came.
//
// It is safe for concurrent use, and holds as many keys as had a change
// within turnEvery. Use newTurns, and close it.
type turns struct {
	ending  chan struct{} // closed by close
	serving sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	waiting map[changeKey]*turn
	closed  bool
}

// turnEvery leaves exchanges most of their time between two entries: an answer
// of the Hub takes a hundredth to a tenth of a second.
const turnEvery = 250 * time.Millisecond

// turn is the next entry of a session; entry is nil as long as nobody wants it.
type turn struct {
	entry  func() enforced
	done   chan struct{} // closed when result is set
	result enforced
}

func newTurns() *turns {
	return &turns{ending: make(chan struct{}), waiting: make(map[changeKey]*turn)}
}

// do returns what entry returns, or what that of another change of the session
// does which covers this one too; mine tells which.
func (ts *turns) do(key changeKey, entry func() enforced) (result enforced, mine bool) {
	ts.mu.Lock()
	t := ts.waiting[key]
	switch {
	case t == nil && ts.closed:
		ts.mu.Unlock()
		return entry(), true
	case t == nil:
		ts.waiting[key] = newTurn()
		ts.serving.Add(2)
		ts.mu.Unlock()
		defer ts.serving.Done()
		go ts.serve(key)
		return entry(), true
	}
	if mine = t.entry == nil; mine {
		t.entry = entry
	}
	ts.mu.Unlock()
	<-t.done
	return t.result, mine
}

func newTurn() *turn { return &turn{done: make(chan struct{})} }

// serve gives a session its turns until nobody wants one.
func (ts *turns) serve(key changeKey) {
	defer ts.serving.Done()
	for {
		timer := time.NewTimer(turnEvery)
		select {
		case <-timer.C:
		case <-ts.ending:
			timer.Stop()
		}
		if !ts.next(key) {
			return
		}
	}
}

// next gives the changes that have come meanwhile their turn. It reports
// whether there were any.
func (ts *turns) next(key changeKey) bool {
	ts.mu.Lock()
	t := ts.waiting[key]
	if t.entry == nil {
		delete(ts.waiting, key)
		ts.mu.Unlock()
		return false
	}
	ts.waiting[key] = newTurn()
	ts.mu.Unlock()
	ts.serving.Go(func() {
		t.result = t.entry()
		close(t.done)
	})
	return true
}

// close puts into force at once what waits for its turn, and returns when that
// is done. Changes that come later wait for none.
func (ts *turns) close() {
	ts.mu.Lock()
	ts.closed = true
	ts.mu.Unlock()
	close(ts.ending)
	ts.serving.Wait()
}
