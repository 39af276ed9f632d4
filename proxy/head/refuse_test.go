package head

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// request is a head that passes, with more fields behind it.
func request(more ...Field) Head {
	return append(Head{{"Host", "hub.example:8000"}, {"Accept", "*/*"}}, more...)
}

// handshake is a WebSocket handshake that passes (the key of RFC 6455), with
// one field changed or, when the value is "-", taken out.
func handshake(name, value string) Head {
	h := request(Field{"Connection", "keep-alive, Upgrade"}, Field{"Upgrade", "websocket"},
		Field{"Sec-WebSocket-Version", "13"}, Field{"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="})
	if name == "" {
		return h
	}
	h = h.Without(name)
	if value != "-" {
		h = append(h, Field{name, value})
	}
	return h
}

func TestRefuse(t *testing.T) {
	tests := []struct {
		name          string
		method, proto string
		head          Head
		want          int // 0: passes
	}{
		{"a plain request passes", "GET", "HTTP/1.1", request(), 0},
		{"S03: a POST with a body passes", "POST", "HTTP/1.1", request(Field{"Content-Length", "4"}), 0},
		{"a chunked POST passes", "POST", "HTTP/1.1", request(Field{"Transfer-Encoding", "Chunked"}), 0},
		{"B01: both lengths", "POST", "HTTP/1.1", request(Field{"Content-Length", "4"}, Field{"Transfer-Encoding", "chunked"}), 400},
		{"B02: a transfer coding in HTTP/1.0", "POST", "HTTP/1.0", request(Field{"Transfer-Encoding", "chunked"}), 400},
		{"B03: two lengths", "POST", "HTTP/1.1", request(Field{"Content-Length", "4"}, Field{"Content-Length", "5"}), 400},
		{"B04: a length with a sign", "POST", "HTTP/1.1", request(Field{"Content-Length", "+4"}), 400},
		{"B04: a list of lengths", "POST", "HTTP/1.1", request(Field{"Content-Length", "4, 4"}), 400},
		{"B04: a length of 2^64", "POST", "HTTP/1.1", request(Field{"Content-Length", "18446744073709551616"}), 400},
		{"B04: an empty length", "POST", "HTTP/1.1", request(Field{"Content-Length", ""}), 400},
		{"B05: an odd coding", "POST", "HTTP/1.1", request(Field{"Transfer-Encoding", "xchunked"}), 501},
		{"B05: a list of codings", "POST", "HTTP/1.1", request(Field{"Transfer-Encoding", "gzip, chunked"}), 501},
		{"B05: the coding twice", "POST", "HTTP/1.1", request(Field{"Transfer-Encoding", "chunked"}, Field{"Transfer-Encoding", "chunked"}), 400},
		{"B09: NUL in a value", "GET", "HTTP/1.1", request(Field{"X-A", "a\x00b"}), 400},
		{"B09: CR in a value", "GET", "HTTP/1.1", request(Field{"X-A", "a\rb"}), 400},
		{"DEL in a value", "GET", "HTTP/1.1", request(Field{"X-A", "a\x7fb"}), 400},
		{"a tab in a value passes", "GET", "HTTP/1.1", request(Field{"X-A", "a\tb"}), 0},
		{"UTF-8 in a value passes", "GET", "HTTP/1.1", request(Field{"X-A", "秀樹"}), 0},
		{"B06: a blank in a name", "GET", "HTTP/1.1", request(Field{"X-A ", "b"}), 400},
		{"a nameless field", "GET", "HTTP/1.1", request(Field{"", "b"}), 400},
		{"B13: Host missing", "GET", "HTTP/1.1", Head{{"Accept", "*/*"}}, 400},
		{"a health check in HTTP/1.0 without Host passes", "GET", "HTTP/1.0", Head{}, 0},
		{"B13: Host twice", "GET", "HTTP/1.1", request(Field{"host", "hub.example:8000"}), 400},
		{"B15: HTTP/2 preface", "PRI", "HTTP/2.0", Head{}, 505},
		{"B15: its method in HTTP/1.1", "PRI", "HTTP/1.1", request(), 400},
		{"B16: unknown minor version", "GET", "HTTP/1.9", request(), 505},
		{"B18: CONNECT", "CONNECT", "HTTP/1.1", request(), 405},
		{"B19: TRACE", "TRACE", "HTTP/1.1", request(), 405},
		{"B19: TRACK", "TRACK", "HTTP/1.1", request(), 405},
		{"B20: lower-case method", "get", "HTTP/1.1", request(), 501},
		{"B20: invented method", "FOO", "HTTP/1.1", request(), 501},
		{"a method with a blank", "GET ", "HTTP/1.1", request(), 400},
		{"C04: Connection names Cookie", "GET", "HTTP/1.1", request(Field{"Connection", "close, Cookie"}), 400},
		{"C04: a second Connection line names Authorization", "GET", "HTTP/1.1", request(Field{"Connection", "close"}, Field{"Connection", "authorization"}), 400},
		{"C04: the legal tokens pass", "GET", "HTTP/1.1", request(Field{"Connection", "Keep-Alive, TE"}, Field{"Connection", "close,, upgrade"}), 0},
		{"C13: two Authorization lines", "GET", "HTTP/1.1", request(Field{"Authorization", "token a"}, Field{"authorization", "token a"}), 400},
		{"two Sec-Fetch-Mode lines", "GET", "HTTP/1.1", request(Field{"Sec-Fetch-Mode", "cors"}, Field{"Sec-Fetch-Mode", "websocket"}), 400},
		{"a body where ?token= is read", "POST", "HTTP/1.1", request(Field{"Sec-Fetch-Mode", "websocket"}, Field{"Content-Length", "7"}), 400},
		{"an empty body where ?token= is read passes", "GET", "HTTP/1.1", request(Field{"Sec-Fetch-Mode", "websocket"}, Field{"Content-Length", "0"}), 0},
		{"G10: oversized token", "GET", "HTTP/1.1", request(Field{"Authorization", "token " + strings.Repeat("a", 1<<20)}), 431},
		{"J06: too many fields", "GET", "HTTP/1.1", request(make(Head, maxFields)...), 431},
		{"too many cookies are not anonymous", "GET", "HTTP/1.1", request(Field{"Cookie", strings.Repeat("a=b; ", maxCookies)}), 400},
		{"many cookies pass", "GET", "HTTP/1.1", request(Field{"Cookie", strings.Repeat("a=b; ", maxCookies-1)}), 0},
		{"too many cookies over several lines", "GET", "HTTP/1.1", request(Field{"Cookie", strings.Repeat("a=b; ", maxCookies-1)}, Field{"Cookie", "c=d"}), 400},
		{"S04: a handshake passes", "GET", "HTTP/1.1", handshake("", ""), 0},
		{"a handshake in other case passes", "GET", "HTTP/1.1", handshake("Upgrade", "WebSocket"), 0},
		{"D01: h2c", "GET", "HTTP/1.1", handshake("Upgrade", "h2c"), 400},
		{"D02: a list of protocols", "GET", "HTTP/1.1", handshake("Upgrade", "websocket, h2c"), 400},
		{"D02: two Upgrade lines", "GET", "HTTP/1.1", append(handshake("", ""), Field{"Upgrade", "websocket"}), 400},
		{"D02: another protocol", "GET", "HTTP/1.1", handshake("Upgrade", "TLS/1.0"), 400},
		{"D02: an empty Upgrade", "GET", "HTTP/1.1", handshake("Upgrade", ""), 400},
		{"D03: upgrade on POST", "POST", "HTTP/1.1", handshake("", ""), 400},
		{"D03: upgrade with a body", "GET", "HTTP/1.1", append(handshake("", ""), Field{"Content-Length", "3"}), 400},
		{"D03: upgrade with a chunked body", "GET", "HTTP/1.1", append(handshake("", ""), Field{"Transfer-Encoding", "chunked"}), 400},
		{"D03: upgrade in HTTP/1.0", "GET", "HTTP/1.0", handshake("", ""), 400},
		{"Upgrade without Connection", "GET", "HTTP/1.1", handshake("Connection", "keep-alive"), 400},
		{"D04: version 12", "GET", "HTTP/1.1", handshake("Sec-WebSocket-Version", "12"), 426},
		{"D04: no version", "GET", "HTTP/1.1", handshake("Sec-WebSocket-Version", "-"), 426},
		{"D04: two versions", "GET", "HTTP/1.1", append(handshake("", ""), Field{"Sec-WebSocket-Version", "13"}), 426},
		{"D04: no key", "GET", "HTTP/1.1", handshake("Sec-WebSocket-Key", "-"), 400},
		{"D04: a short key", "GET", "HTTP/1.1", handshake("Sec-WebSocket-Key", "dGhlIHNhbXBsZQ=="), 400},
		{"D04: a key that is not base64", "GET", "HTTP/1.1", handshake("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ"), 400},
		{"D04: two keys", "GET", "HTTP/1.1", append(handshake("", ""), Field{"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}), 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := statusOf(t, Refuse(tt.method, tt.proto, tt.head)); got != tt.want {
				t.Errorf("status: got %d, want %d", got, tt.want)
			}
		})
	}
}

