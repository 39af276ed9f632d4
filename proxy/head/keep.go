package head

// Keep returns the head and the query that may go to the user server with
// that cookie when the credential at keep is the only one that was judged and
// found good; None when there is none. Gone are: every other credential that
// the server could use, a second cookie of its name, its token cookie in
// another spelling; the cookies of the Hub, of other servers and of
// share-proxy. The server's own login state, jupyterhub-session-id, _xsrf and
// everything else stay as they are, byte for byte. Schemes of Authorization
// that are not the Hub's pass.
//
// After Keep, Next finds the credential at keep or none. query is the raw
// query without its question mark.
func Keep(h Head, query string, own ServerCookie, keep Source) (Head, string) {
	query = keepQuery(query, keep == Query && modeIsWebSocket(h))
	if _, ok := authorizationToken(h.Get("Authorization")); ok && keep != Header {
		h = h.Without("Authorization")
	}
	judged := lastCookie(h, own, keep)
	return h.editCookies(func(i int, p pair) bool {
		switch p.roleOf(own) {
		case reserved:
			return true
		case token, hostToken:
			return i != judged
		}
		return false
	}), query
}

// lastCookie returns the index of the pair that is the server's token cookie
// for that source, or -1. tornado keeps the last of several with one name.
func lastCookie(h Head, own ServerCookie, keep Source) int {
	want := plain
	switch keep {
	case HostCookie:
		want = hostToken
	case Cookie:
		want = token
	default:
		return -1
	}
	i, last := 0, -1
	for p := range h.pairs() {
		if p.roleOf(own) == want {
			last = i
		}
		i++
	}
	return last
}
