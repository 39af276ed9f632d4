package proxy

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
)

// Close codes (RFC 6455 section 7.4.1 and IANA's registry).
const (
	closeGoingAway      = 1001
	closeUnsupported    = 1003
	closePolicy         = 1008
	closeServiceRestart = 1012
	closeTryLater       = 1013
)

// maxReason is the longest reason of a close frame.
const maxReason = maxControl - 2

// closing says how a WebSocket is told why it ends.
func (v *visit) closing(cause error) (code int, reason string) {
	switch {
	case errors.Is(cause, live.ErrRevoked), errors.Is(cause, live.ErrSignedOut):
		text := "Your access to this server has ended."
		if errors.Is(cause, live.ErrSignedOut) {
			text = "You are signed out."
		}
		if v.isRoom() {
			return closeUnsupported, roomReason(text)
		}
		return closePolicy, text
	case errors.Is(cause, live.ErrHoldLimit):
		return closeTryLater, "Access could not be checked."
	case errors.Is(cause, live.ErrShutdown):
		return closeServiceRestart, "The proxy restarts."
	default:
		return closeGoingAway, "The server has stopped."
	}
}

// isRoom reports whether the socket is a document room of
// jupyter-collaboration, whose client understands 1003 with a JSON reason
// alone: with 1008 it tries again for ever and says nothing.
func (v *visit) isRoom() bool {
	below := strings.TrimPrefix(v.target.Upstream(v.consumed), v.prefix())
	return strings.HasPrefix(below, "api/collaboration/room/")
}

// roomReason is the reason that the client of a document room shows in a
// dialog (jupyter-collaboration, yprovider.ts). It is reloadable: the dialog
// then has a button that loads the page anew, which ends everything that the
// tab tries again and leads to the page that says what happened. Any other
// dialog leaves the tab open on a server that nobody answers for.
func roomReason(text string) string {
	b, err := json.Marshal(struct {
		Reason      string `json:"reason"`
		Reloadable  bool   `json:"reloadable"`
		ErrorReason string `json:"errorReason"`
	}{"", true, text})
	if err != nil || len(b) > maxReason {
		return ""
	}
	return string(b)
}

// closePayload is the payload of a close frame. A client that finds half a
// character in it would tell of a fault (RFC 6455 section 8.1).
func closePayload(code int, reason string) []byte {
	reason = strings.ToValidUTF8(reason[:min(len(reason), maxReason)], "")
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
}
