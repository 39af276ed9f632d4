package target

import (
	"errors"
	"fmt"
)

var (
	// ErrAmbiguous is wrapped by the errors for targets on which two readers
	// could disagree, and for those that are none. The answer is 400.
	ErrAmbiguous = errors.New("ambiguous request target")

	// ErrTooLong is wrapped by the errors for targets of too many bytes or
	// segments. The answer is 414.
	ErrTooLong = errors.New("request target too long")
)

// One value for each reason: nothing is allocated for a refusal, and nothing of
// the target can get into a log through it.
var (
	errForm         = fmt.Errorf("%w: neither a path nor an http URL", ErrAmbiguous)
	errAuthority    = fmt.Errorf("%w: authority is not the Host", ErrAmbiguous)
	errEmptySegment = fmt.Errorf("%w: empty segment", ErrAmbiguous)
	errDots         = fmt.Errorf("%w: dot segment", ErrAmbiguous)
	errBackslash    = fmt.Errorf("%w: backslash", ErrAmbiguous)
	errControl      = fmt.Errorf("%w: control character or space", ErrAmbiguous)
	errFragment     = fmt.Errorf("%w: fragment", ErrAmbiguous)
	errEscape       = fmt.Errorf("%w: malformed escape", ErrAmbiguous)
	errLength       = fmt.Errorf("%w: too many bytes", ErrTooLong)
	errSegments     = fmt.Errorf("%w: too many segments", ErrTooLong)
)

// checkRaw refuses bytes that may stand unescaped neither in a path nor in a
// query. Bytes from 0x80 on are opaque: some clients do not escape them.
func checkRaw(c byte) error {
	switch {
	case c <= ' ' || c == 0x7f:
		return errControl
	case c == '#':
		return errFragment
	}
	return nil
}

// checkEscaped refuses bytes that may not be written as an escape in a path
// either: a reader that decodes, cuts at NUL or CR, or takes "\" for "/", would
// see another path.
func checkEscaped(c byte) error {
	switch {
	case c < ' ' || c == 0x7f:
		return errControl
	case c == '\\':
		return errBackslash
	}
	return nil
}
