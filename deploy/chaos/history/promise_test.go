package history

import (
	"strings"
	"testing"
	"time"
)

const ms = time.Millisecond

// promise is that of the default settings.
func promise() Promise {
	return Promise{
		Bound: time.Second, Guests: 5 * time.Second,
		Hop: 250 * ms, Margin: 250 * ms, Settle: time.Second, Recover: 10 * time.Second,
	}
}

// story is a history in which bob is revoked through replica 1 at 10 s, of
// three replicas, and which breaks nothing.
func story() *History {
	h := &History{}
	for replica := 1; replica <= 3; replica++ {
		h.Passages = append(h.Passages,
			Passage{Who: "bob", Replica: replica, Socket: true, Up: true, Left: 9990 * ms, Came: 9992 * ms},
			Passage{Who: "alice", Replica: replica, Socket: true, Left: 30000 * ms, Came: 30002 * ms},
		)
	}
	h.Changes = []Change{{
		ID: 1, Schedule: "s", Who: "bob", Replica: 1, Status: 204, Said: Done,
		Sent: 10000 * ms, Committed: 10010 * ms, Answering: 10011 * ms, Ended: 10020 * ms,
	}}
	return h
}

// pass adds a passage of bob.
func pass(replica int, left, came Instant) func(*History) {
	return func(h *History) {
		h.Passages = append(h.Passages, Passage{Who: "bob", Replica: replica, Left: left, Came: came})
	}
}

// edit changes the revocation.
func edit(f func(c *Change)) func(*History) { return func(h *History) { f(&h.Changes[0]) } }

// grant gives bob his access back.
func grant(sent Instant, said Said) func(*History) {
	return func(h *History) {
		h.Changes = append(h.Changes, Change{
			ID: 2, Schedule: "s", Who: "bob", Grant: true, Replica: 2, Status: 201, Said: said,
			Sent: sent, Committed: sent + 5*ms, Answering: sent + 6*ms, Ended: sent + 10*ms,
		})
	}
}

func span(cause Cause, replica int, from, to Instant) func(*History) {
	return func(h *History) { h.Spans = append(h.Spans, Span{cause, replica, from, to}) }
}

func said(s Said) func(*History) { return edit(func(c *Change) { c.Said = s }) }

func refuse(r Refusal) func(*History) {
	return func(h *History) { h.Refusals = append(h.Refusals, r) }
}

