package ledger

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/redistest"
)

func TestTheNumberOfNodesOnlyGrows(t *testing.T) {
	found := 0
	n := nodes{look: func(context.Context) (int, error) { return found, nil }}
	for _, step := range []struct {
		found, replicas int
		known           bool
	}{{0, 0, false}, {3, 1, true}, {1, 1, true}, {0, 1, true}, {5, 2, true}} {
		found = step.found
		if err := n.learn(t.Context()); err != nil {
			t.Fatal(err)
		}
		if replicas, known := n.replicas(); replicas != step.replicas || known != step.known {
			t.Errorf("after %d nodes: %d replicas, known %v; want %d, %v", found, replicas, known, step.replicas, step.known)
		}
	}
}

// A node that is added while the program runs counts soon.
func TestNodesAreCountedAgain(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	r, err := OpenRedis("redis://"+server.Addr, time.Second, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	looked := make(chan struct{}, 10)
	r.nodes.look = func(context.Context) (int, error) {
		looked <- struct{}{}
		return 1, nil
	}
	turns := func(what string) {
		t.Helper()
		for range 3 {
			if _, err := r.Turn(t.Context(), Turn{}); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
	turns("first")
	<-looked
	r.looking.Wait()
	turns("right after")
	r.looking.Wait()
	if len(looked) > 1 { // the first turn looks twice at most: it has to know, and it is time
		t.Errorf("%d looks within a moment", len(looked))
	}
	for len(looked) > 0 {
		<-looked
	}
	r.nodes.asked = time.Now().Add(-lookAgain)
	turns("later")
	r.looking.Wait()
	if len(looked) != 1 {
		t.Errorf("%d looks after %v, want 1", len(looked), lookAgain)
	}
}

func TestWaitTimeIsLessThanTheCallerHas(t *testing.T) {
	for left, want := range map[time.Duration][2]int64{
		200 * time.Millisecond: {70, 80}, time.Second: {800, 880}, 40 * time.Millisecond: {5, 10}, -time.Second: {1, 1},
	} {
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(left))
		if got := waitTime(ctx); got < want[0] || got > want[1] {
			t.Errorf("with %v left replicas have %d ms, want %d to %d", left, got, want[0], want[1])
		}
		cancel()
	}
}
