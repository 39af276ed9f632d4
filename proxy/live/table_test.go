package live

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

func TestAnExchangeIsFoundByEverythingThatItsDecisionDependsOn(t *testing.T) {
	d := allowedAt(0)
	d.Answer.Session, d.Answer.Groups = "s1", []string{"red", "blue"}
	about := func(kind authz.SubjectKind, name string, server authz.ServerName) authz.Subject {
		return authz.Subject{Kind: kind, Name: name, Server: server}
	}
	for _, c := range []struct {
		name             string
		subject          authz.Subject
		opened, admitted bool // whether it is found then
	}{
		{"its server", about(authz.AboutServer, "alice", "lab"), true, true},
		{"the guests of its server", about(authz.AboutGuests, "alice", "lab"), true, true},
		{"the servers of its owner", about(authz.AboutOwner, "alice", ""), true, true},
		{"its user", about(authz.AboutUser, "bob", ""), false, true},
		{"its session", about(authz.AboutSession, "s1", ""), false, true},
		{"its user's group", about(authz.AboutGroup, "red", ""), false, true},
		{"its user's other group", about(authz.AboutGroup, "blue", ""), false, true},
		{"another server", about(authz.AboutServer, "alice", ""), false, false},
		{"another user", about(authz.AboutUser, "alice", ""), false, false},
		{"another group", about(authz.AboutGroup, "green", ""), false, false},
		{"a service of the user's name", about(authz.AboutService, "bob", ""), false, false},
		{"every guest", about(authz.AboutEveryGuest, "", ""), true, true},
		{"everyone", about(authz.AboutEveryone, "", ""), true, true},
		{"who was denied", about(authz.AboutDenied, "", ""), false, false},
		{"nobody", authz.Subject{}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig()
			x := r.Open(t.Context(), Info{Server: lab})
			for _, step := range []struct {
				what  string
				do    func()
				found bool
			}{
				{"opened", func() {}, c.opened},
				{"admitted", func() { x.Admit(bob, &d) }, c.admitted},
				{"ended", x.End, false},
				{"admitted after its end", func() { x.Admit(bob, &d) }, false},
			} {
				step.do()
				for _, subjects := range [][]authz.Subject{{c.subject}, {c.subject, {Kind: authz.AboutUser, Name: "carol"}, c.subject}} {
					if got := len(r.Concerned(subjects)); got != map[bool]int{true: 1}[step.found] {
						t.Errorf("%s: found %d times, want %v", step.what, got, step.found)
					}
				}
			}
			if len(r.index) != 0 || len(r.all) != 0 {
				t.Errorf("%d subjects and %d exchanges stay behind", len(r.index), len(r.all))
			}
		})
	}
}

// The owner's own session is nobody's guest: a change of shares leaves it
// alone.
func TestTheOwnersOwnSessionIsNoGuest(t *testing.T) {
	r := newRig()
	x := r.Open(t.Context(), Info{Server: lab})
	d := allowedAt(0)
	d.Relation, d.Interactive = authz.Owner, true
	x.Admit(bob, &d)
	hub := r.Open(t.Context(), Info{}) // not decided at all
	hub.Free()
	for _, s := range []authz.Subject{{Kind: authz.AboutGuests, Name: "alice", Server: "lab"}, {Kind: authz.AboutEveryGuest}} {
		if got := r.Concerned([]authz.Subject{s}); len(got) != 0 {
			t.Errorf("%d exchanges are found among %s, want none", len(got), s)
		}
	}
	if got := r.Concerned([]authz.Subject{{Kind: authz.AboutEveryone}}); len(got) != 1 || got[0] != x {
		t.Errorf("%d exchanges are found for everyone, want the owner's", len(got))
	}
}

// TestEveryGuestIsIndexedNowhere: thousands would stand there, and each end of
// one would be looked up in it.
func TestEveryGuestIsIndexedNowhere(t *testing.T) {
	r := newRig()
	r.open(t, Socket)
	if got := len(r.index[authz.Subject{Kind: authz.AboutEveryGuest}]); got != 0 {
		t.Errorf("%d exchanges are indexed, want none", got)
	}
}

// randomDecision is about few names, so that they meet.
func randomDecision(server authz.Server) *authz.Decision {
	d := &authz.Decision{Allow: rand.IntN(8) > 0, Interactive: rand.IntN(3) == 0, Server: server}
	if rand.IntN(8) > 0 {
		d.Answer = &authz.Answer{
			Kind: authz.Kind(rand.IntN(3)), Name: authz.User(randomName()), Session: randomName(),
		}
		for range rand.IntN(4) {
			d.Answer.Groups = append(d.Answer.Groups, randomName())
		}
	}
	return d
}

func randomName() string { return []string{"", "a", "b", "c"}[rand.IntN(4)] }

func randomServer() authz.Server {
	return authz.Server{Owner: authz.User(randomName()), Name: authz.ServerName(randomName())}
}

