package proxy

import (
	"strings"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// TestALineNamesFewSubjects: their names may be anybody's, and long.
func TestALineNamesFewSubjects(t *testing.T) {
	var all []authz.Subject
	for range 100 {
		all = append(all, aboutUser(strings.Repeat("x", 100)))
	}
	if got := names(all[:2]); got != all[0].String()+", "+all[1].String() {
		t.Errorf("two are named as %q", got)
	}
	if got := names(all); len(got) > 1000 || !strings.HasSuffix(got, ", 92 more") {
		t.Errorf("a hundred are named in %d bytes, which end with %q; want eight of them", len(got), got[len(got)-20:])
	}
}
