package head

import "strings"

// The names that rules are about. They are written in lower case with dashes;
// one that ends in a dash stands for all that begin with it.
var (
	// hopNames end at this hop (RFC 9110 section 7.6.1), in requests and in
	// answers. Trailers are not passed on, so neither is what announces or
	// asks for them.
	hopNames = []string{"connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization",
		"te", "trailer", "transfer-encoding", "upgrade", "http2-settings"}

	// deadNames are what no peer may say: Proxy becomes HTTP_PROXY in CGI
	// programs, the others make a program behind act on another method or
	// target than the one that was judged. The last is ours.
	deadNames = []string{"proxy", "x-http-method-override", "x-method-override", "x-http-method",
		"x-original-url", "x-original-uri", "x-original-method", "x-rewrite-url", "x-rewrite-uri", "share-proxy-"}

	// forwardingNames are what only a trusted peer may say about the client.
	forwardingNames = []string{"forwarded", "x-real-ip", "x-scheme", "x-client-ip", "x-cluster-client-ip", "true-client-ip",
		"x-forwarded", "x-forwarded-", "x-envoy-"}

	// chainNames are the forwarding fields to which every hop adds its own.
	chainNames = []string{"x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"}

	// judgedNames have other spellings that mean nothing here, but that a
	// program behind may take for the name.
	judgedNames = []string{"content-length", "sec-fetch-mode", "sec-fetch-site", "sec-websocket-"}

	// originNames have an effect that is not confined to the page they came
	// with. Set-Cookie2 is a second door to cookies, and share-proxy is ours
	// to say.
	originNames = []string{"clear-site-data", "alt-svc", "alt-used", "strict-transport-security", "nel", "report-to",
		"reporting-endpoints", "public-key-pins", "public-key-pins-report-only", "origin-agent-cluster", "expect-ct",
		"accept-ch", "accept-ch-lifetime", "critical-ch", "set-login", "use-as-dictionary",
		"sec-session-registration", "secure-session-registration", "sec-session-challenge", "secure-session-challenge",
		"set-cookie2", "share-proxy-"}
)

// among reports whether a field's name, as the laxest program behind would
// read it, is in a table: without regard to case, with dashes for underscores
// (CGI) and dots (PHP).
func among(table []string, name string) bool {
	for _, word := range table {
		if len(name) == len(word) && reads(name, word) ||
			len(name) > len(word) && word[len(word)-1] == '-' && reads(name[:len(word)], word) {
			return true
		}
	}
	return false
}

// reads compares a name with a word of the same length.
func reads(name, word string) bool {
	for i := range len(word) {
		c := lower(name[i])
		if c == '_' || c == '.' {
			c = '-'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// isRespelled reports whether a name has an underscore or a dot, which no
// standard field has.
func isRespelled(name string) bool { return strings.ContainsAny(name, "_.") }
