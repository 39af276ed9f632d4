package route

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestMatch(t *testing.T) {
	paths := NewTable(false)
	for _, path := range []string{
		"/", "/base", "/user/alice", "/user/alice/nb2", "/user/carol", "/user/has@", "/user/秀樹", "/user/a b", "/services/x/deep",
	} {
		add(t, paths, path, "http://a:1", `{}`)
	}
	rootless := NewTable(false)
	add(t, rootless, "/user/alice", "http://a:1", `{}`)
	hosts := NewTable(true)
	for _, path := range []string{"/", "/hub.example/user/alice", "/alice.hub.example", "/[::1]/x"} {
		add(t, hosts, path, "http://a:1", `{}`)
	}

	for _, tt := range []struct {
		name     string
		table    *Table
		host     string
		segments string // separated by "|"
		path     string
		n        int
		err      error
	}{
		{"root", paths, "", "", "/", 0, nil},
		{"unknown path goes to the root", paths, "", "nowhere|x", "/", 0, nil},
		{"a route itself", paths, "", "user|alice", "/user/alice", 2, nil},
		{"below a route", paths, "", "user|alice|lab|tree", "/user/alice", 2, nil},
		{"A25 the longer route wins", paths, "", "user|alice|nb2|lab", "/user/alice/nb2", 3, nil},
		{"A25 longer name", paths, "", "user|alice|nb22", "/user/alice", 2, nil},
		{"A22 longer segment", paths, "", "user|alice2", "/", 0, nil},
		{"A22 shorter segment", paths, "", "user|ali", "/", 0, nil},
		{"A22 suffix", paths, "", "user|alice.evil", "/", 0, nil},
		{"A09 path parameter", paths, "", "user|alice;x=1", "/", 0, nil},
		{"paths have case", paths, "", "user|Alice", "/", 0, nil},
		{"the node above a route is none", paths, "", "services|x", "/", 0, nil},
		{"falls back past such nodes", paths, "", "services|x|shallow", "/", 0, nil},
		{"names with odd letters", paths, "", "user|秀樹|x", "/user/秀樹", 2, nil},
		{"names with blanks", paths, "", "user|a b", "/user/a b", 2, nil},
		{"the host does not matter", paths, "user", "alice", "/", 0, nil},
		{"properties of JavaScript objects are none", paths, "", "__proto__|x", "/", 0, nil},

		{"A03 slash in the first choice", paths, "", "user/carol|lab", "", 0, ErrSlash},
		{"A03 slash in the second choice", paths, "", "user|carol/x", "", 0, ErrSlash},
		{"A03 slash in the choice of a named server", paths, "", "user|alice/nb2", "", 0, ErrSlash},
		{"A03 slash where a named server could be chosen", paths, "", "user|alice|nb2/x", "", 0, ErrSlash},
		{"A04 slash behind the last choice", paths, "", "user|carol|a/b", "/user/carol", 2, nil},
		{"A04 slash behind a segment that chose", paths, "", "user|alice|api|a/b", "/user/alice", 2, nil},
		{"A04 slash below the root's own paths", paths, "", "hub|a/b", "/", 0, nil},

		{"no route at all", rootless, "", "", "", 0, ErrNone},
		{"no route there", rootless, "", "user|bob", "", 0, ErrNone},

		{"host", hosts, "hub.example", "user|alice|lab", "/hub.example/user/alice", 2, nil},
		{"host with port", hosts, "hub.example:8000", "user|alice", "/hub.example/user/alice", 2, nil},
		{"hosts have no case", hosts, "HUB.example", "user|alice", "/hub.example/user/alice", 2, nil},
		{"host alone", hosts, "alice.hub.example", "lab", "/alice.hub.example", 0, nil},
		{"address", hosts, "[::1]:8000", "x", "/[::1]/x", 1, nil},
		{"unknown host goes to the root", hosts, "evil.example", "user|alice", "/", 0, nil},
		{"no host goes to the root", hosts, "", "user|alice", "/", 0, nil},
		{"the path is not the host", hosts, "", "hub.example|user|alice", "/", 0, nil},
		{"path of a host without a route", hosts, "hub.example", "user|bob", "/", 0, nil},
		{"A03 slash on a host", hosts, "hub.example", "user/alice", "", 0, ErrSlash},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, n, err := tt.table.Match(tt.host, split(tt.segments))
			if !errors.Is(err, tt.err) {
				t.Fatalf("error = %v, want %v", err, tt.err)
			}
			path := ""
			if r != nil {
				path = r.Path
			}
			if path != tt.path || n != tt.n {
				t.Errorf("Match = %q, %d; want %q, %d", path, n, tt.path, tt.n)
			}
		})
	}
}

