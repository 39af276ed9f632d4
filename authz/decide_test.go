package authz

import (
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden matrix anew")

// who are the holders of credentials; the scopes come apart.
var who = []struct {
	name   string
	answer *Answer
}{
	{"no credential", nil},
	{"nobody", &Answer{}},
	{"owner, session", &Answer{Kind: KindUser, Name: "alice", Session: "s1"}},
	{"owner, API token", &Answer{Kind: KindUser, Name: "alice"}},
	{"guest, session", &Answer{Kind: KindUser, Name: "bob", Session: "s2"}},
	{"guest, API token", &Answer{Kind: KindUser, Name: "bob"}},
	{"service alice", &Answer{Kind: KindService, Name: "alice"}},
	{"nobody named alice", &Answer{Name: "alice", Session: "s1"}},
}

// grants are the scopes, as the Hub lists them, with every way to look like one
// that opens alice's servers (attacks: G04, G06, G07).
var grants = []string{
	"", "access:servers",
	"access:servers!server=alice/", "access:servers!server=alice/lab", "access:servers!server=bob/",
	"access:servers!server=alice", "access:servers!server=alice/lab/", "access:servers!server=/", "access:servers!server=Alice/",
	"access:servers!user=alice", "access:servers!user=bob", "access:servers!user=ali", "access:servers!user=alice2",
	"access:servers!user=alice/", "access:servers!user=Alice", "access:servers!user=", "access:servers!user",
	"access:servers!group=g", "access:servers!group=alice", "access:servers!service=alice",
	"access:servers!", "access:servers!!user=alice", "access:servers!user=alice!user=bob", "access:servers!user =alice",
	"access:servers ", " access:servers", "access:servers\x00", "Access:servers", "access:serversx", "access:server",
	"access:services!user=alice", "shares!server=alice/", "servers!user=alice", "admin:servers", "inherit", "self", "*",
}

var servers = []Server{{}, {Owner: "alice"}, {Owner: "alice", Name: "lab"}, {Name: "lab"}}

func TestTheMatrixOfDecisionsIsTheGoldenOne(t *testing.T) {
	const file = "testdata/matrix.golden"
	var b strings.Builder
	fmt.Fprintf(&b, "# who | scope | server -> decision; everything that is not listed is denied\n")
	for _, w := range who {
		for _, scope := range grants {
			for _, server := range servers {
				a := w.answer
				if a != nil && scope != "" {
					scoped := *a
					scoped.Access = []string{scope}
					a = &scoped
				}
				d := Decide(a, server)
				// Denials by lack of scope are the rule; listed are all others,
				// and one denial of each kind.
				if d.Allow || scope == "" {
					fmt.Fprintf(&b, "%s | %q | %q %q -> %s %s %s interactive=%t\n", w.name, scope, server.Owner, server.Name,
						map[bool]string{true: "allow", false: "deny"}[d.Allow], d.Reason, d.Relation, d.Interactive)
				}
			}
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("the matrix differs from %s; look at what -update changes\n%s", file, got)
	}
}

func TestZeroValuesDeny(t *testing.T) {
	var d Decision
	if d.Allow || d.Reason.String() != "undecided" || d.Relation.String() != "anonymous" {
		t.Errorf("zero Decision %+v, want a denial without a reason", d)
	}
	all := &Answer{Kind: KindUser, Name: "bob", Access: []string{"access:servers"}}
	if Decide(all, Server{}).Allow {
		t.Error("the zero Server is open to somebody who may everything")
	}
	if d := Decide(&Answer{Kind: KindUser, Session: "s", Access: []string{"access:servers"}}, Server{}); d.Relation == Owner || d.Interactive {
		t.Error("somebody without a name owns the zero Server")
	}
	if Decide(&Answer{Access: []string{"access:servers"}}, alices).Allow {
		t.Error("the zero Kind is allowed by a scope")
	}
	if Decide(&Answer{Kind: 7, Name: "bob", Access: []string{"access:servers"}}, alices).Relation == Owner {
		t.Error("an unknown kind is the owner")
	}
	allow := Decision{Allow: true, Answer: &Answer{Asked: 1}}
	if (Rule{}).Young(&allow, View{Now: 2, Fresh: 2, HubAway: true}) {
		t.Error("the zero Rule lets an answer be used")
	}
	if err := new(Budget).Wait(t.Context(), Payer{}); err == nil {
		t.Error("the zero Budget pays")
	}
	if err := new(Budget).Wait(t.Context(), Payer{Cause: CauseRecheck}); err == nil {
		t.Error("the zero Budget pays for a re-check")
	}
}

func TestHowOldADecisionMayBe(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct {
		name        string
		interactive bool
		deny        bool
		age, lease  time.Duration
		away        bool
		young, ripe bool
	}{
		{name: "guest, new", young: true},
		{name: "guest, at 0.8 Δ without a lease", age: s / 5 * 4, lease: time.Hour, young: true},
		{name: "guest, after 0.8 Δ without a lease", age: s/5*4 + 1, lease: time.Hour, young: true, ripe: true},
		{name: "guest, at Δ without a lease", age: s, lease: time.Hour, young: true, ripe: true},
		{name: "guest, after Δ without a lease", age: s + 1, lease: s + 1, ripe: true},
		{name: "guest, after Δ with a lease as old as may be", age: s + 1, lease: s, young: true, ripe: true},
		{name: "guest, after Δ with a lease that is about to end", age: s + 1, lease: s/5*4 + 1, young: true, ripe: true},
		{name: "guest, after Δ with a lease that is not", age: s + 1, lease: s / 5 * 4, young: true},
		{name: "guest denied, after Δ without a lease", deny: true, age: s + 1, lease: s + 1, ripe: true},
		{name: "guest, at 0.8 T", age: 4 * s, young: true},
		{name: "guest, after 0.8 T", age: 4*s + 1, young: true, ripe: true},
		{name: "guest, at T", age: 5 * s, young: true, ripe: true},
		{name: "guest, after T", age: 5*s + 1, ripe: true},
		{name: "guest, after T, hub away", age: 5*s + 1, away: true, ripe: true},
		{name: "guest denied, at T", age: 5 * s, deny: true, young: true, ripe: true},
		{name: "guest denied, after T", age: 5*s + 1, deny: true, ripe: true},
		{name: "owner, after Δ without a lease", interactive: true, age: s + 1, lease: time.Hour, young: true},
		{name: "owner, at 0.8 T without a lease", interactive: true, age: 48 * s, lease: time.Hour, young: true},
		{name: "owner, at 0.8 T", interactive: true, age: 48 * s, young: true},
		{name: "owner, after 0.8 T", interactive: true, age: 48*s + 1, young: true, ripe: true},
		{name: "owner, at T", interactive: true, age: 60 * s, young: true, ripe: true},
		{name: "owner, after T", interactive: true, age: 60*s + 1, ripe: true},
		{name: "owner, after T, hub away", interactive: true, age: 60*s + 1, away: true, young: true, ripe: true},
		{name: "owner, at the end of the grace", interactive: true, age: 900 * s, away: true, young: true, ripe: true},
		{name: "owner, after the grace", interactive: true, age: 900*s + 1, away: true, ripe: true},
		{name: "owner denied, at T", interactive: true, deny: true, age: 60 * s, away: true, young: true, ripe: true},
		{name: "owner denied, after T, hub away", interactive: true, deny: true, age: 60*s + 1, away: true, ripe: true},
	} {
		now := Instant(time.Hour * 24)
		d := Decision{Allow: !tt.deny, Interactive: tt.interactive, Answer: &Answer{Asked: now.Add(-tt.age)}}
		v := View{Now: now, Fresh: now.Add(-tt.lease), HubAway: tt.away}
		if got := defaults.Young(&d, v); got != tt.young {
			t.Errorf("%s: young %t, want %t", tt.name, got, tt.young)
		}
		if got := defaults.Ripe(&d, v); got != tt.ripe {
			t.Errorf("%s: ripe %t, want %t", tt.name, got, tt.ripe)
		}
	}
	short := Rule{Bound: 10 * s, Guests: 5 * s}
	if d := (Decision{Answer: &Answer{}}); !short.Ripe(&d, View{Now: Instant(4*s + 1), Fresh: Instant(-time.Hour)}) {
		t.Error("a bound that is longer than T makes an answer ripen later without a lease")
	}
	none := Decide(nil, alices)
	if v := (View{Now: 1 << 60}); !defaults.Young(&none, v) || defaults.Ripe(&none, v) {
		t.Error("a decision without a credential grows old")
	}
}

func TestReasonsAndRelationsAreClosedSets(t *testing.T) {
	seen := map[string]bool{}
	for r := range Reason(5) {
		seen[r.String()] = true
	}
	if len(seen) != 5 || Reason(5).String() != "undecided" {
		t.Errorf("reasons %v, want 5 names and the zero one for all others", seen)
	}
	clear(seen)
	for r := range Relation(4) {
		seen[r.String()] = true
	}
	if len(seen) != 4 || Relation(4).String() != "anonymous" {
		t.Errorf("relations %v, want 4 names and the zero one for all others", seen)
	}
}

func TestATokenIsShownToNobody(t *testing.T) {
	const secret = "5ec2e7"
	token := NewToken(secret)
	q := Question{Token: token}
	js, err := json.Marshal(map[string]any{"a": token, "b": &token, "c": q})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", token, "q", q)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", token, "q", q)
	for _, text := range []string{
		string(js), log.String(), fmt.Sprint(token), fmt.Sprintf("%s %q %x %v %+v %#v %d", token, token, token, token, token, token, token),
		fmt.Sprintf("%v %+v %#v", q, q, q), fmt.Sprintf("%v %+v", &q, []Question{q}),
	} {
		if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
			t.Errorf("the token is in %s", text)
		}
	}
	if token.Reveal() != secret || token.IsZero() || !(Token{}).IsZero() {
		t.Error("the token itself is not what was put in")
	}
}

func TestTheKeyIsTheHashOfTheWholeToken(t *testing.T) {
	seen := map[Key]string{}
	for _, text := range []string{"", "a", "b", "a/b", "a\x00b", "ab", "a+b/c", "a/b+c", strings.Repeat("a", 64), strings.Repeat("a", 65)} {
		key := NewToken(text).Key()
		if other, ok := seen[key]; ok {
			t.Errorf("%q and %q have one key", text, other)
		}
		seen[key] = text
	}
	if got, want := fmt.Sprintf("%x", NewToken("abc").Key()), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; got != want {
		t.Errorf("key %s, want SHA-256 %s", got, want)
	}
}
