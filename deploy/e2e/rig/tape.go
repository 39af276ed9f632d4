package rig

import (
	"regexp"
	"strconv"
	"sync"
	"time"
)

// Tape keeps the numbered, stamped lines that a source emitted and a client received.
//
// A source emits lines "T<number> <nanoseconds>\n": its own clock, which is the client's, for all run on one machine. What
// counts as sent too late is decided by when a line was emitted, not by when it was read: bytes that the proxy wrote in time may
// still lie in the client's own buffers.
type Tape struct {
	mu      sync.Mutex
	rest    string
	numbers []int
	stamps  []int64
	read    []time.Time
}

var tick = regexp.MustCompile(`T(\d+) (\d+)\r?\n`)

// Take appends text as it was received; lines may be cut anywhere between two calls.
func (t *Tape) Take(text string) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rest += text
	end := 0
	for _, m := range tick.FindAllStringSubmatchIndex(t.rest, -1) {
		number, _ := strconv.Atoi(t.rest[m[2]:m[3]])
		stamp, _ := strconv.ParseInt(t.rest[m[4]:m[5]], 10, 64)
		t.numbers, t.stamps, t.read = append(t.numbers, number), append(t.stamps, stamp), append(t.read, now)
		end = m[1]
	}
	t.rest = t.rest[end:]
	if len(t.rest) > 4096 { // a line is far shorter: what is kept cannot be the beginning of one
		t.rest = t.rest[len(t.rest)-256:]
	}
}

// Count returns how many lines were received.
func (t *Tape) Count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.numbers)
}

// LastStamp returns when the youngest received line was emitted.
func (t *Tape) LastStamp() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	var last int64
	for _, stamp := range t.stamps {
		last = max(last, stamp)
	}
	return time.Unix(0, last)
}

// Missing returns how many numbers between the first and the last received line are not there.
func (t *Tape) Missing() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.numbers) == 0 {
		return 0
	}
	seen := map[int]bool{}
	first, last := t.numbers[0], t.numbers[0]
	for _, n := range t.numbers {
		seen[n] = true
		first, last = min(first, n), max(last, n)
	}
	return last - first + 1 - len(seen)
}

// EmittedAfter returns how many of the received lines were emitted after a moment.
func (t *Tape) EmittedAfter(moment time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, stamp := range t.stamps {
		if stamp > moment.UnixNano() {
			n++
		}
	}
	return n
}

// PassedBetween returns how many lines were emitted after one moment and received before another: what got through meanwhile.
func (t *Tape) PassedBetween(emittedAfter, readBefore time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for i, stamp := range t.stamps {
		if stamp > emittedAfter.UnixNano() && t.read[i].Before(readBefore) {
			n++
		}
	}
	return n
}

// LongestPause returns the longest time between two received lines.
func (t *Tape) LongestPause() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	var longest time.Duration
	for i := 1; i < len(t.read); i++ {
		longest = max(longest, t.read[i].Sub(t.read[i-1]))
	}
	return longest
}
