package head

import (
	"strings"
	"testing"
	"time"
)

func TestSessionID(t *testing.T) {
	const id = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
	tests := []struct{ cookie, want string }{
		{"a=1; jupyterhub-session-id=" + id, id},
		{`jupyterhub-session-id="` + id + `"`, id},
		{"jupyterhub-session-id=1; jupyterhub-session-id=2", "2"},
		{"jupyterhub-session-id=", ""},
		{"jupyterhub-session-id=a b", ""},
		{"jupyterhub-session-id=" + strings.Repeat("a", maxSession+1), ""},
		{"JupyterHub-session-id=1; \"jupyterhub-session-id\"=2", ""},
		{"", ""},
	}
	for _, tt := range tests {
		if got := SessionID(Head{{"Cookie", tt.cookie}}); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.cookie, got, tt.want)
		}
	}
}

func TestF18ClearsSession(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name, cookie string
		want         bool
	}{
		{"logout, as tornado writes it", `jupyterhub-session-id=""; expires=Thu, 20 Nov 2025 12:00:00 GMT; Path=/base/`, true},
		{"logout of the Hub's login", `jupyterhub-hub-login=""; expires=Thu, 20 Nov 2025 12:00:00 GMT; Path=/hub/`, true},
		{"logout with __Host-", `__Host-jupyterhub-hub-login=""; Path=/; Secure`, true},
		{"an empty value", "jupyterhub-session-id=", true},
		{"no age", "jupyterhub-session-id=x; Max-Age=0", true},
		{"a negative age", "jupyterhub-session-id=x; max-age = -1", true},
		{"ended before now", "jupyterhub-session-id=x; Expires=Fri, 20 Nov 2026 11:59:59 GMT", true},
		{"ended, with dashes", "jupyterhub-session-id=x; Expires=Thu, 01-Jan-1970 00:00:00 GMT", true},
		{"a new session", "jupyterhub-session-id=x; HttpOnly; Path=/", false},
		{"a new login", `jupyterhub-hub-login="2|1:0|x"; expires=Sun, 20 Dec 2026 12:00:00 GMT; HttpOnly; Path=/hub/`, false},
		{"an age goes before a date", "jupyterhub-session-id=x; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", false},
		{"a date that is none", "jupyterhub-session-id=x; Expires=yesterday", false},
		{"an age that is none", "jupyterhub-session-id=x; Max-Age=soon", false},
		{"another cookie", `jupyterhub-services=""; expires=Thu, 20 Nov 2025 12:00:00 GMT`, false},
		{"a user server's cookie", `jupyterhub-user-alice=""; expires=Thu, 20 Nov 2025 12:00:00 GMT`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := Head{{"Set-Cookie", "_xsrf=1; Path=/"}, {"set-cookie", tt.cookie}}
			if got := ClearsSession(h, now); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
