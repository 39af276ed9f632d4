package hub_test

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/hub"
)

func TestWellFormedAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       authz.Answer
	}{
		{
			"a guest with a session, as JupyterHub 5.5.1 writes it",
			`{"kind":"user","name":"bob","admin":false,"groups":["team","秀"],"token_id":"a30","session_id":"6d1c",
			  "scopes":["access:servers!server=alice/","access:servers!user=bob","read:users:name!user=bob"]}`,
			authz.Answer{
				Kind: authz.KindUser, Name: "bob", Session: "6d1c", Groups: []string{"team", "秀"},
				Access: []string{"access:servers!server=alice/", "access:servers!user=bob"},
			},
		},
		{
			"an API token has no session",
			`{"kind":"user","name":"alice","groups":[],"session_id":null,"scopes":["access:servers"]}`,
			authz.Answer{Kind: authz.KindUser, Name: "alice", Access: []string{"access:servers"}},
		},
		{
			"a service has no groups",
			`{"kind":"service","name":"culler","admin":true,"session_id":null,"scopes":["list:users"]}`,
			authz.Answer{Kind: authz.KindService, Name: "culler"},
		},
		{
			"a later version may say more, and of two equal names the last one counts, as in Python",
			`{"new":{"a":[1]},"kind":"user","name":"eve","name":"bob","scopes":[]}`,
			authz.Answer{Kind: authz.KindUser, Name: "bob"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := client(t, serve(t, answering(200, tt.body))).Ask(t.Context(), authz.NewToken(secret))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", tt.want); got != want {
				t.Errorf("answer %s, want %s", got, want)
			}
		})
	}
}

func TestTheHubsOwn403IsNobody(t *testing.T) {
	// JupyterHub 6 says null where 5 says "Forbidden".
	t.Run("6", func(t *testing.T) {
		six := client(t, serve(t, answering(403, `{"status": 403, "message": null}`)))
		if a, err := six.Ask(t.Context(), authz.NewToken("x")); err != nil || a.Kind != authz.KindNobody {
			t.Errorf("answer %+v, %v; want nobody", a, err)
		}
	})
	c := client(t, serve(t, answering(403, `{"status": 403, "message": "Forbidden"}`)))
	got, err := c.Ask(t.Context(), authz.NewToken(secret))
	if err != nil || !reflect.DeepEqual(got, authz.Answer{}) {
		t.Errorf("answer %#v, %v; want nobody", got, err)
	}
}

func TestOddAnswersAreNoDecision(t *testing.T) {
	const good = `{"kind":"user","name":"bob","scopes":["access:servers"]}`
	for _, tt := range []struct {
		name   string
		status int
		body   string
	}{
		{"no name", 200, `{"kind":"user","scopes":["access:servers"]}`},
		{"name null", 200, `{"kind":"user","name":null,"scopes":["access:servers"]}`},
		{"name empty", 200, `{"kind":"user","name":"","scopes":["access:servers"]}`},
		{"name a number", 200, `{"kind":"user","name":7,"scopes":["access:servers"]}`},
		{"name in another case", 200, `{"kind":"user","Name":"bob","scopes":["access:servers"]}`},
		{"name not UTF-8", 200, "{\"kind\":\"user\",\"name\":\"b\xffb\",\"scopes\":[]}"},
		{"no scopes", 200, `{"kind":"user","name":"bob"}`},
		{"scopes null", 200, `{"kind":"user","name":"bob","scopes":null}`},
		{"scopes a string", 200, `{"kind":"user","name":"bob","scopes":"access:servers"}`},
		{"scopes an object", 200, `{"kind":"user","name":"bob","scopes":{"access:servers":1}}`},
		{"a scope that is a number", 200, `{"kind":"user","name":"bob","scopes":["access:servers",1]}`},
		{"a scope that is null", 200, `{"kind":"user","name":"bob","scopes":["access:servers",null]}`},
		{"no kind", 200, `{"name":"bob","scopes":["access:servers"]}`},
		{"another kind", 200, `{"kind":"group","name":"bob","scopes":["access:servers"]}`},
		{"kind in another case", 200, `{"kind":"User","name":"bob","scopes":["access:servers"]}`},
		{"groups an object", 200, `{"kind":"user","name":"bob","groups":{},"scopes":[]}`},
		{"session a number", 200, `{"kind":"user","name":"bob","session_id":1,"scopes":[]}`},
		{"empty", 200, ``},
		{"null", 200, `null`},
		{"a list", 200, `[` + good + `]`},
		{"garbage", 200, `<html>login</html>`},
		{"truncated", 200, good[:len(good)-9]},
		{"something behind it", 200, good + good},
		{"a 403 that is a page", 403, `<html>blocked by the firewall</html>`},
		{"a 403 that is empty", 403, ``},
		{"a 403 with another status in it", 403, `{"status":401,"message":"no"}`},
		{"a 403 without a message", 403, `{"status":403}`},
		{"a model with 403", 403, good},
		{"a model with 201", 201, good},
		{"a model with 203", 203, good},
		{"a refusal with 200", 200, `{"status":403,"message":"Forbidden"}`},
		{"204", 204, ``},
		{"304", 304, ``},
		{"400", 400, `{"status":400,"message":"no"}`},
		{"401", 401, `{"status":403,"message":"no"}`},
		{"404", 404, `{"status":404,"message":"no"}`},
		{"429", 429, ``},
		{"500", 500, `{"status":500,"message":"no"}`},
		{"503", 503, good},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := client(t, serve(t, answering(tt.status, tt.body))).Ask(t.Context(), authz.NewToken(secret))
			if err == nil || !reflect.DeepEqual(got, authz.Answer{}) {
				t.Errorf("answer %#v, error %v; want an error and nothing else", got, err)
			}
			noSecret(t, err)
		})
	}
}

