package proxy_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// fakeHub is the Hub: an [authz.Asker] with tokens that tests set, and an HTTP
// server that accepts watched calls.
type fakeHub struct {
	server *httptest.Server

	mu     sync.Mutex
	tokens map[string]authz.Answer
	asked  map[string]int
	away   error
	block  chan struct{} // questions wait until it is closed
	asking chan string   // tokens whose question has begun, if not nil
	calls  http.HandlerFunc
}

func newFakeHub(t testing.TB) *fakeHub {
	h := &fakeHub{tokens: make(map[string]authz.Answer), asked: make(map[string]int)}
	h.set("alice", "alice", "s-alice", "access:servers!server=alice/")
	h.set("bob", "bob", "s-bob", "access:servers!server=alice/")
	h.set("carol", "carol", "s-carol", "access:servers!server=alice/")
	h.set("dave", "dave", "s-dave")
	h.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		calls := h.calls
		h.mu.Unlock()
		if calls != nil {
			calls(w, r)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(h.server.Close)
	return h
}

// Ask implements [authz.Asker].
func (h *fakeHub) Ask(ctx context.Context, token authz.Token) (authz.Answer, error) {
	h.mu.Lock()
	h.asked[token.Reveal()]++
	a, away, block, asking := h.tokens[token.Reveal()], h.away, h.block, h.asking
	h.mu.Unlock()
	if asking != nil {
		asking <- token.Reveal()
	}
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return authz.Answer{}, ctx.Err()
		}
	}
	return a, away
}

// set says whose a token is, and what it may.
func (h *fakeHub) set(token, user, session string, scopes ...string) {
	h.answer(token, authz.Answer{Kind: authz.KindUser, Name: authz.User(user), Session: session, Access: scopes})
}

// answer sets everything that the Hub says of a token.
func (h *fakeHub) answer(token string, a authz.Answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tokens[token] = a
}

// forget makes a token unknown.
func (h *fakeHub) forget(token string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.tokens, token)
}

// goAway makes all questions fail; nil brings the Hub back.
func (h *fakeHub) goAway(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = err
}

// hang makes questions wait until the function it returns is called. Their
// answers are those of the moment at which they were asked.
func (h *fakeHub) hang() (asking <-chan string, goOn func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	block, begun := make(chan struct{}), make(chan string, 100)
	h.block, h.asking = block, begun
	return begun, func() {
		h.mu.Lock()
		h.block, h.asking = nil, nil
		h.mu.Unlock()
		close(block)
	}
}

// on sets what the Hub answers to calls.
func (h *fakeHub) on(f http.HandlerFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = f
}

func (h *fakeHub) count(token string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asked[token]
}

var errAway = errors.New("connection refused")
