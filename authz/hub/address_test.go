package hub_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/hub"
)

func TestTheAddressMayBeLearnedLater(t *testing.T) {
	address, unknown := "", errors.New("no hub route yet")
	c, err := hub.New(hub.Options{URL: func() (string, error) {
		if address == "" {
			return "", unknown
		}
		return address, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Ask(t.Context(), authz.NewToken(secret)); !errors.Is(err, unknown) {
		t.Errorf("error %v, want %v", err, unknown)
	}
	address = serve(t, answering(200, `{"kind":"user","name":"bob","scopes":[]}`)) + "/"
	if got, err := c.Ask(t.Context(), authz.NewToken(secret)); err != nil || got.Name != "bob" {
		t.Errorf("answer %#v, %v; want bob", got, err)
	}
}

func TestAMalformedAddressIsAnErrorWithoutItsText(t *testing.T) {
	for _, address := range []string{"", "127.0.0.1:8081/hub/api", "/hub/api", "ftp://u:geheim@h/", "http://u:geheim@h:x/", "http://"} {
		_, err := client(t, address).Ask(t.Context(), authz.NewToken(secret))
		if err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: error %v, want one without the password", address, err)
		}
	}
	if _, err := hub.New(hub.Options{}); err == nil {
		t.Error("New without an address: no error")
	}
}

func TestOnlySchemeHostAndPathOfTheAddressAreUsed(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if got, want := r.RequestURI, "/@/space%20word/hub/api/"; got != want {
			t.Errorf("asked %q, want %q", got, want)
		}
		if got := r.Header.Get("Authorization"); got != "" {
			t.Errorf("sent %q of the address as a credential", got)
		}
		answering(200, `{"version":"5.5.1"}`)(w, r)
	})
	address = strings.Replace(address, "http://", "http://u:p@", 1) + "?a=b#c"
	if _, err := client(t, address).Version(t.Context()); err != nil {
		t.Error(err)
	}
}
