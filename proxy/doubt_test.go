package proxy

import (
	"strconv"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

func doubtAbout(name string) changeKey { return changeKey{{Kind: authz.AboutUser, Name: name}} }

// TestADoubtIsAskedForOnce, however many calls raised it, and until the last
// one's time is over.
func TestADoubtIsAskedForOnce(t *testing.T) {
	ds, now := newDoubts(), time.Now()
	bob := doubtAbout("bob")
	if !ds.add(bob, now.Add(time.Second)) || ds.add(bob, now.Add(2*time.Second)) || !ds.add(doubtAbout("carol"), now) {
		t.Error("want one beginning for each")
	}
	if ds.over(bob, now.Add(time.Second)) {
		t.Error("over with the first call's time, want the last one's")
	}
	if !ds.over(bob, now.Add(2*time.Second)) || !ds.add(bob, now) {
		t.Error("want an end with the last call's time, and a new beginning after it")
	}
}

func TestMadeUpDoubtsAreBounded(t *testing.T) {
	ds, now := newDoubts(), time.Now()
	for i := range 2 * maxDoubts {
		ds.add(doubtAbout(strconv.Itoa(i)), now)
	}
	if len(ds.until) != maxDoubts {
		t.Errorf("%d doubts, want %d", len(ds.until), maxDoubts)
	}
}

// TestEveryChangeFitsItsKey, or two could be taken for the same.
func TestEveryChangeFitsItsKey(t *testing.T) {
	for _, path := range [][]string{
		{"logout"}, {"accept-share"}, {"api", "shares", "alice"}, {"api", "users"}, {"api", "users", "bob"},
		{"api", "users", "bob", "tokens", "a1"}, {"api", "users", "bob", "server"}, {"api", "users", "bob", "shared", "alice"},
		{"api", "groups"}, {"api", "groups", "team"}, {"api", "groups", "team", "shared", "alice"}, {"api", "services", "s"},
	} {
		for _, method := range []string{"POST", "DELETE"} {
			if c, _ := watched(method, path, "s"); len(c.subjects) > len(changeKey{}) {
				t.Errorf("%s %v is about %d subjects, the key has %d", method, path, len(c.subjects), len(changeKey{}))
			}
		}
	}
}
