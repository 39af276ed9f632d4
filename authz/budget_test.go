package authz

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// budgeted runs test with a budget on a bubble's clock.
func budgeted(t *testing.T, perSecond int, test func(t *testing.T, b *Budget)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		test(t, NewBudget(func() Instant { return Instant(time.Since(start)) }, perSecond))
	})
}

// granted counts how many of n questions have their turn within d.
func granted(b *Budget, n int, d time.Duration, p Payer) int {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	var mu sync.Mutex
	var all sync.WaitGroup
	count := 0
	for range n {
		all.Go(func() {
			if b.Wait(ctx, p) == nil {
				mu.Lock()
				defer mu.Unlock()
				count++
			}
		})
	}
	all.Wait()
	return count
}

func TestARevocationOfManyDoesNotWait(t *testing.T) {
	budgeted(t, 10, func(t *testing.T, b *Budget) {
		granted(b, 20, time.Nanosecond, Payer{Cause: CauseRecheck, User: "bob"}) // used up
		granted(b, 200, time.Nanosecond, Payer{Client: "192.0.2.1"})
		p := Payer{Cause: CauseRevocation, User: "bob", Client: "192.0.2.1"}
		if n := granted(b, reserved+100, time.Nanosecond, p); n != reserved {
			t.Errorf("%d at once, want the reserve of %d", n, reserved)
		}
		<-time.After(10 * time.Second)
		if n := granted(b, reserved, time.Nanosecond, p); n < 100 || n > 110 {
			t.Errorf("%d at once after 10 s, want 100 of the reserve and a turn's burst of 10 at most", n)
		}
	})
}

// TestRevocationsWithoutEndTakeTurns: somebody who changes his shares all the
// time has his guests asked about in turn, and nobody else's wait for them.
func TestRevocationsWithoutEndTakeTurns(t *testing.T) {
	budgeted(t, 50, func(t *testing.T, b *Budget) {
		flood := Payer{Cause: CauseRevocation, User: "guest of a flooder"}
		granted(b, reserved+50, time.Nanosecond, flood)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 5000 {
			all.Go(func() { _ = b.Wait(ctx, flood) })
		}
		synctest.Wait()
		start := time.Now()
		for _, cause := range []Cause{CauseRecheck, CauseRevocation} {
			if err := b.Wait(t.Context(), Payer{Cause: cause, User: "bob"}); err != nil || time.Since(start) > time.Second {
				t.Errorf("cause %d: %v after %s, want a turn soon", cause, err, time.Since(start))
			}
		}
		cancel()
		all.Wait()
	})
}

func TestRechecksShareARate(t *testing.T) {
	budgeted(t, 50, func(t *testing.T, b *Budget) {
		p := Payer{Cause: CauseRecheck, User: "bob"}
		if n := granted(b, 1000, time.Nanosecond, p); n != 50 {
			t.Errorf("%d at once, want a burst of 50", n)
		}
		if n := granted(b, 1000, 10*time.Second+time.Millisecond, p); n < 495 || n > 500 {
			t.Errorf("%d in 10 s, want 500", n)
		}
		if got := b.Deferred(); got != 1950 {
			t.Errorf("%d were counted as deferred, want 1950", got)
		}
		if len(b.waiting) != 0 {
			t.Errorf("%d who left are still in line", len(b.waiting))
		}
	})
}

func TestWhoWaitsTooLongIsToldSo(t *testing.T) {
	budgeted(t, 0, func(t *testing.T, b *Budget) {
		late := errors.New("late")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, late)
		defer cancel()
		err := b.Wait(ctx, Payer{Cause: CauseRecheck, User: "bob"})
		if !errors.Is(err, ErrBudget) || !errors.Is(err, late) {
			t.Errorf("error %v, want ErrBudget and the context's cause", err)
		}
	})
}