func statusOf(t *testing.T, err error) int {
	t.Helper()
	var r *Refusal
	if err != nil && !errors.As(err, &r) {
		t.Fatalf("error is %T, want *Refusal", err)
	}
	if r == nil {
		return 0
	}
	if r.Reason == "" || r.Error() != r.Reason {
		t.Errorf("a refusal needs a reason: %+v", r)
	}
	return r.Status
}

func TestB20RegisteredMethodsPass(t *testing.T) {
	for _, m := range strings.Fields("GET HEAD POST PUT DELETE OPTIONS PATCH PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK SEARCH REPORT MKCALENDAR ACL BIND") {
		if err := Refuse(m, "HTTP/1.1", request()); err != nil {
			t.Errorf("%s: got %v, want it to pass", m, err)
		}
	}
}

func TestRefusedHosts(t *testing.T) {
	tests := []struct {
		host string
		ok   bool
	}{
		{"hub.example", true}, {"hub.example:8000", true}, {"a_b.example", true}, {"127.0.0.1:1", true},
		{"[::1]", true}, {"[::1]:8000", true}, {"xn--hub-9na.example:65535", true}, {"hub.example.", true},
		{"", false}, {"a,b", false}, {"x:99999", false}, {"x:0", false}, {"x:", false}, {"x:-1", false}, {"x:+80", false},
		{"good:1:2", false}, {"[::1%25a]", false}, {"[::1%a]", false}, {"[127.0.0.1]", false}, {"[::1", false}, {"::1", false},
		{"u:p@good", false}, {"a b", false}, {"a/b", false}, {"é.example", false}, {":80", false}, {"[]", false},
		{strings.Repeat("a", 254), false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("B13 B14 Host %.30q", tt.host), func(t *testing.T) {
			if err := Refuse("GET", "HTTP/1.1", Head{{"Host", tt.host}}); (err == nil) != tt.ok {
				t.Errorf("got %v, want pass %v", err, tt.ok)
			}
		})
	}
}