type steps []func(*History)

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name  string
		steps steps
		want  string // in the only breach; "" for none
	}{
		{"nothing happens", steps{}, ""},

		{"a message leaves after an answer that said done", steps{pass(2, 10021*ms, 10022*ms)}, "the answer said done"},
		{"it leaves before the answer and arrives soon after it", steps{pass(2, 10019*ms, 10200*ms)}, ""},
		{"it leaves before the answer and arrives far after it", steps{pass(2, 10019*ms, 10300*ms)}, "the answer said done"},
		{"it arrives far after it because its replica was stopped", steps{pass(2, 10019*ms, 12020*ms), span(ReplicaPaused, 2, 10018*ms, 12018*ms)}, ""},
		{"it arrives far after it while another replica was stopped", steps{pass(2, 10019*ms, 12020*ms), span(ReplicaPaused, 1, 10018*ms, 12018*ms)}, "the answer said done"},
		{"it arrives far after it because the watcher stood still", steps{pass(2, 10019*ms, 10600*ms), span(Stall, 0, 10020*ms, 10590*ms)}, ""},
		{"it arrives later than the stop explains", steps{pass(2, 10019*ms, 12620*ms), span(ReplicaPaused, 2, 10018*ms, 12018*ms)}, "the answer said done"},
		{"a stop excuses nothing that leaves after the answer", steps{pass(2, 10025*ms, 12020*ms), span(ReplicaPaused, 2, 10018*ms, 12018*ms)}, "the answer said done"},
		{"it leaves between the change and the answer", steps{pass(2, 10012*ms, 10015*ms)}, ""},

		{"it leaves after an answer that said bounded", steps{said(Bounded), edit(func(c *Change) { c.Ended = 11010 * ms }), pass(2, 11011*ms, 11012*ms)}, "the answer said bounded"},
		{"it leaves before an answer that said bounded", steps{said(Bounded), edit(func(c *Change) { c.Ended = 11010 * ms }), pass(2, 10900*ms, 10901*ms)}, ""},
		{"it leaves later than Δ after the hub's answer, before a late answer that said bounded", steps{said(Bounded), edit(func(c *Change) { c.Ended = 11900 * ms }), pass(2, 11262*ms, 11263*ms)}, "Δ after it was seen"},
		{"it leaves sooner than that", steps{said(Bounded), edit(func(c *Change) { c.Ended = 11900 * ms }), pass(2, 11260*ms, 11261*ms)}, ""},

		{"it leaves later than that, and the replica that was asked had been stopped", steps{said(Bounded), edit(func(c *Change) { c.Ended = 11900 * ms }), span(ReplicaPaused, 1, 10012*ms, 10800*ms), pass(2, 11262*ms, 11263*ms)}, ""},

		{"within: it leaves another replica in time", steps{said(Within), pass(2, 15009*ms, 15010*ms)}, ""},
		{"within: it leaves another replica after T", steps{said(Within), pass(2, 15011*ms, 15012*ms)}, "T after the change"},
		{"within: it leaves the replica that was asked", steps{said(Within), pass(1, 10021*ms, 10022*ms)}, "the answer said within"},
		{"no answer: it leaves in time", steps{said(Nothing), pass(1, 15009*ms, 15011*ms)}, ""},
		{"no answer: it leaves after T", steps{said(Nothing), pass(1, 15011*ms, 15012*ms)}, "T after the change"},
		{"changed inside the hub, after T", steps{edit(func(c *Change) { *c = Change{ID: 1, Who: "bob", Committed: c.Committed} }), pass(3, 15011*ms, 15012*ms)}, "T after the change"},
		{"never done by the hub", steps{edit(func(c *Change) { c.Committed = 0 }), pass(3, 20000*ms, 20001*ms)}, ""},

		{"done late, after an unclear answer: asked in time", steps{late, pass(2, 22249*ms, 22250*ms)}, ""},
		{"done late, after an unclear answer: not asked", steps{late, pass(2, 22251*ms, 22252*ms)}, "asked every Δ"},
		{"done late, and the replica that asks was killed", steps{late, span(ReplicaDown, 1, 15000*ms, 16000*ms), pass(2, 22251*ms, 22252*ms)}, ""},
		{"done late, the replica was killed, and after T", steps{late, span(ReplicaDown, 1, 15000*ms, 16000*ms), pass(2, 25001*ms, 25002*ms)}, "T after the change"},

		{"granted again: it leaves after the answer to the grant", steps{grant(11000*ms, Done), pass(2, 11020*ms, 11021*ms)}, ""},
		{"granted again: it leaves before, and was held", steps{grant(11000*ms, Done), pass(2, 10500*ms, 11010*ms)}, ""},
		{"granted again: it came before", steps{grant(11000*ms, Done), pass(2, 10500*ms, 10999*ms)}, "the answer said done"},
		{"somebody else's", steps{func(h *History) {
			h.Passages = append(h.Passages, Passage{Who: "carl", Replica: 1, Left: 10500 * ms, Came: 10501 * ms})
		}}, ""},

		{"a guest is refused who was revoked", steps{refuse(Refusal{Who: "bob", Replica: 1, Sent: 10030 * ms, At: 10031 * ms, Status: 403})}, ""},
		{"a guest is refused who was granted again, and all know", steps{grant(11000*ms, Done), refuse(Refusal{Who: "bob", Replica: 1, Sent: 12011 * ms, At: 12012 * ms, Status: 403})}, "who may get in"},
		{"a guest is refused who was just granted again", steps{grant(11000*ms, Done), refuse(Refusal{Who: "bob", Replica: 1, Sent: 11009 * ms, At: 11011 * ms, Status: 403})}, ""},
		{"a guest is refused who was granted again, and not all know", steps{grant(11000*ms, Within), refuse(Refusal{Who: "bob", Replica: 1, Sent: 16011 * ms, At: 16012 * ms, Status: 403})}, ""},
		{"a guest is refused for longer than T", steps{grant(11000*ms, Within), refuse(Refusal{Who: "bob", Replica: 1, Sent: 17011 * ms, At: 17012 * ms, Status: 403})}, "who may get in"},
		{"a guest is sent away while the hub is away", steps{grant(11000*ms, Done), span(HubAway, 0, 19000*ms, 25000*ms), refuse(Refusal{Who: "bob", Replica: 1, Sent: 20000 * ms, At: 20001 * ms, Status: 503})}, ""},
		{"a guest is taken for a stranger while the hub is away", steps{grant(11000*ms, Done), span(HubAway, 0, 19000*ms, 25000*ms), refuse(Refusal{Who: "bob", Replica: 1, Sent: 20000 * ms, At: 20001 * ms, Status: 403})}, "who may get in"},

		{"an owner is refused", steps{refuse(Refusal{Who: "alice", Owner: true, Replica: 1, Sent: 20000 * ms, At: 20001 * ms, Status: 503})}, "owners notice nothing"},
		{"an owner's socket is cut", steps{refuse(Refusal{Who: "alice", Owner: true, Replica: 1, Sent: 20000 * ms, At: 20001 * ms, Close: 1008})}, "owners notice nothing"},
		{"an owner is sent away while the hub is away", steps{span(HubAway, 0, 19000*ms, 25000*ms), refuse(Refusal{Who: "alice", Owner: true, Replica: 1, Sent: 20000 * ms, At: 20001 * ms, Status: 503})}, "owners notice nothing"},
		{"an owner's replica was killed", steps{span(ReplicaDown, 1, 19000*ms, 20500*ms), refuse(Refusal{Who: "alice", Owner: true, Replica: 1, Sent: 20000 * ms, At: 20001 * ms})}, ""},
		{"another replica was killed", steps{span(ReplicaDown, 2, 19000*ms, 20500*ms), refuse(Refusal{Who: "alice", Owner: true, Replica: 1, Sent: 20000 * ms, At: 20001 * ms})}, "owners notice nothing"},
		{"an owner's patience ends while his replica is stopped", steps{span(ReplicaPaused, 1, 19000*ms, 20500*ms), refuse(Refusal{Who: "alice", Owner: true, Replica: 1, Sent: 19500 * ms, At: 20001 * ms})}, ""},
		{"an owner is refused by a replica that was stopped", steps{span(ReplicaPaused, 1, 19000*ms, 20500*ms), refuse(Refusal{Who: "alice", Owner: true, Replica: 1, Sent: 19500 * ms, At: 20501 * ms, Status: 403})}, "owners notice nothing"},

		{"whole again in time", steps{func(h *History) { h.Recoveries = []Recovery{{Schedule: "s", Ended: 20000 * ms, Took: 9999 * ms}} }}, ""},
		{"whole again too late", steps{func(h *History) { h.Recoveries = []Recovery{{Schedule: "s", Ended: 20000 * ms, Took: 10001 * ms}} }}, "whole again"},
		{"never whole again", steps{func(h *History) { h.Recoveries = []Recovery{{Schedule: "s", Missing: []string{"route /user/carol"}}} }}, "route /user/carol"},
		{"a breach that was seen as such", steps{func(h *History) { h.Breaches = []Breach{{Rule: "moved away"}} }}, "moved away"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := story()
			for _, step := range test.steps {
				step(h)
			}
			found := promise().Check(h)
			switch {
			case test.want == "" && len(found) > 0:
				t.Errorf("breaches = %v, want none", found)
			case test.want != "" && (len(found) != 1 || !strings.Contains(found[0].String(), test.want)):
				t.Errorf("breaches = %v, want one with %q", found, test.want)
			}
		})
	}
}

