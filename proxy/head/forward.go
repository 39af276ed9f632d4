package head

import "net/netip"

// Peer is whoever holds the other end of the client's connection.
type Peer struct {
	Addr    netip.Addr // the address of the connection; the zero Addr when there is none (a Unix socket)
	Trusted bool       // its forwarding fields are believed
	TLS     bool       // the connection to us is encrypted
}

// Forward returns the head that goes upstream, whatever the upstream is: the
// hop's own fields are gone, fields that try to speak for this proxy are gone,
// and the X-Forwarded fields are set. forged reports that a forwarding field
// was dropped because the peer is not trusted, which is what a load balancer
// that was not configured looks like.
//
// All else stays byte for byte and in order, Host above all: Jupyter's checks
// of Origin compare with it. A WebSocket handshake keeps its upgrade. Forward
// expects a head that Refuse let pass; for a user server Keep comes first.
func Forward(h Head, p Peer) (out Head, forged bool) {
	ws := WebSocket(h)
	out = make(Head, 0, len(h)+6)
	for _, f := range h {
		switch {
		case among(hopNames, f.Name), among(deadNames, f.Name):
		case isRespelled(f.Name) && (among(forwardingNames, f.Name) || among(judgedNames, f.Name)):
			// No balancer sends these to be believed, so they count as
			// forged from nobody.
		case !among(forwardingNames, f.Name):
			out = append(out, f)
		case !p.Trusted:
			forged = true
		case !among(chainNames, f.Name):
			out = append(out, f)
		}
	}
	if ws {
		out = append(out, Field{"Connection", "Upgrade"}, Field{"Upgrade", "websocket"})
	}
	return appendForwarded(out, h, p, ws), forged
}

// appendForwarded sets the X-Forwarded fields as configurable-http-proxy does:
// a trusted peer's values get ours behind a bare comma, the host is only set
// where there is none, and not for WebSockets.
func appendForwarded(out, h Head, p Peer, ws bool) Head {
	chain := func(name, own string) {
		value := ""
		for v := range h.Values(name) {
			if p.Trusted && v != "" {
				value += v + ","
			}
		}
		out = append(out, Field{name, value + own})
	}
	if p.Addr.IsValid() {
		chain("X-Forwarded-For", p.Addr.Unmap().WithZone("").String())
	}
	chain("X-Forwarded-Port", portOf(h.Get("Host"), p.TLS))
	chain("X-Forwarded-Proto", protoOf(p.TLS, ws))
	if host := h.Get("Host"); !ws && host != "" && !(p.Trusted && h.Has("X-Forwarded-Host")) {
		out = append(out, Field{"X-Forwarded-Host", host})
	}
	return out
}

// portOf is the port that the client named, else the default one.
func portOf(host string, tls bool) string {
	if _, port := splitHost(host); len(port) > 1 {
		return port[1:]
	}
	if tls {
		return "443"
	}
	return "80"
}

func protoOf(tls, ws bool) string {
	switch {
	case tls && ws:
		return "wss"
	case tls:
		return "https"
	case ws:
		return "ws"
	}
	return "http"
}

// Client returns the address on whose behalf a request came: the right-most
// hop of X-Forwarded-For that is not trusted, or the peer itself when it is
// not. Everything to the left of that hop was written by strangers. An entry
// that is no address ends the walk at the hop that reported it.
func Client(h Head, peer netip.Addr, trusted func(netip.Addr) bool) netip.Addr {
	var hops []string
	for e := range h.list("X-Forwarded-For") {
		hops = append(hops, e)
	}
	client := peer.Unmap()
	for i := len(hops) - 1; i >= 0 && trusted(client); i-- {
		addr, err := netip.ParseAddr(hops[i])
		if err != nil {
			return client
		}
		client = addr.Unmap()
	}
	return client
}
