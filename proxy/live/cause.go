package live

import "errors"

// Why an exchange ended. They are the causes of its context: compare with
// errors.Is on context.Cause.
var (
	// ErrRevoked: the Hub no longer lets the credential use the server.
	ErrRevoked = errors.New("access revoked")
	// ErrSignedOut: the Hub no longer knows the credential.
	ErrSignedOut = errors.New("credential ended")
	// ErrServerStopped: the server's route is gone.
	ErrServerStopped = errors.New("server stopped")
	// ErrHoldLimit: no decision could be had for too long.
	ErrHoldLimit = errors.New("held too long")
	// ErrShutdown: the program ends.
	ErrShutdown = errors.New("shutting down")
	// ErrEnded: the exchange ended by itself.
	ErrEnded = errors.New("ended")
)

// errHeld is what a write that does not wait gets from a held gate.
var errHeld = errors.New("held")

// CauseName returns the name of a cause in logs and metrics: a closed set.
func CauseName(cause error) string {
	for _, c := range []struct {
		err  error
		name string
	}{
		{ErrRevoked, "revoked"},
		{ErrSignedOut, "signed_out"},
		{ErrServerStopped, "server_stopped"},
		{ErrHoldLimit, "hold_limit"},
		{ErrShutdown, "shutdown"},
	} {
		if errors.Is(cause, c.err) {
			return c.name
		}
	}
	return "ended"
}
