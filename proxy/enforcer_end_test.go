package proxy

import "testing"

// TestNothingBeginsAfterTheEnd: entries of other replicas are applied as long as
// the log is not left, which is later than the end of the questions.
func TestNothingBeginsAfterTheEnd(t *testing.T) {
	e := &enforcer{}
	goOn, done := make(chan struct{}), false
	if !e.begin(func() { <-goOn; done = true }) {
		t.Fatal("nothing begins before the end")
	}
	close(goOn)
	e.end()
	if !done {
		t.Error("the end came before what had begun was done")
	}
	if e.begin(func() { t.Error("it ran") }) {
		t.Error("something began after the end")
	}
}
