package head

import (
	"crypto/sha1"
	"encoding/base64"
)

// WebSocket reports whether a request asks for a WebSocket. It is meant for
// heads that Refuse let pass; there, a request with any Upgrade is a complete
// handshake.
func WebSocket(h Head) bool {
	return h.Count("Upgrade") == 1 && equalFold(h.Get("Upgrade"), "websocket")
}

// refuseUpgrade lets only a complete WebSocket handshake (RFC 6455 section
// 4.2.1) ask for another protocol: everything else that an upstream agrees to
// would be a tunnel past every rule.
func refuseUpgrade(method, proto string, h Head) error {
	if !h.Has("Upgrade") {
		return nil
	}
	key, err := base64.StdEncoding.Strict().DecodeString(h.Get("Sec-WebSocket-Key"))
	switch {
	case !WebSocket(h):
		return refuse(400, "upgrade to another protocol than websocket")
	case method != "GET" || proto != "HTTP/1.1" || hasBody(h):
		return refuse(400, "malformed WebSocket handshake")
	case !h.lists("Connection", "upgrade"):
		return refuse(400, "Upgrade without Connection: upgrade")
	case h.Count("Sec-WebSocket-Version") != 1 || h.Get("Sec-WebSocket-Version") != "13":
		return &Refusal{Status: 426, Reason: "WebSocket version not supported", Fields: version13}
	case h.Count("Sec-WebSocket-Key") != 1 || err != nil || len(key) != 16:
		return refuse(400, "malformed Sec-WebSocket-Key")
	}
	return nil
}

// version13 goes with a 426: RFC 6455 section 4.4, RFC 9110 section 15.5.22.
var version13 = Head{{"Sec-WebSocket-Version", "13"}, {"Upgrade", "websocket"}, {"Connection", "Upgrade"}}

// SwitchedTo reports whether a 101 answers this handshake: websocket and
// nothing else, with the accept value that belongs to the request's key (RFC
// 6455 section 4.2.2). No byte may be tunnelled otherwise.
func SwitchedTo(request, answer Head) bool {
	return WebSocket(request) && WebSocket(answer) && answer.lists("Connection", "upgrade") &&
		answer.Count("Sec-WebSocket-Accept") == 1 && answer.Get("Sec-WebSocket-Accept") == acceptOf(request.Get("Sec-WebSocket-Key"))
}

func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