func TestRefusalsSayWhatTheProtocolWants(t *testing.T) {
	var r *Refusal
	if !errors.As(Refuse("GET", "HTTP/1.1", handshake("Sec-WebSocket-Version", "8")), &r) || r.Fields.Get("Sec-WebSocket-Version") != "13" {
		t.Errorf("426: got %+v, want the version that we speak", r)
	}
	if !errors.As(Refuse("TRACE", "HTTP/1.1", request()), &r) || !strings.Contains(r.Fields.Get("Allow"), "GET") {
		t.Errorf("405: got %+v, want Allow", r)
	}
}

func TestD07SwitchedTo(t *testing.T) {
	answer := func(upgrade, connection, accept string) Head {
		return Head{{"Upgrade", upgrade}, {"Connection", connection}, {"Sec-WebSocket-Accept", accept}}
	}
	const accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" // RFC 6455 section 1.3
	tests := []struct {
		name   string
		answer Head
		want   bool
	}{
		{"the right answer", answer("websocket", "Upgrade", accept), true},
		{"another case of it", answer("WebSocket", "keep-alive, upgrade", accept), true},
		{"D07: a wrong accept value", answer("websocket", "Upgrade", "s3pPLMBiTxaQ9kYGzzhZRbK+xOp="), false},
		{"D07: no accept value", answer("websocket", "Upgrade", accept).Without("Sec-WebSocket-Accept"), false},
		{"D07: two accept values", append(answer("websocket", "Upgrade", accept), Field{"Sec-WebSocket-Accept", "x"}), false},
		{"D08: another protocol", answer("h2c", "Upgrade", accept), false},
		{"no Connection", answer("websocket", "close", accept), false},
	}
	for _, tt := range tests {
		if got := SwitchedTo(handshake("", ""), tt.answer); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	if SwitchedTo(request(), answer("websocket", "Upgrade", acceptOf(""))) {
		t.Error("D06: a 101 that nobody asked for was accepted")
	}
}
