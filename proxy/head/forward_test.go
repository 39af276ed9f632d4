package head

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

var (
	stranger = Peer{Addr: netip.MustParseAddr("192.0.2.7")}
	balancer = Peer{Addr: netip.MustParseAddr("10.0.0.1"), Trusted: true}
)

func TestForwardRemoves(t *testing.T) {
	tests := []struct {
		name    string
		field   Field
		trusted bool // a trusted peer's passes
		forged  bool // counts as a forgery from others
	}{
		{"hop: Connection", Field{"Connection", "keep-alive"}, false, false},
		{"hop: Keep-Alive", Field{"Keep-Alive", "5"}, false, false},
		{"hop: Proxy-Connection", Field{"Proxy-Connection", "x"}, false, false},
		{"hop: Proxy-Authorization", Field{"Proxy-Authorization", "Basic x"}, false, false},
		{"hop: TE", Field{"TE", "trailers"}, false, false},
		{"B21: Trailer", Field{"Trailer", "Authorization"}, false, false},
		{"hop: Transfer-Encoding", Field{"Transfer-Encoding", "chunked"}, false, false},
		{"D01: HTTP2-Settings", Field{"HTTP2-Settings", "x"}, false, false},
		{"C19: Proxy", Field{"Proxy", "http://evil"}, false, false},
		{"B28: method override", Field{"X-HTTP-Method-Override", "DELETE"}, false, false},
		{"B28: its twins", Field{"X-Method-Override", "DELETE"}, false, false},
		{"B28: X_HTTP_Method", Field{"X_HTTP_Method", "DELETE"}, false, false},
		{"C05: X-Original-URL", Field{"X-Original-URL", "/"}, false, false},
		{"C08: X-Original-URI", Field{"X-Original-URI", "/healthz"}, false, false},
		{"C05: X-Rewrite-URL", Field{"X-Rewrite-URL", "/"}, false, false},
		{"C01: our own", Field{"Share-Proxy-Cut", "done"}, false, false},
		{"C05: Forwarded", Field{"Forwarded", "for=9.9.9.9"}, true, true},
		{"C05: X-Real-IP", Field{"X-Real-IP", "9.9.9.9"}, true, true},
		{"C06: X-Scheme", Field{"X-Scheme", "https"}, true, true},
		{"C08: X-Forwarded-Uri", Field{"X-Forwarded-Uri", "/healthz"}, true, true},
		{"C05: X-Forwarded-Prefix", Field{"X-Forwarded-Prefix", "/x"}, true, true},
		{"C01: X-Forwarded-User", Field{"X-Forwarded-User", "alice"}, true, true},
		{"C05: X-Forwarded", Field{"X-Forwarded", "for=9.9.9.9"}, true, true},
		{"C05: X-Client-IP", Field{"X-Client-IP", "9.9.9.9"}, true, true},
		{"C05: X-Cluster-Client-IP", Field{"X-Cluster-Client-IP", "9.9.9.9"}, true, true},
		{"C05: True-Client-IP", Field{"True-Client-IP", "9.9.9.9"}, true, true},
		{"C08: X-Original-Method", Field{"X-Original-Method", "GET"}, false, false},
		{"C05: X-Rewrite-URI", Field{"X-Rewrite-URI", "/"}, false, false},
		{"hop: Proxy-Authenticate", Field{"Proxy-Authenticate", "Basic"}, false, false},
		{"C02: Sec_Fetch_Site", Field{"Sec_Fetch_Site", "same-origin"}, false, false},
		{"C02: Sec_WebSocket_Key", Field{"Sec_WebSocket_Key", "x"}, false, false},
		{"C05: X-Envoy", Field{"X-Envoy-Original-Path", "/x"}, true, true},
		{"C02: underscores", Field{"X_Forwarded_User", "alice"}, false, false},
		{"C02: mixed case", Field{"x-FORWARDED_user", "alice"}, false, false},
		{"C02: dots", Field{"X.Forwarded.For", "9.9.9.9"}, false, false},
		{"C02: X_Real_IP", Field{"X_Real_IP", "9.9.9.9"}, false, false},
		{"C02: Content_Length", Field{"Content_Length", "9"}, false, false},
		{"C02: Transfer.Encoding", Field{"Transfer.Encoding", "chunked"}, false, false},
		{"C02: Sec_Fetch_Mode", Field{"Sec_Fetch_Mode", "websocket"}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, p := range []Peer{stranger, balancer} {
				out, forged := Forward(request(tt.field), p)
				if got, want := slices.Contains(out, tt.field), p.Trusted && tt.trusted; got != want {
					t.Errorf("trusted %v: passes %v, want %v", p.Trusted, got, want)
				}
				if want := !p.Trusted && tt.forged; forged != want {
					t.Errorf("trusted %v: forged %v, want %v", p.Trusted, forged, want)
				}
			}
		})
	}
}

