package fault

import "bytes"

// swap replaces a text by another one of the same length in a stream. The zero
// swap replaces nothing.
type swap struct{ from, to []byte }

// apply replaces in place, and returns what may be passed on, and how many
// bytes at the end have to wait for the next ones: they may be the beginning of
// the text. Behind the last chunk nothing waits.
func (s swap) apply(chunk []byte, last bool) (ready []byte, kept int) {
	if len(s.from) == 0 {
		return chunk, 0
	}
	for i := 0; ; i += len(s.to) {
		next := bytes.Index(chunk[i:], s.from)
		if next < 0 {
			break
		}
		i += next
		copy(chunk[i:], s.to)
	}
	if last {
		return chunk, 0
	}
	for kept = min(len(s.from)-1, len(chunk)); kept > 0; kept-- {
		if bytes.HasPrefix(s.from, chunk[len(chunk)-kept:]) {
			break
		}
	}
	return chunk[:len(chunk)-kept], kept
}
