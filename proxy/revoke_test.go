package proxy_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

const sessionOfBob = "Cookie: jupyterhub-session-id=s-bob"

// signOut makes the Hub forget one of bob's credentials.
func signOut(h *fakeHub) { h.forget("bob") }

// unshare makes the Hub take bob's access away.
func unshare(h *fakeHub) { h.set("bob", "bob", "s-bob") }

// does makes the Hub carry out a call: change, then answer.
func (h *fakeHub) does(change func(*fakeHub), status int) {
	h.on(func(w http.ResponseWriter, _ *http.Request) {
		change(h)
		w.WriteHeader(status)
	})
}

// TestTheCallerHasItsAnswerAndTheGuestIsOut is the promise itself, for the
// calls by which access ends (D18, D19, D20, F20).
func TestTheCallerHasItsAnswerAndTheGuestIsOut(t *testing.T) {
	for _, tt := range []struct {
		name   string
		method string
		path   string
		fields []string
		change func(*fakeHub)
		goodby string
	}{
		{"one share revoked", "PATCH", "/hub/api/shares/alice/", nil, unshare, "Your access to this server has ended."},
		{"the guest leaves", "DELETE", "/hub/api/users/bob/shared/alice/", nil, unshare, "Your access to this server has ended."},
		{"out of the group", "DELETE", "/hub/api/groups/team/users", nil, unshare, "Your access to this server has ended."},
		{"the group deleted", "DELETE", "/hub/api/groups/team", nil, unshare, "Your access to this server has ended."},
		{"the group leaves", "DELETE", "/hub/api/groups/team/shared/alice/", nil, unshare, "Your access to this server has ended."},
		{"the user deleted", "DELETE", "/hub/api/users/bob", nil, signOut, "You are signed out."},
		{"the user changed", "PATCH", "/hub/api/users/bob", nil, unshare, "Your access to this server has ended."},
		{"a token deleted", "DELETE", "/hub/api/users/bob/tokens/a1", nil, signOut, "You are signed out."},
		{"signed out", "GET", "/hub/logout", []string{sessionOfBob}, signOut, "You are signed out."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			k := newKernel(t)
			r.userServer(k.ServeHTTP)
			r.hub.answer("bob", authz.Answer{
				Kind: authz.KindUser, Name: "bob", Session: "s-bob", Groups: []string{"team"},
				Access: []string{"access:servers!server=alice/"},
			})
			bob, bobs := r.meet(k, "bob", cookie("bob"))
			alice, alices := r.meet(k, "alice", as("alice"))
			carol, carols := r.meet(k, "carol", as("carol"))
			bob.say("early")
			if got := bobs.hear(); got != "early" {
				t.Fatalf("the server heard %q, want %q", got, "early")
			}
			stopAlice, stopCarol := chatter(alice, alices), chatter(carol, carols)

			r.hub.does(tt.change, http.StatusNoContent)
			res := r.do(tt.method, tt.path, tt.fields...)
			bobs.say("late")
			_, _ = bob.conn.Write(maskedFrame(0x1, []byte("late")))

			if got := res.Header.Get("Share-Proxy-Cut"); res.StatusCode != 204 || got != "done; sockets=1" {
				t.Errorf("the caller got %d and %q, want 204 and one socket cut", res.StatusCode, got)
			}
			if got := r.status("GET", "/user/alice/api", cookie("bob")); got != 403 {
				t.Errorf("the guest's next request: %d, want 403", got)
			}
			if _, res := r.handshake("/user/alice/api/kernels/1/channels", cookie("bob")); res.StatusCode != 403 {
				t.Errorf("the guest's next socket: %d, want 403", res.StatusCode)
			}
			if got, want := bob.rest(), []string{"close 1008 " + tt.goodby}; !slices.Equal(got, want) {
				t.Errorf("the guest heard %q, want %q", got, want)
			}
			if got := bobs.rest(t); len(got) > 0 {
				t.Errorf("%q passed to the server after the answer", got)
			}
			for name, stop := range map[string]func() (int, error){"alice": stopAlice, "carol": stopCarol} {
				if n, err := stop(); err != nil || n == 0 {
					t.Errorf("%s's socket: %d messages, %v; want all of them", name, n, err)
				}
			}
		})
	}
}

