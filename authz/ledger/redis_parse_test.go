package ledger

import (
	"errors"
	"strings"
	"testing"
)

func TestParseViewRefusesWhatNoScriptGives(t *testing.T) {
	good := func() []any {
		return []any{"inc", "", "0", "7", "3", "id", "0", "1", []any{[]any{"3-0", []any{"id", "x", "sealed", "y"}}}, []any{"m", "7:3:0:here:80"}, []any{"3", "-2", "1"}}
	}
	v, err := parseView(good())
	if err != nil || v.Members[0] != (Member{ID: "m", Name: "here:80", Counter: 7, Applied: 3}) || v.Entries[0].Number != 3 || !v.Dropped || v.Told[3] != (Told{Sockets: -2, Tellers: 1}) {
		t.Fatalf("%+v, %v", v, err)
	}
	for name, change := range map[string]func(l []any){
		"a number for a text":   func(l []any) { l[0] = int64(1) },
		"no number for a tick":  func(l []any) { l[3] = "-1" },
		"nothing for a list":    func(l []any) { l[8] = nil },
		"an entry that is none": func(l []any) { l[8] = []any{"x"} },
		"a member without name": func(l []any) { l[9] = []any{"m", "7:3:0"} },
		"no number of sockets":  func(l []any) { l[10] = []any{"3", "x", "1"} },
	} {
		l := good()
		change(l)
		if v, err := parseView(l); !errors.Is(err, errReply) {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
	for _, reply := range []any{nil, "OK", []any{}, []any{"inc"}} {
		if v, err := parseView(reply); !errors.Is(err, errReply) {
			t.Errorf("%v: %+v, %v", reply, v, err)
		}
	}
	// Who can write the log can write an entry of another form: a gap.
	l := good()
	l[8] = []any{[]any{"3-0", []any{"id", "x"}}}
	if v, err := parseView(l); err != nil || v.Entries[0].Number != 0 {
		t.Errorf("an entry of another form: %+v, %v; want one that fits nowhere", v, err)
	}
}

func TestCountNodes(t *testing.T) {
	const nodes = `p1 127.0.0.1:1@2 myself,master - 0 0 1 connected 0-100
p2 127.0.0.1:3@4 master - 0 0 2 connected 101-16383
r1 127.0.0.1:5@6 slave p1 0 0 1 connected
r2 127.0.0.1:7@8 slave,fail p1 0 0 1 disconnected
r3 127.0.0.1:9@10 slave p2 0 0 2 connected
`
	if n, err := countNodes(nodes); n != 3 || err != nil {
		t.Errorf("a primary and two replicas, one of them down: %d, %v; want 3", n, err)
	}
	if n, err := countNodes(strings.Replace(nodes, "myself,master", "myself,slave", 1)); n != 0 || err == nil {
		t.Errorf("of a node that is no primary: %d, %v; want an error", n, err)
	}
}

func TestNewestVote(t *testing.T) {
	before := func(id string) vote {
		return vote{id: id, primary: "old", epoch: 1, replicas: 2, others: []string{"x", "y"}}
	}
	after := func(id string) vote {
		return vote{id: id, primary: "new", epoch: 2, replicas: 1, others: []string{"x", "y"}}
	}
	for name, test := range map[string]struct {
		votes    []vote
		named    int
		primary  string
		replicas int
		majority bool
	}{
		"all agree":                                {[]vote{before("a"), before("b"), before("c")}, 3, "old", 2, true},
		"two of three agree":                       {[]vote{before("a"), before("b")}, 3, "old", 2, true},
		"one of three alone is no majority":        {[]vote{before("a")}, 3, "old", 2, false},
		"one that knows two others is none either": {[]vote{before("a")}, 1, "old", 2, false},
		"one by two addresses is one":              {[]vote{before("a"), before("a")}, 2, "old", 2, false},
		"one that has forgotten the others that the URL names is none": {
			[]vote{{id: "a", primary: "old", epoch: 1}}, 3, "old", 0, false,
		},
		"one alone that is the only one": {[]vote{{id: "a", primary: "old", epoch: 1, replicas: 2}}, 1, "old", 2, true},
		"the newer configuration counts": {[]vote{before("a"), after("b"), before("c")}, 3, "new", 1, false},
		"the most replicas count": {
			[]vote{after("a"), {id: "b", primary: "new", epoch: 2, replicas: 2}}, 3, "new", 2, true,
		},
	} {
		best, majority := newest(test.votes, test.named)
		if best.primary != test.primary || best.replicas != test.replicas || majority != test.majority {
			t.Errorf("%s: %+v, majority %v", name, best, majority)
		}
	}
}

func TestReplicasThatAreLongGoneAreNotCounted(t *testing.T) {
	replica := func(flags, down string) []any {
		return []any{"ip", "127.0.0.1", "port", "1", "flags", flags, "s-down-time", down}
	}
	v, err := parseVote([]any{
		[]any{"ip", "127.0.0.1", "port", "6379", "config-epoch", "4"},
		[]any{replica("slave", "0"), replica("s_down,slave,disconnected", "3599000"), replica("s_down,slave,disconnected", "3601000")},
		[]any{[]any{"ip", "::1", "port", "26379"}},
		"id",
	})
	if err != nil || v.primary != "127.0.0.1:6379" || v.epoch != 4 || v.replicas != 2 || v.others[0] != "[::1]:26379" {
		t.Errorf("%+v, %v; want two replicas", v, err)
	}
	if _, err := parseVote([]any{[]any{}, []any{}, nil, nil}); err == nil {
		t.Error("a reply of another form is no error")
	}
}
