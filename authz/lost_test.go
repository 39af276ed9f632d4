package authz

import (
	"testing"
	"time"
)

// TestALostQuestionFailsOnlyThoseWhoCameWithIt: the Hub was away, is back, and
// has never seen the question that is still waited for.
func TestALostQuestionFailsOnlyThoseWhoCameWithIt(t *testing.T) {
	in(t, func(w *world) {
		w.hub.holdBack()
		first := w.begin(bobs)
		time.Sleep(2 * time.Second)
		soon := w.begin(bobs)
		w.hub.set(func(h *fakeHub) { h.hold, h.delay = nil, time.Second }) // back, for new questions
		time.Sleep(4 * time.Second)
		late := w.begin(bobs)
		w.wantAsked(1, "while it is waited for")
		w.want(<-first, unknown, "who raised the question")
		w.want(<-soon, unknown, "who came soon after")
		r := <-late
		w.want(r, yes, "who came late")
		if want := askLimit - 6*time.Second + time.Second; r.took != want {
			t.Errorf("took %v, want %v: the rest of the lost question, and one that is answered", r.took, want)
		}
		w.wantAsked(1, "after it")
	})
}

// TestAHangingHubIsWaitedForOnceMore at most.
func TestAHangingHubIsWaitedForOnceMore(t *testing.T) {
	in(t, func(w *world) {
		w.hub.holdBack()
		first := w.begin(bobs)
		time.Sleep(6 * time.Second)
		late := w.begin(bobs)
		w.want(<-first, unknown, "who raised the question")
		r := <-late
		w.want(r, unknown, "who came late")
		if want := 4*time.Second + askLimit; r.took != want {
			t.Errorf("took %v, want %v", r.took, want)
		}
		w.wantAsked(2, "in all")
	})
}