// split makes segments of a test's short form.
func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "|")
}

// FuzzMatch compares the table with one that looks at every route, after any
// sequence of posts and deletes. Each line of ops is a path to post, or with "-"
// in front to remove; the last one is the path to match, with "%" for an escaped
// slash.
func FuzzMatch(f *testing.F) {
	f.Add("/\n/a\n/a/b\n/a/b/c\n-/a/b\n/a/b/c/d")
	f.Add("/a/b/c\n-/a/b/c\n/a\n/a/x%y")
	f.Add("/a/b\n/a%b/c")
	f.Add("/\n-/\n/a")
	f.Add("/a\n/a/b\n-/a\n/a/b%c")
	f.Fuzz(func(t *testing.T, ops string) {
		lines := strings.Split(ops, "\n")
		table, paths := NewTable(false), map[string]bool{}
		for _, line := range lines[:len(lines)-1] {
			path, isRemoval := strings.CutPrefix(line, "-")
			if !isRemoval {
				add(t, table, path, "http://a:1", `{}`)
				paths[Key(path)] = true
				continue
			}
			if got, want := remove(t, table, path), paths[Key(path)]; got != want {
				t.Fatalf("Remove(%q) = %v, want %v", path, got, want)
			}
			delete(paths, Key(path))
		}
		var asked []string
		for s := range segments(Key(lines[len(lines)-1])) {
			asked = append(asked, strings.ReplaceAll(s, "%", "/"))
		}
		r, n, err := table.Match("", asked)
		wantPath, wantN, wantErr := matchNaively(paths, asked)
		if err != wantErr || n != wantN || r != nil && r.Path != wantPath {
			t.Errorf("Match(%q) among %v = %v, %d, %v; want %q, %d, %v", asked, paths, r, n, err, wantPath, wantN, wantErr)
		}
	})
}

// matchNaively is the definition of Match for a table without hosts.
func matchNaively(paths map[string]bool, asked []string) (string, int, error) {
	path, n, err := "", -1, ErrNone
	for p := range paths {
		key := slices.Collect(segments(p))
		for i, s := range asked {
			if i < len(key) && slices.Equal(key[:i], asked[:i]) && strings.Contains(s, "/") {
				return "", 0, ErrSlash
			}
		}
		if len(key) > n && len(key) <= len(asked) && slices.Equal(key, asked[:len(key)]) {
			path, n, err = p, len(key), nil
		}
	}
	return path, max(n, 0), err
}

func TestMatchSeesWholeWritesOnly(t *testing.T) {
	table := NewTable(false)
	add(t, table, "/", "http://a:1", `{}`)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			path := fmt.Sprintf("/user/u%d", i)
			for range 500 {
				r := mustNew(t, path, "http://a:1", `{}`)
				if err := table.Add(context.Background(), r); err != nil {
					t.Error(err)
				}
				got, n, err := table.Match("", []string{"user", path[6:], "x"})
				if err != nil || n != 2 || got.Path != path {
					t.Errorf("after Add(%q): %v, %d, %v", path, got, n, err)
				}
				if _, err := table.Remove(context.Background(), path); err != nil {
					t.Error(err)
				}
				if got, n, err := table.Match("", []string{"user", path[6:]}); err != nil || n != 0 {
					t.Errorf("after Remove(%q): %v, %d, %v", path, got, n, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestMatchDoesNotAllocate(t *testing.T) {
	table := fill(t, 1000)
	asked := []string{"base", "user", "user499", "nb1", "lab"}
	allocations := testing.AllocsPerRun(100, func() {
		if _, n, err := table.Match("hub.example:8000", asked); err != nil || n != 4 {
			t.Fatal(n, err)
		}
	})
	if allocations != 0 {
		t.Errorf("allocations = %v, want 0", allocations)
	}
}

// fill returns a table with n routes: half default servers, half named ones.
func fill(t testing.TB, n int) *Table {
	t.Helper()
	table := NewTable(false)
	for i := range n / 2 {
		user := fmt.Sprintf("/base/user/user%d", i)
		add(t, table, user, "http://a:1", `{}`)
		add(t, table, user+"/nb1", "http://a:1", `{}`)
	}
	return table
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{10, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table := fill(b, n)
			asked := []string{"base", "user", "user4", "api", "contents", "x"}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := table.Match("", asked); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAddRemove(b *testing.B) {
	for _, n := range []int{10, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table := fill(b, n)
			for b.Loop() {
				add(b, table, "/base/user/new", "http://a:1", `{}`)
				remove(b, table, "/base/user/new")
			}
		})
	}
}
