package head

import "testing"

func TestNavigation(t *testing.T) {
	mode := func(m string, more ...Field) Head { return append(Head{{"Sec-Fetch-Mode", m}}, more...) }
	html := Field{"Accept", "application/xhtml+xml, text/HTML ;q=0.9,*/*;q=0.8"}
	tests := []struct {
		name, method string
		head         Head
		want         bool
	}{
		{"navigate", "GET", mode("navigate"), true},
		{"HEAD", "HEAD", mode("navigate"), true},
		{"a form", "POST", mode("navigate"), false},
		{"F21: fetch", "GET", mode("cors", html), false},
		{"F21: a socket", "GET", mode("websocket", html), false},
		{"plain HTTP: a page", "GET", Head{html}, true},
		{"plain HTTP: on a second line", "GET", Head{{"Accept", "*/*"}, html}, true},
		{"plain HTTP: anything", "GET", Head{{"Accept", "*/*"}}, false},
		{"plain HTTP: JSON", "GET", Head{{"Accept", "application/json, text/htmlx"}}, false},
		{"plain HTTP: nothing said", "GET", nil, false},
		{"plain HTTP: a form", "POST", Head{html}, false},
		{"an empty mode is one", "GET", mode("", html), false},
		{"a handshake", "GET", handshake("Accept", "text/html"), false},
	}
	for _, tt := range tests {
		if got := Navigation(tt.method, tt.head); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestLoginRequest(t *testing.T) {
	preflight := Head{{"Origin", "https://x"}, {"Access-Control-Request-Method", "PUT"}}
	tests := []struct {
		name, method, below string
		head                Head
		want                bool
	}{
		{"S08: the callback", "GET", "oauth_callback", nil, true},
		{"logout", "GET", "logout", nil, true},
		{"the callback by POST", "POST", "oauth_callback", nil, false},
		{"a page below it", "GET", "oauth_callback/x", nil, false},
		{"a page that begins so", "GET", "logout2", nil, false},
		{"another case", "GET", "Logout", nil, false},
		{"deeper", "GET", "proxy/8888/logout", nil, false},
		{"the root", "GET", "", nil, false},
		{"D15: a handshake", "GET", "logout", handshake("", ""), false},
		{"a preflight", "OPTIONS", "api/contents", preflight, true},
		{"a preflight with a body", "OPTIONS", "api/contents", append(preflight[:2:2], Field{"Content-Length", "1"}), false},
		{"OPTIONS without an origin", "OPTIONS", "api/contents", preflight[1:], false},
		{"OPTIONS without a method", "OPTIONS", "api/contents", preflight[:1], false},
		{"a GET that looks like one", "GET", "api/contents", preflight, false},
	}
	for _, tt := range tests {
		if got := LoginRequest(tt.method, tt.below, tt.head); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestLoginBegins(t *testing.T) {
	path := Login{Prefix: "/base/user/alice/", HubPrefix: "/base/hub/", Host: "hub.example:8000"}
	sub := Login{Prefix: "/user/alice/", HubPrefix: "/hub/", Host: "alice.hub.example", Hosts: true}
	port := Login{Prefix: "/user/a.b/", HubPrefix: "/hub/", Host: "a.b.hub.example:8000", Hosts: true}
	const authorize = "/base/hub/api/oauth2/authorize?client_id=jupyterhub-user-alice&redirect_uri=%2Fbase%2Fuser&state=x"
	tests := []struct {
		name     string
		login    Login
		status   int
		location string
		body     bool
		want     bool
	}{
		{"S07: the authorize page", path, 302, authorize, false, true},
		{"S07: with a body", path, 302, authorize, true, true},
		{"S07: absolute, same host", path, 302, "http://HUB.example:8000" + authorize, false, true},
		{"absolute, another port", path, 302, "http://hub.example" + authorize, false, false},
		{"absolute, another host", path, 302, "http://evil" + authorize, false, false},
		{"absolute, with user information", path, 302, "http://hub.example:8000@evil" + authorize, false, false},
		{"without a scheme", path, 302, "//evil" + authorize, false, false},
		{"with a backslash", path, 302, `/\evil` + authorize, false, false},
		{"with a tab", path, 302, "/\t/evil" + authorize, false, false},
		{"another scheme", path, 302, "ftp://hub.example:8000" + authorize, false, false},
		{"another page of the Hub", path, 302, "/base/hub/login", false, false},
		{"the Hub of another base", path, 302, "/hub/api/oauth2/authorize", false, false},
		{"below the authorize page", path, 302, "/base/hub/api/oauth2/authorize/x", false, false},
		{"a page with the address in its query", path, 302, "/x?" + authorize, false, false},
		{"dots", path, 302, "/base/hub/api/oauth2/x/../authorize", false, false},
		{"not a redirect", path, 200, authorize, false, false},
		{"304", path, 304, authorize, false, false},
		{"inside the prefix", path, 302, "/base/user/alice/lab?", false, true},
		{"to the prefix", path, 301, "/base/user/alice/", false, true},
		{"inside the prefix, absolute", path, 307, "https://hub.example:8000/base/user/alice/lab#x", false, true},
		{"inside the prefix, with a body", path, 302, "/base/user/alice/lab", true, false},
		{"another user's prefix", path, 302, "/base/user/alice2/lab", false, false},
		{"out of the prefix", path, 302, "/base/user/alice/../bob/", false, false},
		{"out of the prefix, escaped", path, 302, "/base/user/alice/%2e%2E/bob/", false, false},
		{"relative", path, 302, "lab", false, false},
		{"empty", path, 302, "", false, false},
		{"subdomains: the Hub's host", sub, 302, "https://hub.example/hub/api/oauth2/authorize?x", false, true},
		{"subdomains: with its default port", sub, 302, "https://hub.example:443/hub/api/oauth2/authorize?x", false, true},
		{"subdomains: a port of the other scheme", sub, 302, "https://hub.example:80/hub/api/oauth2/authorize?x", false, false},
		{"subdomains: the prefix on the Hub's host", sub, 302, "https://hub.example/user/alice/lab", false, false},
		{"subdomains: another user's host", sub, 302, "https://bob.hub.example/hub/api/oauth2/authorize", false, false},
		{"subdomains: a host that ends so", sub, 302, "https://xhub.example/hub/api/oauth2/authorize", false, false},
		{"subdomains: no host", sub, 302, "https:///hub/api/oauth2/authorize", false, false},
		{"subdomains: a name with a dot", port, 302, "http://hub.example:8000/hub/api/oauth2/authorize", false, true},
		{"subdomains: another port than the request's", port, 302, "http://hub.example/hub/api/oauth2/authorize", false, false},
		{"no subdomains: a host above", path, 302, "http://example:8000" + authorize, false, false},
		{"the zero Login knows no page", Login{}, 302, "api/oauth2/authorize", false, false},
		{"the zero Login knows no prefix", Login{}, 302, "/", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.login.Begins(tt.status, Head{{"Location", tt.location}}, tt.body); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if path.Begins(302, Head{{"Location", authorize}, {"Location", "http://evil"}}, false) || path.Begins(302, nil, false) {
		t.Error("a redirect with two targets or none passed")
	}
}

func TestSameOrigin(t *testing.T) {
	tests := []struct {
		name, host string
		more       Head
		want       bool
	}{
		{"the host itself", "hub.example:8000", Head{{"Origin", "http://hub.example:8000"}}, true},
		{"another case", "Hub.Example", Head{{"Origin", "https://HUB.example"}}, true},
		{"the default port named by Host", "hub.example:443", Head{{"Origin", "https://hub.example"}}, true},
		{"the default port named by Origin", "hub.example", Head{{"Origin", "http://hub.example:80"}}, true},
		{"IPv6", "[::1]:8000", Head{{"Origin", "http://[::1]:8000"}}, true},
		{"Sec-Fetch-Site agrees", "hub.example", Head{{"Origin", "https://hub.example"}, {"Sec-Fetch-Site", "same-origin"}}, true},
		{"D10: another host", "hub.example", Head{{"Origin", "https://evil"}}, false},
		{"D10: a host that begins so", "hub.example", Head{{"Origin", "https://hub.example.evil"}}, false},
		{"D10: a host that ends so", "hub.example", Head{{"Origin", "https://xhub.example"}}, false},
		{"D10: another port", "hub.example:8000", Head{{"Origin", "http://hub.example:8001"}}, false},
		{"D10: a port where there is none", "hub.example", Head{{"Origin", "https://hub.example:8443"}}, false},
		{"D10: the port of the other scheme", "hub.example:80", Head{{"Origin", "https://hub.example"}}, false},
		{"D11: null", "hub.example", Head{{"Origin", "null"}}, false},
		{"D11: null as a host", "null", Head{{"Origin", "null"}}, false},
		{"D11: missing", "hub.example", nil, false},
		{"empty", "hub.example", Head{{"Origin", ""}}, false},
		{"twice", "hub.example", Head{{"Origin", "https://hub.example"}, {"Origin", "https://hub.example"}}, false},
		{"another scheme", "hub.example", Head{{"Origin", "chrome-extension://hub.example"}}, false},
		{"user information", "hub.example", Head{{"Origin", "https://x@hub.example"}}, false},
		{"a path", "hub.example", Head{{"Origin", "https://hub.example/"}}, false},
		{"D13: cross-site", "hub.example", Head{{"Origin", "https://hub.example"}, {"Sec-Fetch-Site", "cross-site"}}, false},
		{"D13: same-site", "hub.example", Head{{"Origin", "https://hub.example"}, {"Sec-Fetch-Site", "same-site"}}, false},
		{"D13: said twice", "hub.example", Head{{"Origin", "https://hub.example"}, {"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "cross-site"}}, false},
		{"D13: an unknown word", "hub.example", Head{{"Origin", "https://hub.example"}, {"Sec-Fetch-Site", "x"}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := SameOrigin(append(Head{{"Host", tt.host}}, tt.more...)); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if SameOrigin(Head{{"Origin", "https://"}}) || SameOrigin(Head{{"Origin", "https://"}, {"Host", ""}}) {
		t.Error("no host was taken for the same host")
	}
}
