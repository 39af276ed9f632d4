package ledger_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/redistest"
)

// What a replica asks of Redis, on the same machine.
func BenchmarkRedis(b *testing.B) {
	server := redistest.Start(b, redistest.Options{})
	benchmarkStore(b, openStore(b, "redis://"+server.Addr))
}

// The same, with one of two replicas confirming.
func BenchmarkRedisBehindSentinels(b *testing.B) {
	set := redistest.StartSentinels(b, redistest.Options{})
	benchmarkStore(b, openStore(b, set.URL("")))
}

func benchmarkStore(b *testing.B, s ledger.Store) {
	const routes = 5000
	sealed := bytes.Repeat([]byte("x"), 300)
	c := ledger.Creation{Incarnation: "inc", Records: make(map[string][]byte)}
	for i := range routes {
		c.Records[fmt.Sprint("route/", i)] = sealed
	}
	if err := s.Create(b.Context(), c); err != nil {
		b.Fatal(err)
	}
	regular := ledger.Turn{Incarnation: "inc", Member: "m1", Name: "here", Joined: true, Limit: 256, Announce: true}
	b.Run("regular turn", func(b *testing.B) {
		for b.Loop() {
			v, err := s.Turn(b.Context(), regular)
			if err != nil {
				b.Fatal(err)
			}
			regular.At = v.Head
		}
	})
	b.Run("append", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			regular.Append = []ledger.Append{{ID: fmt.Sprint("e", i), Sealed: sealed, Touched: []string{"bob", "server"}}}
			v, err := s.Turn(b.Context(), regular)
			if err != nil || !v.Appended {
				b.Fatalf("%+v, %v", v, err)
			}
			regular.At = v.Head
		}
	})
	b.Run("keep an answer", func(b *testing.B) {
		a := ledger.SharedAnswer{Incarnation: "inc", At: regular.At.Number, Touched: []string{"bob", "session"}, Key: "k", Sealed: sealed, TTL: 60_000}
		for b.Loop() {
			if err := s.StoreAnswer(b.Context(), a); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read an answer", func(b *testing.B) {
		for b.Loop() {
			if got, err := s.Answer(b.Context(), "inc", "k"); err != nil || got == nil {
				b.Fatalf("%q, %v", got, err)
			}
		}
	})
	b.Run(fmt.Sprint("load ", routes, " records"), func(b *testing.B) {
		for b.Loop() {
			if got, err := s.Records(b.Context(), "inc"); err != nil || len(got) != routes {
				b.Fatalf("%d, %v", len(got), err)
			}
		}
	})
}