// model is the table without an index.
type model map[*Exchange][]authz.Subject

func (m model) place(x *Exchange, d *authz.Decision) {
	m[x] = nil
	for s := range d.Subjects {
		if s.Kind != authz.AboutDenied {
			m[x] = append(m[x], s)
		}
	}
}

func (m model) concerned(subjects []authz.Subject) map[*Exchange]bool {
	found := make(map[*Exchange]bool)
	for x, depends := range m {
		if slices.ContainsFunc(depends, func(s authz.Subject) bool { return slices.Contains(subjects, s) }) {
			found[x] = true
		}
	}
	return found
}

func (m model) any() *Exchange {
	for x := range m {
		return x
	}
	return nil
}

func TestTheIndexFindsWhatASearchFinds(t *testing.T) {
	r, m := newRig(), make(model)
	for step := range 30_000 {
		x := m.any()
		switch op := rand.IntN(10); {
		case op < 3 && len(m) < 40:
			server := randomServer()
			x = r.Open(t.Context(), Info{Server: server})
			m.place(x, &authz.Decision{Server: server})
		case x == nil:
			continue
		case op < 7:
			d := randomDecision(x.Server)
			x.Admit(bob, d)
			m.place(x, d)
		case op == 7:
			x.Cut(ErrRevoked)
			delete(m, x)
		case op == 8:
			x.End()
			delete(m, x)
		}
		var subjects []authz.Subject
		for range rand.IntN(4) {
			for s := range randomDecision(randomServer()).Subjects {
				subjects = append(subjects, s)
			}
		}
		got, want := r.Concerned(subjects), m.concerned(subjects)
		if len(got) != len(want) || slices.ContainsFunc(got, func(x *Exchange) bool { return !want[x] }) {
			t.Fatalf("step %d: %d exchanges are concerned by %v, want %d", step, len(got), subjects, len(want))
		}
		if len(r.All()) != len(m) {
			t.Fatalf("step %d: %d exchanges live, want %d", step, len(r.All()), len(m))
		}
	}
	for x := range m {
		x.End()
	}
	if len(r.index) != 0 || len(r.all) != 0 {
		t.Errorf("%d subjects and %d exchanges stay behind", len(r.index), len(r.all))
	}
}

func TestNothingBeginsAfterClose(t *testing.T) {
	r := newRig()
	before := r.open(t, Socket)
	r.Close(ErrShutdown)
	x := r.Open(t.Context(), Info{Server: lab})
	if !errors.Is(x.Cause(), ErrShutdown) || !errors.Is(context.Cause(x.Context()), ErrShutdown) {
		t.Errorf("an exchange that came after Close has the causes %v and %v", x.Cause(), context.Cause(x.Context()))
	}
	d := allowedAt(0)
	x.Admit(bob, &d)
	if x.Release(d) {
		t.Error("its gate was opened")
	}
	if got := r.All(); len(got) != 1 || got[0] != before {
		t.Errorf("%d exchanges live, want the one that was there before", len(got))
	}
	if !before.Open() {
		t.Error("Close closed what had begun before")
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	r := newRig()
	if err := r.Wait(t.Context()); err != nil {
		t.Fatalf("waiting for nothing returned %v", err)
	}
	a, b := r.open(t, Request), r.open(t, Socket)
	r.Close(ErrShutdown)
	gaveUp, cancel := context.WithCancelCause(t.Context())
	cancel(ErrHoldLimit)
	if err := r.Wait(gaveUp); !errors.Is(err, ErrHoldLimit) {
		t.Errorf("a context that ended gave %v", err)
	}
	a.End()
	b.End()
}

func TestWaitReturnsWhenTheLastOneIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a, b := r.open(t, Request), r.open(t, Socket)
		r.Close(ErrShutdown)
		waited := make(chan error, 2)
		for range 2 {
			go func() { waited <- r.Wait(context.Background()) }()
		}
		synctest.Wait()
		a.End()
		synctest.Wait()
		if len(waited) != 0 {
			t.Fatal("Wait returned before the last one was gone")
		}
		b.Cut(ErrShutdown)
		for range 2 {
			if err := <-waited; err != nil {
				t.Errorf("Wait returned %v", err)
			}
		}
	})
}

func TestAHoldOfManyHoldsEachOfThem(t *testing.T) {
	r := newRig()
	for range 100 {
		r.open(t, Socket)
	}
	other := r.Open(t.Context(), Info{Server: authz.Server{Owner: "carol"}})
	other.Free()
	held := r.Concerned([]authz.Subject{{Kind: authz.AboutServer, Name: "alice", Server: "lab"}})
	r.Hold(held, 7)
	if len(held) != 100 || slices.ContainsFunc(held, (*Exchange).Open) {
		t.Errorf("%d exchanges are concerned, and not all are held", len(held))
	}
	if !other.Open() {
		t.Error("an exchange that is not concerned was held")
	}
}