func TestAnAnswerMayHaveAMegabyteAndNoMore(t *testing.T) {
	const model, limit = `{"kind":"user","name":"bob","scopes":[]}`, 1 << 20
	for length, wantErr := range map[int]bool{limit: false, limit + 1: true} {
		body := model + strings.Repeat(" ", length-len(model))
		_, err := client(t, serve(t, answering(200, body))).Ask(t.Context(), authz.NewToken(secret))
		if (err != nil) != wantErr {
			t.Errorf("%d bytes: error %v, want one: %t", length, err, wantErr)
		}
	}
}

func TestWhatCannotBeACredentialIsNobodysAndNotSent(t *testing.T) {
	c := client(t, serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the hub was asked") }))
	for name, text := range map[string]string{
		"empty": "", "too long": strings.Repeat("a", 4097), "with a blank": "a b", "with a line end": "a\r\nX: y",
		"with NUL": "a\x00", "with DEL": "a\x7f", "with a blank at its end": "a ",
	} {
		if got, err := c.Ask(t.Context(), authz.NewToken(text)); err != nil || got.Kind != authz.KindNobody {
			t.Errorf("%s: answer %#v, %v; want nobody", name, got, err)
		}
	}
}

func TestVersion(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if got, want := r.RequestURI, "/@/space%20word/hub/api/"; got != want {
			t.Errorf("asked %q, want %q", got, want)
		}
		if r.Header.Get("Authorization") != "" {
			t.Error("a credential was sent")
		}
		answering(200, `{"version": "5.5.1"}`)(w, r)
	})
	if got, err := client(t, address).Version(t.Context()); err != nil || got != "5.5.1" {
		t.Errorf("version %q, %v; want 5.5.1", got, err)
	}
	for _, body := range []string{``, `null`, `{}`, `{"version":5}`, `{"version":null}`, `{"version":""}`} {
		if got, err := client(t, serve(t, answering(200, body))).Version(t.Context()); err == nil {
			t.Errorf("%q: version %q, want an error", body, got)
		}
	}
	if _, err := client(t, serve(t, answering(502, `{"version":"5.5.1"}`))).Version(t.Context()); err == nil {
		t.Error("502: no error")
	}
}

func TestObserveIsToldEveryQuestionOnce(t *testing.T) {
	var address string
	var got []string
	c, err := hub.New(hub.Options{URL: func() (string, error) { return address, nil }, Observe: func(op hub.Op, outcome hub.Outcome, took time.Duration) {
		if took <= 0 {
			t.Errorf("%s %s took %s", op, outcome, took)
		}
		got = append(got, string(op)+" "+string(outcome))
	}})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, step := range []struct {
		handler http.HandlerFunc
		want    string
	}{
		{answering(200, `{"kind":"user","name":"bob","scopes":[]}`), "user answered"},
		{answering(403, `{"status":403,"message":"Forbidden"}`), "user nobody"},
		{answering(403, `no`), "user unexpected"},
		{answering(200, `no`), "user malformed"},
		{func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "user unreachable"},
	} {
		address, want = serve(t, step.handler), append(want, step.want)
		_, _ = c.Ask(t.Context(), authz.NewToken(secret))
	}
	address, want = serve(t, answering(200, `{"version":"5.5.1"}`)), append(want, "version answered")
	_, _ = c.Version(t.Context())
	if !reflect.DeepEqual(got, want) {
		t.Errorf("observed %q, want %q", got, want)
	}
}
