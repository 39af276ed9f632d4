package routeapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTheTokenIsRequired(t *testing.T) {
	for _, tt := range []struct {
		name   string
		values []string
		want   int
	}{
		{"right", []string{"token " + token}, http.StatusCreated},
		{"more blanks", []string{"token \t " + token}, http.StatusCreated},
		{"none", nil, http.StatusForbidden},
		{"empty", []string{""}, http.StatusForbidden},
		{"scheme alone", []string{"token "}, http.StatusForbidden},
		{"token alone", []string{token}, http.StatusForbidden},
		{"wrong", []string{"token x"}, http.StatusForbidden},
		{"beginning of it", []string{"token " + token[:5]}, http.StatusForbidden},
		{"longer", []string{"token " + token + "x"}, http.StatusForbidden},
		{"two words", []string{"token " + token + " x"}, http.StatusForbidden},
		{"capital scheme", []string{"Token " + token}, http.StatusForbidden},
		{"bearer", []string{"Bearer " + token}, http.StatusForbidden},
		{"something before the scheme", []string{"Bearer token " + token}, http.StatusForbidden},
		{"twice", []string{"token " + token, "token " + token}, http.StatusForbidden},
		{"wrong one first", []string{"token x", "token " + token}, http.StatusForbidden},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAPI(nil)
			r := httptest.NewRequest("POST", "/api/routes/x", strings.NewReader(posted))
			r.Header["Authorization"] = tt.values
			w := a.send(r)
			if w.Code != tt.want || w.Body.Len() != 0 {
				t.Errorf("answer = %d %q, want %d without a body", w.Code, w.Body, tt.want)
			}
			if len(w.Header()["Www-Authenticate"]) != 0 {
				t.Error("asks a browser for a password")
			}
			if strings.Contains(a.log.String(), token[:5]) {
				t.Errorf("a token is in the log: %s", &a.log)
			}
		})
	}
}

func TestNothingIsReadBeforeTheToken(t *testing.T) {
	a := newAPI(nil)
	for _, method := range []string{"GET", "POST", "DELETE", "PUT"} {
		body := &watchedBody{}
		if w := a.send(httptest.NewRequest(method, "/api/routes/%ff", body)); w.Code != http.StatusForbidden {
			t.Errorf("%s without a token = %d, want 403", method, w.Code)
		}
		if body.read {
			t.Errorf("%s: the body was read without a token", method)
		}
	}
}

type watchedBody struct{ read bool }

func (b *watchedBody) Read([]byte) (int, error) {
	b.read = true
	return 0, http.ErrBodyReadAfterClose
}

// L04: a page has no access, with the token or, where there is none, without.
func TestPagesInABrowserAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name, host, header, value string
		noToken                   bool
		want                      int
	}{
		{"Hub", "127.0.0.1:8001", "", "", false, 201},
		{"Hub, by a name", "proxy-api:8001", "", "", false, 201},
		{"user agent's own navigation", "127.0.0.1:8001", "Sec-Fetch-Site", "none", false, 201},
		{"L04 cross-origin post", "127.0.0.1:8001", "Origin", "https://evil.example", false, 403},
		{"L04 no-cors post", "127.0.0.1:8001", "Sec-Fetch-Site", "cross-site", false, 403},
		{"L04 other port of the site", "127.0.0.1:8001", "Sec-Fetch-Site", "same-site", false, 403},
		{"L04 rebound page", "evil.example:8001", "Sec-Fetch-Site", "same-origin", false, 403},
		{"L04 opaque origin", "127.0.0.1:8001", "Origin", "null", false, 403},
		{"L04 empty origin", "127.0.0.1:8001", "Origin", "", false, 403},

		{"open: address", "127.0.0.1:8001", "", "", true, 201},
		{"open: address without a port", "10.1.2.3", "", "", true, 201},
		{"open: IPv6", "[::1]:8001", "", "", true, 201},
		{"open: IPv6 without a port", "[::1]", "", "", true, 201},
		{"open: localhost", "LOCALHOST:8001", "", "", true, 201},
		{"open: L04 rebound name", "evil.example:8001", "", "", true, 403},
		{"open: L04 name like an address", "127.0.0.1.evil.example:8001", "", "", true, 403},
		{"open: L04 cross-origin post", "127.0.0.1:8001", "Origin", "https://evil.example", true, 403},
		{"open: no host", "", "", "", true, 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAPI(func(o *Options) {
				if tt.noToken {
					o.Token = ""
				}
			})
			r := httptest.NewRequest("POST", "/api/routes/x", strings.NewReader(posted))
			r.Host = tt.host
			if !tt.noToken {
				r.Header.Set("Authorization", "token "+token)
			}
			if tt.header != "" {
				r.Header.Set(tt.header, tt.value)
			}
			if w := a.send(r); w.Code != tt.want {
				t.Errorf("status = %d, want %d", w.Code, tt.want)
			}
			if n := len(a.table.All(t.Context())); (n == 1) != (tt.want == 201) {
				t.Errorf("%d routes after the call", n)
			}
		})
	}
}
