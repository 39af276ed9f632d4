package route

import (
	"context"
	"errors"
	"maps"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// background runs a Shared and returns what ends it.
func background(s *Shared) (end func()) {
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	return func() {
		stop()
		running.Wait()
	}
}

// wantTold checks what the log was told since the last time.
func wantTold(t *testing.T, log *fakeLog, want ...map[string]int64) {
	t.Helper()
	synctest.Wait()
	log.mu.Lock()
	defer log.mu.Unlock()
	same := len(log.told) == len(want)
	for i := 0; same && i < len(want); i++ {
		same = maps.Equal(log.told[i], want[i])
	}
	if !same {
		t.Errorf("the log was told %v, want %v", log.told, want)
	}
	log.told = nil
}

func TestOthersAreToldWhatRoseSinceTheLastTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, log := newShared(false)
		x := post(t, s, "/x", "http://a:1", alices)
		post(t, s, "/y", "http://a:1", alices)
		end := background(s)
		none := map[string]int64{}
		wantTold(t, log, none) // at once; the time of a post is in the record

		at := start.Add(time.Hour)
		x.Touch(at)
		time.Sleep(tellEvery)
		wantTold(t, log, map[string]int64{"/x": at.UnixMilli()})

		post(t, s, "/x", "http://a:1", alices) // posted again at an earlier time
		time.Sleep(tellEvery)
		wantTold(t, log, none)

		log.fail(errors.New("away"))
		x.Touch(at.Add(time.Second))
		time.Sleep(tellEvery)
		wantTold(t, log, map[string]int64{"/x": at.UnixMilli() + 1000})
		log.fail(nil)
		time.Sleep(tellEvery)
		wantTold(t, log, map[string]int64{"/x": at.UnixMilli() + 1000}) // once more

		x.Touch(at.Add(2 * time.Second))
		end()
		wantTold(t, log, map[string]int64{"/x": at.UnixMilli() + 2000})
	})
}

func TestPostingAgainIsActivityThatOthersKnow(t *testing.T) {
	s, _, log := newShared(false)
	first := post(t, s, "/x", "http://a:1", alices)
	later := start.Truncate(time.Millisecond).Add(time.Minute)
	again, err := New("/x", "http://a:1", first.Data, later)
	if err == nil {
		err = s.Add(t.Context(), again)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !first.LastActivity().Equal(later) {
		t.Errorf("activity = %v, want %v", first.LastActivity(), later)
	}
	if s.All(t.Context()); len(log.told) != 1 || len(log.told[0]) != 0 {
		t.Errorf("the log was told %v, but the record says it", log.told)
	}
}

func TestTimesOfOthersAreTakenInAndNotToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, log := newShared(false)
		time.Sleep(time.Until(start))
		x := post(t, s, "/x", "http://a:1", alices)
		now := x.LastActivity().Add(time.Second)
		x.Touch(now)
		log.others = map[string]int64{"/x": now.UnixMilli() + 5000, "/gone": now.UnixMilli()}
		s.All(t.Context())
		if want := now.Add(5 * time.Second); !x.LastActivity().Equal(want) {
			t.Errorf("activity = %v, want %v, the others'", x.LastActivity(), want)
		}
		wantTold(t, log, map[string]int64{"/x": now.UnixMilli()})
		log.others = map[string]int64{"/x": now.UnixMilli() - 5000}
		s.All(t.Context())
		wantTold(t, log, map[string]int64{})
		if want := now.Add(5 * time.Second); !x.LastActivity().Equal(want) {
			t.Errorf("an older time turned the activity back to %v", x.LastActivity())
		}
	})
}

func TestTimesThatCannotBeAreNotTakenIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, log := newShared(false)
		time.Sleep(time.Until(start)) // the route was posted now
		x := post(t, s, "/x", "http://a:1", alices)
		before := x.LastActivity()
		for _, ms := range []int64{math.MaxInt64, math.MinInt64, -1, 0, time.Now().Add(maxAhead + time.Second).UnixMilli()} {
			log.others = map[string]int64{"/x": ms}
			if s.All(t.Context()); x.LastActivity() != before {
				t.Errorf("a time of %d ms made the activity %v", ms, x.LastActivity())
			}
		}
	})
}
