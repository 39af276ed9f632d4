package route

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

func TestARouteComesOutOfTheLogAsItWasPosted(t *testing.T) {
	data := map[string]string{
		"jupyterhub":  `true`,
		"user":        `"alice"`,
		"server_name": `""`,
		"number":      `12345678901234567890.10e+5`,
		"text":        `"<&> \u0041\u2028 秀樹"`,
		"twice":       `{"b":1,"a":[null,{}],"b":2}`,
		"null":        `null`,
	}
	var fields []string
	for name, value := range data {
		fields = append(fields, `"`+name+`":`+value)
	}
	s, _, _ := newShared(false)
	posted := mustNew(t, "/user/秀樹 <&>/", "http://a:1/x?y=<&>", "{"+strings.Join(fields, ",")+"}")
	if err := s.Add(t.Context(), posted); err != nil {
		t.Fatal(err)
	}
	got, ok := s.Get(posted.Path)
	if !ok || got.Path != posted.Path || got.TargetText != posted.TargetText || got.Server != posted.Server || got.Class != posted.Class {
		t.Fatalf("Get = %+v, %v; want %+v", got, ok, posted)
	}
	if got.LastActivity() != posted.LastActivity() {
		t.Errorf("posted at %v, in the log at %v", posted.LastActivity(), got.LastActivity())
	}
	for name, want := range data {
		if string(got.Data[name]) != want {
			t.Errorf("data %q is %s, want %s", name, got.Data[name], want)
		}
	}
	if len(got.Data) != len(data) {
		t.Errorf("data has %d fields, want %d", len(got.Data), len(data))
	}
}

func TestARecordThatCannotBeReadRemovesItsRoute(t *testing.T) {
	for name, value := range map[string]string{
		"no JSON":              `s3cret`,
		"no object":            `"s3cret"`,
		"empty":                ``,
		"two values":           `{"path":"/x","target":"http://a:1","at":1} {}`,
		"no target":            `{"path":"/x","at":1}`,
		"a target of nobody's": `{"path":"/x","target":"http://s3cret:s3cret@a","at":1}`,
		"no time":              `{"path":"/x","target":"http://a:1"}`,
		"a time before 1970":   `{"path":"/x","target":"http://a:1","at":-1}`,
		"another path":         `{"path":"/y","target":"http://a:1","at":1}`,
		"no path":              `{"target":"http://a:1","at":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			s := NewShared(NewTable(false), slog.New(slog.NewTextHandler(&log, nil)))
			s.Keep(ledger.Record{Kind: Kind, Name: "/x", Value: []byte(`{"path":"/x","target":"http://a:1","at":1}`)})
			if _, ok := s.Get("/x"); !ok || log.Len() != 0 {
				t.Fatalf("the sound record made no route, and logs %s", &log)
			}
			s.Keep(ledger.Record{Kind: Kind, Name: "/x", Value: []byte(value)})
			if r, ok := s.Get("/x"); ok {
				t.Errorf("the route is still there: %+v", r)
			}
			if _, ok := s.Get("/y"); ok {
				t.Error("the record made a route of another name")
			}
			if !strings.Contains(log.String(), "path=/x") || strings.Contains(log.String(), "s3cret") {
				t.Errorf("the log says %s", &log)
			}
		})
	}
}

func TestHostsThatDifferInCaseAreOneRecord(t *testing.T) {
	s, _, log := newShared(true)
	post(t, s, "/Hub.Example/a", "http://a:1", `{}`)
	if got := post(t, s, "/hub.EXAMPLE/a/", "http://a:2", `{}`); got.Path != "/hub.EXAMPLE/a" || got.TargetText != "http://a:2" {
		t.Errorf("the route is %q to %s, want the second as it was posted", got.Path, got.TargetText)
	}
	if found, err := s.Remove(t.Context(), "/HUB.example/a"); !found || err != nil {
		t.Errorf("Remove = %v, %v", found, err)
	}
	if want := []string{"write /hub.example/a", "write /hub.example/a", "write /hub.example/a"}; !slices.Equal(log.calls, want) {
		t.Errorf("the log was asked to %q, want %q", log.calls, want)
	}
}
