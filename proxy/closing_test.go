package proxy

import (
	"context"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/target"
)

// TestEachCauseHasItsCloseCode: what JupyterLab's sockets understand, by cause
// and path.
func TestEachCauseHasItsCloseCode(t *testing.T) {
	const (
		kernel = "/user/alice/api/kernels/1/channels"
		room   = "/user/alice/api/collaboration/room/json:notebook:1b2c"
		ended  = "Your access to this server has ended."
	)
	for _, tt := range []struct {
		name     string
		cause    error
		path     string
		consumed int
		code     int
		reason   string
	}{
		{"revoked", live.ErrRevoked, kernel, 2, 1008, ended},
		{"signed out", live.ErrSignedOut, kernel, 2, 1008, "You are signed out."},
		{"revoked, document room", live.ErrRevoked, room, 2, 1003, `{"reason":"","reloadable":true,"errorReason":"` + ended + `"}`},
		{"signed out, document room", live.ErrSignedOut, room, 2, 1003, `{"reason":"","reloadable":true,"errorReason":"You are signed out."}`},
		{"revoked, document room below a named server and a base URL", live.ErrRevoked, "/base/user/alice/two" + strings.TrimPrefix(room, "/user/alice"), 4, 1003,
			`{"reason":"","reloadable":true,"errorReason":"` + ended + `"}`},
		{"revoked, a user named in need of escapes", live.ErrRevoked, "/user/has%40" + strings.TrimPrefix(room, "/user/alice"), 2, 1003,
			`{"reason":"","reloadable":true,"errorReason":"` + ended + `"}`},
		{"revoked, the rooms' name elsewhere", live.ErrRevoked, "/user/alice/files/api/collaboration/room/x", 2, 1008, ended},
		{"revoked, awareness is no document", live.ErrRevoked, "/user/alice/api/collaboration/roomy", 2, 1008, ended},
		{"hold limit", live.ErrHoldLimit, kernel, 2, 1013, "Access could not be checked."},
		{"hold limit, document room", live.ErrHoldLimit, room, 2, 1013, "Access could not be checked."},
		{"shutdown", live.ErrShutdown, kernel, 2, 1012, "The proxy restarts."},
		{"server stopped", live.ErrServerStopped, kernel, 2, 1001, "The server has stopped."},
		{"anything else", context.Canceled, kernel, 2, 1001, "The server has stopped."},
		{"wrapped", errors.Join(live.ErrRevoked), kernel, 2, 1008, ended},
	} {
		t.Run(tt.name, func(t *testing.T) {
			where, err := target.Parse(tt.path, "")
			if err != nil {
				t.Fatal(err)
			}
			v := &visit{target: where, consumed: tt.consumed}
			code, reason := v.closing(tt.cause)
			if code != tt.code || reason != tt.reason {
				t.Errorf("%d %q, want %d %q", code, reason, tt.code, tt.reason)
			}
			if len(reason) > 123 {
				t.Errorf("a reason of %d bytes: RFC 6455 section 5.5 allows 123", len(reason))
			}
		})
	}
}

// TestAReasonFitsIntoAControlFrame: also one that is too long.
func TestAReasonFitsIntoAControlFrame(t *testing.T) {
	long := strings.Repeat("é", 100)
	for _, reason := range []string{"", "short", long, "x" + long} {
		p := closePayload(closePolicy, reason)
		if len(p) > maxControl || p[0] != 0x03 || p[1] != 0xF0 {
			t.Errorf("payload of %d bytes beginning %x, want 1008 and at most %d", len(p), p[:2], maxControl)
		}
		if !utf8.Valid(p[2:]) || !strings.HasPrefix(reason, string(p[2:])) {
			t.Errorf("reason %q, want the beginning of %q", p[2:], reason)
		}
	}
	if got := roomReason(long); got != "" {
		t.Errorf("a room's reason %q, want none where half of the JSON would be cut off", got)
	}
}
