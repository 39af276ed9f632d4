package head

import "strings"

// Limits on what is looked at. Each is far above what browsers and Jupyter
// clients send, and low enough that a hostile head costs little.
const (
	// maxFields bounds the number of header lines; browsers send about 20.
	maxFields = 200
	// maxCookies bounds the pairs of all Cookie lines together. Browsers keep
	// at most 180 cookies per site. More is refused and not read as "none":
	// who sends too many is not anonymous.
	maxCookies = 500
	// maxToken bounds a credential, in bytes. The Hub's own tokens have 30 to
	// 64; the room is for JSON web tokens.
	maxToken = 8 << 10
)

// Refusal is the error of a request that no server may see. It is a final
// answer of the proxy, not a failure to decide.
type Refusal struct {
	Status int    // the HTTP status to answer with: 400, 405, 426, 431, 501 or 505
	Reason string // one constant phrase, safe to send and to log
	Fields Head   // what the answer must say besides, such as Allow; shared, not to be changed
}

// Error returns the reason. Nothing of the request is in it.
func (r *Refusal) Error() string { return r.Reason }

func refuse(status int, reason string) error { return &Refusal{Status: status, Reason: reason} }

// Refuse says whether a request must be answered by the proxy alone, whoever
// sends it: nil lets it go on, every other error is a *Refusal. The method,
// the protocol ("HTTP/1.1") and the head are those of the message as
// received. What an engine hides (net/http removes Transfer-Encoding and
// deletes a Content-Length beside it) it has to put back, or to refuse itself.
func Refuse(method, proto string, h Head) error {
	for _, rule := range []func(method, proto string, h Head) error{
		refuseLine, refuseFields, refuseHost, refuseFraming, refuseConnection, refuseCredentials, refuseUpgrade,
	} {
		if err := rule(method, proto, h); err != nil {
			return err
		}
	}
	return nil
}

// refuseLine looks at the request line without its target.
func refuseLine(method, proto string, _ Head) error {
	if proto != "HTTP/1.1" && proto != "HTTP/1.0" {
		return refuse(505, "protocol version not supported")
	}
	switch {
	case registered(method):
		return nil
	case method == "CONNECT" || method == "TRACE" || method == "TRACK":
		// The first would make a tunnel, the others echo credentials.
		return &Refusal{Status: 405, Reason: "method not allowed", Fields: allow}
	case method == "PRI" || !isToken(method):
		return refuse(400, "malformed request line")
	}
	return refuse(501, "method not known")
}

// allow goes with a 405, as RFC 9110 section 15.5.6 wants.
var allow = Head{{"Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}}

// registered reports whether a method is in IANA's registry and may pass: the
// ones of RFC 9110 and RFC 5789, WebDAV and its relatives (RFC 3253, 3648,
// 3744, 4437, 4791, 4918, 5323, 5842), which servers behind Jupyter offer,
// and QUERY. Methods are case-sensitive.
func registered(method string) bool {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "QUERY",
		"PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK",
		"SEARCH", "REPORT", "MKCALENDAR", "ACL", "BIND", "UNBIND", "REBIND",
		"LINK", "UNLINK", "ORDERPATCH", "MKREDIRECTREF", "UPDATEREDIRECTREF",
		"VERSION-CONTROL", "CHECKOUT", "CHECKIN", "UNCHECKOUT", "MKWORKSPACE",
		"UPDATE", "LABEL", "MERGE", "BASELINE-CONTROL", "MKACTIVITY":
		return true
	}
	return false
}

// refuseFields looks at number and characters of the fields.
func refuseFields(_, _ string, h Head) error {
	if len(h) > maxFields {
		return refuse(431, "too many header fields")
	}
	for _, f := range h {
		if !isToken(f.Name) {
			return refuse(400, "malformed header name")
		}
		if hasControl(f.Value) {
			return refuse(400, "control character in a header")
		}
	}
	return nil
}

// refuseFraming looks at what says where the body ends: two readers that
// disagree on it would see two different requests (RFC 9112 section 6.3).
func refuseFraming(_, proto string, h Head) error {
	lengths, codings := h.Count("Content-Length"), h.Count("Transfer-Encoding")
	switch {
	case lengths > 0 && codings > 0:
		return refuse(400, "both Content-Length and Transfer-Encoding")
	case lengths > 1:
		return refuse(400, "repeated Content-Length")
	case lengths == 1 && !isLength(h.Get("Content-Length")):
		return refuse(400, "malformed Content-Length")
	case codings > 0 && proto == "HTTP/1.0":
		return refuse(400, "Transfer-Encoding in HTTP/1.0")
	case codings > 1:
		return refuse(400, "repeated Transfer-Encoding")
	case codings == 1 && !equalFold(h.Get("Transfer-Encoding"), "chunked"):
		return refuse(501, "transfer coding not supported")
	}
	return nil
}

// isLength accepts digits only, and no more of them than an int64 surely
// holds.
func isLength(s string) bool {
	return s != "" && len(s) <= 18 && strings.Trim(s, "0123456789") == ""
}

// hasBody reports whether a request announces a body.
func hasBody(h Head) bool {
	return h.Has("Transfer-Encoding") || strings.Trim(h.Get("Content-Length"), "0") != ""
}

// refuseConnection refuses a Connection field that names other fields: a hop
// would have to delete them, and with them the credential or the origin that
// was judged. What clients really send is close, keep-alive, upgrade and te.
func refuseConnection(_, _ string, h Head) error {
	for token := range h.list("Connection") {
		switch {
		case equalFold(token, "close"), equalFold(token, "keep-alive"), equalFold(token, "upgrade"), equalFold(token, "te"):
		default:
			return refuse(400, "Connection names other headers")
		}
	}
	return nil
}

// refuseCredentials refuses what makes it unclear which credential the server
// would use. tornado joins repeated lines with a comma, others take the first
// or the last.
func refuseCredentials(_, _ string, h Head) error {
	switch {
	case h.Count("Authorization") > 1:
		return refuse(400, "repeated Authorization")
	case h.Count("Sec-Fetch-Mode") > 1:
		return refuse(400, "repeated Sec-Fetch-Mode")
	case len(h.Get("Authorization")) > maxToken:
		return refuse(431, "Authorization too long")
	case modeIsWebSocket(h) && hasBody(h):
		// With this mode the server reads an argument named token, and tornado
		// takes arguments from a form in the body too, those last. No browser
		// sends a body with a handshake.
		return refuse(400, "body in a WebSocket handshake")
	}
	pairs := 0
	for line := range h.Values("Cookie") {
		pairs += 1 + strings.Count(line, ";")
	}
	if pairs > maxCookies {
		return refuse(400, "too many cookies")
	}
	return nil
}
