package authz

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// still is a world in which no time passes, for benchmarks.
type still struct{ answer Answer }

func (s still) Ask(context.Context, Token) (Answer, error) { return s.answer, nil }
func (still) Applied() Seq                                 { return 7 }
func (still) Fresh() Instant                               { return Instant(time.Hour) }

func stillAuthorizer(tb testing.TB) *Authorizer {
	tb.Helper()
	s := still{guest("access:servers!user=bob", shared)}
	clock := func() Instant { return Instant(time.Hour) }
	a := NewAuthorizer(context.Background(), Options{
		Hub: s, Lease: s, Clock: clock, Rule: defaults, Budget: NewBudget(clock, 50),
	})
	tb.Cleanup(a.Close)
	if d, err := a.Decide(tb.Context(), bobs); err != nil || !d.Allow {
		tb.Fatalf("decision %+v, %v", d, err)
	}
	// An entry about somebody else: the usual state of a hub in use.
	a.Touch(8, Subject{Kind: AboutUser, Name: "carol"})
	return a
}

func manyScopes(n int) *Answer {
	a := guest()
	for i := range n {
		a.Access = append(a.Access, fmt.Sprintf("access:servers!server=owner%d/lab", i))
	}
	a.Access = append(a.Access, shared)
	return &a
}

func TestDecidingFromMemoryAllocatesNothing(t *testing.T) {
	a, ctx := stillAuthorizer(t), t.Context()
	answer := manyScopes(20)
	d := Decide(answer, alices)
	for name, f := range map[string]func(){
		"Decide":            func() { d = Decide(answer, alices) },
		"Current":           func() { a.Current(&d) },
		"Young":             func() { a.Young(&d) },
		"Authorizer.Decide": func() { _, _ = a.Decide(ctx, bobs) },
		"Decide for nobody": func() { d = Decide(nil, alices) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{1, 20, 1000} {
		b.Run(fmt.Sprint(n, "-shares"), func(b *testing.B) {
			answer := manyScopes(n)
			b.ReportAllocs()
			for b.Loop() {
				Decide(answer, alices)
			}
		})
	}
}

func BenchmarkAuthorizerHit(b *testing.B) {
	a := stillAuthorizer(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := a.Decide(b.Context(), bobs); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkCurrent(b *testing.B) {
	a := stillAuthorizer(b)
	d, err := a.Decide(b.Context(), bobs)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if a.Current(&d) {
				continue
			}
			b.Error("not current")
		}
	})
}