// late makes the revocation one that the Hub did 10 s after it had failed.
func late(h *History) {
	c := &h.Changes[0]
	c.Status, c.Committed = 500, 20000*ms
}

func TestFigures(t *testing.T) {
	h := story()
	pass(2, 10012*ms, 10018*ms)(h)
	grant(15000*ms, Done)(h)
	for at := 20 * time.Second; at < 21*time.Second; at += 100 * ms {
		h.Passages = append(h.Passages, Passage{Who: "alice", Replica: 1, Socket: true, Left: at, Came: at})
	}
	h.Passages = append(h.Passages, Passage{Who: "alice", Replica: 1, Socket: true, Left: 21700 * ms, Came: 21700 * ms})
	h.Recoveries = []Recovery{{Schedule: "s", Ended: 22 * time.Second, Took: time.Second}}
	got := promise().Figures(h)
	if len(got) != 1 {
		t.Fatalf("%d rows, want 1", len(got))
	}
	want := Figures{
		Schedule: "s", Revocations: 1, AfterAnswer: -2 * ms, AfterChange: 8 * ms, Passed: true,
		Waited: 9 * ms, Held: 800 * ms, Whole: time.Second,
	}
	want.Said[Done] = 1
	if got[0] != want {
		t.Errorf("figures = %+v, want %+v", got[0], want)
	}
}

func TestLog(t *testing.T) {
	l := NewLog()
	first := l.Begin(Change{Schedule: "s"}, "bob", "carl")
	second := l.Begin(Change{Schedule: "s"}, "bob")
	l.Edit(first, func(c *Change) { c.Said = Done })
	l.Edit(second, func(c *Change) { c.Said = Within })
	var got []Said
	for _, c := range l.History().Changes {
		got = append(got, c.Said)
	}
	if len(got) != 3 || got[0] != Done || got[1] != Done || got[2] != Within {
		t.Errorf("said = %v, want [done done within]", got)
	}
}
