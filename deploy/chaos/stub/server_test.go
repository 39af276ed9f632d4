package stub

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/history"
)

// A server and a socket to it, without a proxy between.
func TestServerStamps(t *testing.T) {
	log := history.NewLog()
	var visits []string
	server := httptest.NewServer(&Server{Log: log, Visited: func(who string, _ int) { visits = append(visits, who) }})
	defer server.Close()
	left := log.Now()
	head := http.Header{FieldWho: {"bob"}, FieldReplica: {"2"}, FieldLeft: {strconv.FormatInt(int64(left), 10)}}

	req, err := http.NewRequest(http.MethodGet, server.URL+"/user/alice/api/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = head
	res, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if at := Stamp(string(body)); at < left || at > log.Now() {
		t.Errorf("answered at %s, want a time since %s", at, left)
	}

	socket, _, err := Dial(t.Context(), strings.TrimPrefix(server.URL, "http://"), "/user/alice/socket", head)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	sent := log.Now()
	if err := socket.Send(strconv.FormatInt(int64(sent), 10)); err != nil {
		t.Fatal(err)
	}
	for arrived := ""; arrived != strconv.FormatInt(int64(sent), 10); {
		text, _, err := socket.Receive()
		if err != nil {
			t.Fatal(err)
		}
		_, arrived, _ = strings.Cut(text, " ")
	}
	passages := log.History().Passages
	want := []history.Passage{
		{Who: "bob", Replica: 2, Up: true, Left: left},
		{Who: "bob", Replica: 2, Up: true, Left: left},
		{Who: "bob", Replica: 2, Up: true, Left: sent, Socket: true},
	}
	if len(passages) != len(want) {
		t.Fatalf("passages = %v, want %d", passages, len(want))
	}
	for i, p := range passages {
		if p.Came < p.Left {
			t.Errorf("%v came before it left", p)
		}
		p.Came = 0
		if p != want[i] {
			t.Errorf("passage %d = %v, want %v", i, p, want[i])
		}
	}
	if len(visits) != 2 {
		t.Errorf("visits = %v, want two", visits)
	}
}

func TestDialIsRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer server.Close()
	if _, status, err := Dial(t.Context(), strings.TrimPrefix(server.URL, "http://"), "/", nil); err == nil || status != http.StatusForbidden {
		t.Errorf("status %d, %v; want 403 and an error", status, err)
	}
}
