package ledgertest

import (
	"bytes"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

func answer(at uint64, touched ...string) ledger.SharedAnswer {
	return ledger.SharedAnswer{Incarnation: inc, At: at, Touched: touched, Key: "k1", Sealed: raw, TTL: 60_000}
}

// answer reads the answer of the suite.
func (s *storeSuite) answer(incarnation string) []byte {
	s.t.Helper()
	sealed, err := s.Answer(s.ctx(), incarnation, "k1")
	s.ok(err)
	return sealed
}

func answerKept(t *testing.T, s *storeSuite) {
	s.create()
	if got := s.answer(inc); got != nil {
		t.Errorf("before: %q, want nil", got)
	}
	s.ok(s.StoreAnswer(s.ctx(), answer(0, "bob")))
	same(t, "answer", s.answer(inc), raw)
	brief := answer(0, "bob")
	brief.TTL = 50
	s.ok(s.StoreAnswer(s.ctx(), brief))
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for over := s.ctx().Done(); s.answer(inc) != nil; {
		select {
		case <-again.C:
		case <-over:
			t.Fatal("an answer outlives its time")
		}
	}
}

func answerTouched(t *testing.T, s *storeSuite) {
	s.create()
	s.append(ledger.Append{ID: "e1", Touched: []string{"bob", string(raw)}})
	at := s.append(ledger.Append{ID: "e2", Touched: []string{"carol"}})
	s.ok(s.StoreAnswer(s.ctx(), answer(0, "alice", "bob")))
	s.ok(s.StoreAnswer(s.ctx(), answer(0, string(raw))))
	if got := s.answer(inc); got != nil {
		t.Errorf("asked before its subject was touched: %q was kept", got)
	}
	s.ok(s.StoreAnswer(s.ctx(), answer(at.Number-1, "alice", "bob")))
	if got := s.answer(inc); !bytes.Equal(got, raw) {
		t.Errorf("asked at the position of the entry: %q, want it kept", got)
	}
}

func answerBeforeBegin(t *testing.T, s *storeSuite) {
	s.ok(s.Create(s.ctx(), ledger.Creation{Incarnation: inc, At: ledger.Position{Number: 7, ID: "e7"}}))
	s.ok(s.StoreAnswer(s.ctx(), answer(6, "bob")))
	if got := s.answer(inc); got != nil {
		t.Error("an answer is kept that was asked before anything is known of its subject")
	}
}

func answerElsewhere(t *testing.T, s *storeSuite) {
	s.create()
	elsewhere := answer(0, "bob")
	elsewhere.Incarnation = "inc-0"
	s.ok(s.StoreAnswer(s.ctx(), elsewhere))
	toCome := answer(0, "bob")
	toCome.Tick = 1 << 40
	s.ok(s.StoreAnswer(s.ctx(), toCome))
	if s.answer(inc) != nil {
		t.Error("an answer is kept whose tick is still to come")
	}
	if s.answer(inc) != nil || s.answer("inc-0") != nil {
		t.Error("an answer of another incarnation is kept")
	}
	s.ok(s.StoreAnswer(s.ctx(), answer(0, "bob")))
	if s.answer("inc-0") != nil {
		t.Error("an answer is found under another incarnation")
	}
}

func activity(t *testing.T, s *storeSuite) {
	merge := func(seen map[string]int64, gone []string, since int64) map[string]int64 {
		all, err := s.MergeActivity(s.ctx(), seen, gone, since)
		s.ok(err)
		return all
	}
	s.create()
	const now = 1_900_000_000_123
	merge(map[string]int64{"/user/a/": now, "/user/b/": now, "/user/c/": now}, nil, 0)
	got := merge(map[string]int64{"/user/a/": now + 1, "/user/b/": now - 1}, []string{"/user/c/"}, 0)
	same(t, "times", got, map[string]int64{"/user/a/": now + 1, "/user/b/": now})
	same(t, "times since", merge(nil, nil, now+1), map[string]int64{"/user/a/": now + 1})
}