func TestC20FieldsThatTheServerNeedsSurvive(t *testing.T) {
	h := request()
	for _, name := range strings.Fields(`Origin Referer X-XSRFToken Sec-Fetch-Site Sec-Fetch-Mode Sec-Fetch-Dest Range If-Match
		If-None-Match If-Modified-Since If-Range Accept-Encoding Cookie Authorization Content-Length Content-Type User-Agent
		X_Custom x.custom X-Request-ID Expect`) {
		h = append(h, Field{name, "v\t\"" + name})
	}
	for _, p := range []Peer{stranger, balancer} {
		out, forged := Forward(h, p)
		if forged || len(out) < len(h) || !slices.Equal(out[:len(h)], h) {
			t.Errorf("got %q, want all of %q first", out, h)
		}
	}
	if out, _ := Forward(request(), stranger); out.Has("Accept-Encoding") {
		t.Error("C21: Accept-Encoding was added")
	}
}

func TestForwardedFields(t *testing.T) {
	from := Head{{"X-Forwarded-For", "9.9.9.9"}, {"x-forwarded-for", "8.8.8.8"}, {"X-Forwarded-Port", "443"}, {"X-Forwarded-Proto", "https"}, {"X-Forwarded-Host", "evil"}}
	tls := stranger
	tls.TLS = true
	tests := []struct {
		name                   string
		head                   Head
		peer                   Peer
		addr, port, pro, hosts string
	}{
		{"C05: fresh for strangers", request(from...), stranger, "192.0.2.7", "8000", "http", "hub.example:8000"},
		{"the default port", append(Head{{"Host", "hub.example"}}, from...), stranger, "192.0.2.7", "80", "http", "hub.example"},
		{"the default port with TLS", append(Head{{"Host", "[::1]"}}, from...), tls, "192.0.2.7", "443", "https", "[::1]"},
		{"appended for trusted peers", request(from...), balancer, "9.9.9.9,8.8.8.8,10.0.0.1", "443,8000", "https,http", "evil"},
		{"set where a trusted peer said nothing", request(), balancer, "10.0.0.1", "8000", "http", "hub.example:8000"},
		{"ws, and no host", append(handshake("", ""), from...), stranger, "192.0.2.7", "8000", "ws", ""},
		{"wss", handshake("", ""), tls, "192.0.2.7", "8000", "wss", ""},
		{"appended ws", append(handshake("", ""), from...), balancer, "9.9.9.9,8.8.8.8,10.0.0.1", "443,8000", "https,ws", "evil"},
		{"an IPv4 address in IPv6", request(), Peer{Addr: netip.MustParseAddr("::ffff:192.0.2.7")}, "192.0.2.7", "8000", "http", "hub.example:8000"},
		{"a peer without an address", request(from...), Peer{}, "", "8000", "http", "hub.example:8000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, _ := Forward(tt.head, tt.peer)
			for name, want := range map[string]string{"X-Forwarded-For": tt.addr, "X-Forwarded-Port": tt.port, "X-Forwarded-Proto": tt.pro, "X-Forwarded-Host": tt.hosts} {
				if got := strings.Join(slices.Collect(out.Values(name)), " and "); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestForwardKeepsTheHandshake(t *testing.T) {
	out, _ := Forward(handshake("", ""), stranger)
	if !WebSocket(out) || !slices.Equal(slices.Collect(out.list("Connection")), []string{"Upgrade"}) || statusOf(t, Refuse("GET", "HTTP/1.1", out)) != 0 {
		t.Errorf("got %q, want a handshake that would pass again", out)
	}
	if out, _ := Forward(request(Field{"Connection", "upgrade"}), stranger); out.Has("Connection") || out.Has("Upgrade") {
		t.Errorf("got %q, want no upgrade where none was asked for", out)
	}
}

func TestC09ClientIsTheRightmostUntrustedHop(t *testing.T) {
	trusted := func(a netip.Addr) bool { return netip.MustParsePrefix("10.0.0.0/8").Contains(a) }
	tests := []struct{ peer, chain, want string }{
		{"192.0.2.7", "9.9.9.9", "192.0.2.7"},
		{"10.0.0.1", "", "10.0.0.1"},
		{"10.0.0.1", "9.9.9.9, 198.51.100.4", "198.51.100.4"},
		{"10.0.0.1", "9.9.9.9, 198.51.100.4,10.0.0.2", "198.51.100.4"},
		{"10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"},
		{"10.0.0.1", "9.9.9.9, unknown", "10.0.0.1"},
		{"::ffff:10.0.0.1", "::ffff:10.0.0.2, 2001:db8::1, ::ffff:10.0.0.3", "2001:db8::1"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.peer, " says ", tt.chain), func(t *testing.T) {
			h := Head{{"X-Forwarded-For", tt.chain}}
			if got := Client(h, netip.MustParseAddr(tt.peer), trusted); got.String() != tt.want {
				t.Errorf("got %v, want %s", got, tt.want)
			}
		})
	}
}