func TestUsersTakeTurns(t *testing.T) {
	budgeted(t, 1, func(t *testing.T, b *Budget) {
		granted(b, 1, time.Nanosecond, Payer{Cause: CauseRecheck, User: "x"})
		order := make(chan User, 7)
		var all sync.WaitGroup
		join := func(user User) {
			all.Go(func() {
				if err := b.Wait(t.Context(), Payer{Cause: CauseRecheck, User: user}); err != nil {
					t.Error(err)
				}
				order <- user // one a second: never two at a time
			})
			synctest.Wait()
		}
		for range 4 {
			join("a") // came first, with many credentials
		}
		join("b")
		join("c")
		join("b")
		all.Wait()
		close(order)
		got := ""
		for user := range order {
			got += string(user)
		}
		if want := "abcabaa"; got != want {
			t.Errorf("order %s, want %s", got, want)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.served) != 0 {
			t.Errorf("%d users are remembered without a line", len(b.served))
		}
	})
}

func TestUnknownTokensArePaidForByTheirAddress(t *testing.T) {
	budgeted(t, 50, func(t *testing.T, b *Budget) {
		guesser, class := Payer{Client: "192.0.2.1"}, Payer{Client: "192.0.2.2"}
		if n := granted(b, 1000, time.Nanosecond, guesser); n != 100 {
			t.Errorf("%d at once, want a burst of 100", n)
		}
		if n := granted(b, 100, time.Nanosecond, class); n != 100 {
			t.Errorf("%d of another address, want all 100", n)
		}
		if n := granted(b, 1000, 2*time.Second+time.Millisecond, guesser); n != 20 {
			t.Errorf("%d in 2 s, want 20", n)
		}
		if n := granted(b, 100, time.Nanosecond, Payer{Cause: CauseRecheck, User: "bob"}); n != 50 {
			t.Errorf("%d re-checks beside it, want 50", n)
		}
	})
}

func TestALineOfStrangersHasAnEnd(t *testing.T) {
	budgeted(t, 50, func(t *testing.T, b *Budget) {
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		var all sync.WaitGroup
		refused := 0
		for range 10_000 {
			all.Go(func() {
				if err := b.Wait(ctx, Payer{Client: "192.0.2.1"}); errors.Is(err, ErrBudget) && ctx.Err() == nil {
					mu.Lock()
					defer mu.Unlock()
					refused++
				}
			})
		}
		synctest.Wait()
		if refused != 10_000-unknownBurst-unknownLine {
			t.Errorf("%d were refused at once, want all but the burst and the line: %d", refused, 10_000-unknownBurst-unknownLine)
		}
		cancel()
		all.Wait()
		// Who left gave his place back.
		if n := granted(b, 100, 5*time.Second+time.Millisecond, Payer{Client: "192.0.2.1"}); n != 50 {
			t.Errorf("%d in 5 s after the line was left, want 50", n)
		}
	})
}

func TestAddressesAreForgottenBeyondABound(t *testing.T) {
	budgeted(t, 50, func(t *testing.T, b *Budget) {
		for i := range 2 * maxClients {
			if err := b.Wait(t.Context(), Payer{Client: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(b.clients); n > maxClients {
			t.Errorf("%d addresses are remembered, want at most %d", n, maxClients)
		}
	})
}

func TestWhoPays(t *testing.T) {
	known, nobody := &Answer{Kind: KindUser, Name: "bob"}, &Answer{}
	for _, tt := range []struct {
		name    string
		before  *Answer
		cause   Cause
		session string
		want    Payer
	}{
		{"a token seen first", nil, CauseFirst, "", Payer{Cause: CauseFirst}},
		{"with a session of the Hub", nil, CauseFirst, "s1", Payer{Cause: CauseFirst, Client: "session s1 from 192.0.2.1"}},
		{"with a session that nobody named", nil, CauseFirst, "s9", Payer{Cause: CauseFirst}},
		{"a known token", known, CauseFirst, "", Payer{Cause: CauseRecheck, User: "bob"}},
		{"a known token in the background", known, CauseRecheck, "", Payer{Cause: CauseRecheck, User: "bob"}},
		{"a known token after an entry", known, CauseRevocation, "", Payer{Cause: CauseRevocation, User: "bob"}},
		{"a stranger's again", nobody, CauseFirst, "", Payer{Cause: CauseFirst}},
		{"a stranger's in the background", nobody, CauseRecheck, "", Payer{Cause: CauseFirst}},
	} {
		a := &Authorizer{sessions: map[string]struct{}{"s1": {}}}
		if tt.want.Client == "" {
			tt.want.Client = "192.0.2.1"
		}
		if got := a.payer(tt.before, Question{Cause: tt.cause, Session: tt.session, Client: "192.0.2.1"}); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