// TestOnlyTheCredentialThatEndedIsCut: the same user's other session goes on.
func TestOnlyTheCredentialThatEndedIsCut(t *testing.T) {
	for _, tt := range []struct{ name, method, path string }{
		{"F20 signed out", "GET", "/hub/logout"},
		{"D19 a token deleted", "DELETE", "/hub/api/users/bob/tokens/a1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			k := newKernel(t)
			r.userServer(k.ServeHTTP)
			r.hub.set("bob-phone", "bob", "s-phone", "access:servers!server=alice/")
			laptop, _ := r.meet(k, "laptop", as("bob"))
			phone, phones := r.meet(k, "phone", as("bob-phone"))
			stop := chatter(phone, phones)
			r.hub.does(signOut, http.StatusFound)
			if got := r.do(tt.method, tt.path, sessionOfBob).Header.Get("Share-Proxy-Cut"); got != "done; sockets=1" {
				t.Errorf("the caller got %q, want one socket", got)
			}
			if got := laptop.rest(); !slices.Equal(got, []string{"close 1008 You are signed out."}) {
				t.Errorf("the ended session heard %q", got)
			}
			if n, err := stop(); err != nil || n == 0 {
				t.Errorf("the other session: %d messages, %v; want all of them", n, err)
			}
		})
	}
}

// TestADocumentRoomIsToldWhatItsClientUnderstands (D18b).
func TestADocumentRoomIsToldWhatItsClientUnderstands(t *testing.T) {
	r := newRig(t)
	k := newKernel(t)
	r.userServer(k.ServeHTTP)
	s := r.open("/user/alice/api/collaboration/room/json:notebook:1", as("bob"))
	k.next()
	r.hub.does(unshare, http.StatusNoContent)
	r.do("PATCH", "/hub/api/shares/alice/")
	if got := strings.Join(s.rest(), "|"); !strings.HasPrefix(got, `close 1003 {"reason":""`) || !strings.Contains(got, `"reloadable":true`) {
		t.Errorf("the room heard %q, want 1003 with a reason in JSON that offers to reload", got)
	}
}

// TestAnyAnswerThatEndsASessionCutsIt: an authenticator may put its logout on
// any page (F18).
func TestAnyAnswerThatEndsASessionCutsIt(t *testing.T) {
	for name, cleared := range map[string]string{
		"by an expiry": `jupyterhub-session-id=""; expires=Sat, 22 Nov 2025 00:00:00 GMT; Path=/`,
		"by max-age":   "jupyterhub-session-id=x; Max-Age=0; Path=/",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			k := newKernel(t)
			r.userServer(k.ServeHTTP)
			bob, _ := r.meet(k, "bob", as("bob"))
			r.hub.on(func(w http.ResponseWriter, _ *http.Request) {
				r.hub.forget("bob")
				w.Header().Add("Set-Cookie", cleared)
				w.Header().Add("Set-Cookie", "jupyterhub-hub-login=; Path=/hub/")
				w.WriteHeader(http.StatusFound)
			})
			res := r.do("GET", "/hub/oidc/signed-out", sessionOfBob)
			if got := res.Header.Get("Share-Proxy-Cut"); got != "done; sockets=1" {
				t.Errorf("the caller got %q, want one socket", got)
			}
			if got := res.Header.Values("Set-Cookie"); len(got) != 2 || got[0] != cleared {
				t.Errorf("the Hub's cookies became %q", got)
			}
			if got := bob.rest(); !slices.Equal(got, []string{"close 1008 You are signed out."}) {
				t.Errorf("the session heard %q", got)
			}
		})
	}
}
