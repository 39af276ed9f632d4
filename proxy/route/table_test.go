package route

import (
	"context"
	"testing"
	"time"
)

// add posts a route and returns it.
func add(t testing.TB, table *Table, path, target, data string) *Route {
	t.Helper()
	r := mustNew(t, path, target, data)
	if err := table.Add(context.Background(), r); err != nil {
		t.Fatalf("Add(%q): %v", path, err)
	}
	return r
}

// remove removes a route and reports whether there was one.
func remove(t testing.TB, table *Table, path string) bool {
	t.Helper()
	found, err := table.Remove(context.Background(), path)
	if err != nil {
		t.Fatalf("Remove(%q): %v", path, err)
	}
	return found
}

func TestLifetimeEndsWhenThePathLeadsElsewhere(t *testing.T) {
	const target, data = "http://a:1", `{"user":"alice","server_name":""}`
	for _, tt := range []struct {
		name  string
		then  func(t *testing.T, table *Table)
		ended bool
	}{
		{"posted again", func(t *testing.T, table *Table) { add(t, table, "/x", target, data) }, false},
		{"posted with further data", func(t *testing.T, table *Table) {
			add(t, table, "/x/", target, `{"user":"alice","server_name":"","n":1}`)
		}, false},
		{"another target", func(t *testing.T, table *Table) { add(t, table, "/x", "http://a:2", data) }, true},
		{"another user", func(t *testing.T, table *Table) { add(t, table, "/x", target, `{"user":"bob","server_name":""}`) }, true},
		{"another server", func(t *testing.T, table *Table) { add(t, table, "/x", target, `{"user":"alice","server_name":"y"}`) }, true},
		{"server of nobody's that becomes no server", func(t *testing.T, table *Table) {
			add(t, table, "/x", target, `{"user":null}`)
			r, _ := table.Get("/x")
			add(t, table, "/x", target, `{}`)
			if !r.Ended() {
				t.Error("what went through a denied route goes on through an open one")
			}
		}, true},
		{"removed", func(t *testing.T, table *Table) { remove(t, table, "/x") }, true},
		{"posted again, then removed", func(t *testing.T, table *Table) {
			add(t, table, "/x", target, data)
			remove(t, table, "/x")
		}, true},
		{"a route below it", func(t *testing.T, table *Table) {
			add(t, table, "/x/y", target, data)
			remove(t, table, "/x/y")
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := NewTable(false)
			first := add(t, table, "/x", target, data)
			tt.then(t, table)
			if got := first.Ended(); got != tt.ended {
				t.Errorf("ended = %v, want %v", got, tt.ended)
			}
			if now, ok := table.Get("/x"); ok && now.Ended() {
				t.Error("the route in the table has ended")
			}
		})
	}
}

func TestPostingAgainReplacesDataAndSharesActivity(t *testing.T) {
	table := NewTable(false)
	first := add(t, table, "/x", "http://a:1", `{"n":1}`)
	first.Touch(start.Add(time.Hour))
	second := add(t, table, "/x", "http://a:1", `{"n":2}`)

	got, ok := table.Get("/x/")
	if !ok || got != second || string(got.Data["n"]) != "2" {
		t.Fatalf("Get = %+v, %v; want the second route", got, ok)
	}
	if want := start.Add(time.Hour).Truncate(time.Millisecond); got.LastActivity() != want {
		t.Errorf("posting at an earlier time turned the activity back to %v", got.LastActivity())
	}
	first.Touch(start.Add(2 * time.Hour)) // an exchange that began on the first
	if want := start.Add(2 * time.Hour).Truncate(time.Millisecond); got.LastActivity() != want {
		t.Errorf("activity = %v, want %v", got.LastActivity(), want)
	}
}

func TestRemoveReportsWhetherThereWasARoute(t *testing.T) {
	table := NewTable(false)
	add(t, table, "/", "http://a:1", `{}`)
	add(t, table, "/a/b", "http://a:1", `{}`)
	for _, tt := range []struct {
		path string
		want bool
	}{{"/a", false}, {"/a/b/c", false}, {"/a/b/", true}, {"/a/b", false}, {"/", true}, {"/", false}} {
		if got := remove(t, table, tt.path); got != tt.want {
			t.Errorf("Remove(%q) = %v, want %v", tt.path, got, tt.want)
		}
	}
	if n := len(table.All(t.Context())); n != 0 {
		t.Errorf("%d routes left", n)
	}
}

func TestRemovePrunesOnlyItsOwnBranch(t *testing.T) {
	table := NewTable(false)
	for _, path := range []string{"/a", "/a/b/c/d", "/a/x"} {
		add(t, table, path, "http://a:1", `{}`)
	}
	remove(t, table, "/a/b/c/d")
	if a := table.root.children["a"]; len(a.children) != 1 || a.children["x"] == nil || a.route == nil {
		t.Errorf("below /a are %d nodes, want x alone", len(a.children))
	}
	remove(t, table, "/a/x")
	if _, n, err := table.Match("", []string{"a", "x"}); err != nil || n != 1 {
		t.Errorf("the route above a removed one went with it: %d, %v", n, err)
	}
	remove(t, table, "/a")
	if len(table.root.children) != 0 {
		t.Errorf("%d nodes left in an empty table", len(table.root.children))
	}
}

func TestAddRefusesWhatHasNoLifetime(t *testing.T) {
	table := NewTable(false)
	ended := add(t, table, "/x", "http://a:1", `{}`)
	remove(t, table, "/x")
	for name, r := range map[string]*Route{"nil": nil, "zero": {}, "ended": ended} {
		if err := table.Add(context.Background(), r); err == nil {
			t.Errorf("%s: added", name)
		}
	}
}

func TestHostsHaveNoCaseButKeepTheirSpelling(t *testing.T) {
	table := NewTable(true)
	add(t, table, "/Hub.Example/a", "http://a:1", `{}`)
	second := add(t, table, "/hub.example/a", "http://a:2", `{}`)
	third := add(t, table, "/HUB.example", "http://a:3", `{}`)
	if n := len(table.All(t.Context())); n != 2 {
		t.Errorf("%d routes, want 2", n)
	}
	if got, ok := table.Get("/HUB.EXAMPLE/a"); !ok || got != second || got.Path != "/hub.example/a" {
		t.Errorf("Get = %+v, %v", got, ok)
	}
	if _, ok := table.Get("/hub.example/A"); ok {
		t.Error("paths have no case")
	}
	if third.Path != "/HUB.example" || !remove(t, table, "/hub.EXAMPLE") {
		t.Errorf("route %q is kept under another key", third.Path)
	}
}
