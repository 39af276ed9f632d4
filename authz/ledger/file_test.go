package ledger_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/ledgertest"
)

func TestMemoryOnFile(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T, opts ledger.Options) ledger.Ledger {
		t.Helper()
		return ledger.NewMemoryOn(open(t, t.TempDir()), opts)
	})
}

// open opens the file in a folder.
func open(t testing.TB, dir string) *ledger.File {
	t.Helper()
	file, err := ledger.OpenFile(dir)
	if err != nil {
		t.Fatalf("OpenFile: %v", err)
	}
	return file
}

// live is the life of a process with a file in a folder: it is loaded, does
// something, and ends. It returns what was kept during it.
func live(t testing.TB, dir string, do func(*ledger.Memory, *ledgertest.Shelf)) *ledgertest.Shelf {
	t.Helper()
	shelf := new(ledgertest.Shelf)
	m := ledger.NewMemoryOn(open(t, dir), ledger.Options{
		Clock: func() authz.Instant { return 0 }, Apply: func(ledger.Entry) {}, Keep: shelf.Keep,
	})
	ctx, end := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { m.Run(ctx) })
	if err := m.Loaded(ctx); err != nil {
		t.Fatalf("Loaded: %v", err)
	}
	if do != nil {
		do(m, shelf)
	}
	end()
	running.Wait()
	return shelf
}

// put writes a record; the value "" removes it.
func put(t testing.TB, m *ledger.Memory, kind, name, value string) {
	t.Helper()
	r := ledger.Record{Kind: kind, Name: name}
	if value != "" {
		r.Value = []byte(value)
	}
	if err := m.Write(t.Context(), r); err != nil {
		t.Fatalf("Write(%s %s): %v", kind, name, err)
	}
}

func TestARestartedProcessHasItsRecords(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	live(t, dir, func(m *ledger.Memory, _ *ledgertest.Shelf) {
		put(t, m, "route", "/a", "one")
		put(t, m, "route", "/a", "two")
		put(t, m, "route", "/b", "gone soon")
		put(t, m, "route", "/b", "")
		put(t, m, "grant", "/a:x", "a name with a colon")
		if err := m.Write(t.Context(), ledger.Record{Kind: "route", Name: "/empty", Value: []byte{}}); err != nil {
			t.Fatal(err)
		}
	})
	for range 2 { // reading changes nothing
		shelf := live(t, dir, nil)
		if got := shelf.Kept(); len(got) != 3 {
			t.Errorf("loaded %d records, want 3: %+v", len(got), got)
		}
		for key, want := range map[[2]string]string{{"route", "/a"}: "two", {"grant", "/a:x"}: "a name with a colon", {"route", "/empty"}: ""} {
			if got, ok := shelf.Value(key[0], key[1]); !ok || got != want {
				t.Errorf("%s %s is %q (there: %v), want %q", key[0], key[1], got, ok, want)
			}
		}
	}
}

func TestARecordIsOnTheDiskWhenItIsWritten(t *testing.T) {
	dir, torn := t.TempDir(), t.TempDir()
	live(t, dir, func(m *ledger.Memory, _ *ledgertest.Shelf) {
		put(t, m, "route", "/a", "one")
		copyFile(t, dir, torn) // as a process that is killed here leaves it
	})
	if got, _ := live(t, torn, nil).Value("route", "/a"); got != "one" {
		t.Errorf("after the end of the process the record is %q, want one", got)
	}
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(from, "records.db"))
	if err == nil {
		err = os.WriteFile(filepath.Join(to, "records.db"), content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatManyCallersWroteIsWhatWasKept(t *testing.T) {
	dir := t.TempDir()
	before := live(t, dir, func(m *ledger.Memory, _ *ledgertest.Shelf) {
		var writing sync.WaitGroup
		for c := range 10 {
			writing.Go(func() {
				for i := range 10 {
					value := fmt.Sprintf("%d of %d", i, c)
					if i%3 == 2 {
						value = ""
					}
					put(t, m, "route", fmt.Sprint("/", i%4), value)
				}
			})
		}
		writing.Wait()
	})
	after := live(t, dir, nil)
	for i := range 4 {
		name := fmt.Sprint("/", i)
		got, there := after.Value("route", name)
		if want, was := before.Value("route", name); got != want || there != was {
			t.Errorf("the file says %s is %q (there: %v), kept was %q (there: %v)", name, got, there, want, was)
		}
	}
}

func TestARecordThatCannotBeWrittenIsNotKept(t *testing.T) {
	var m *ledger.Memory
	shelf := live(t, t.TempDir(), func(running *ledger.Memory, _ *ledgertest.Shelf) { m = running })
	for name, r := range map[string]ledger.Record{
		"on a closed file":      {Kind: "route", Name: "/a", Value: []byte("one")},
		"under a name too long": {Kind: "route", Name: strings.Repeat("x", 1<<15), Value: []byte("one")},
	} {
		if err := m.Write(t.Context(), r); err == nil {
			t.Errorf("%s: Write says nil", name)
		}
	}
	if _, err := m.MergeActivity(t.Context(), map[string]int64{"/a": 1}); err == nil {
		t.Error("activity on a closed file: MergeActivity says nil")
	}
	if got := shelf.Kept(); len(got) != 0 {
		t.Errorf("kept %+v, want nothing", got)
	}
}

func TestNothingIsWrittenBeforeWhatIsOlderWasLoaded(t *testing.T) {
	m := ledger.NewMemoryOn(open(t, t.TempDir()), ledger.Options{Keep: func(ledger.Record) { t.Error("kept") }})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Write(ctx, ledger.Record{Kind: "route", Name: "/a", Value: []byte("one")}); err == nil {
		t.Error("Write before Run says nil")
	}
	if err := m.Loaded(ctx); err == nil {
		t.Error("Loaded before Run says nil")
	}
}

func TestARestartedProcessHasTheTimesOfActivity(t *testing.T) {
	dir := t.TempDir()
	merge := func(m *ledger.Memory, seen map[string]int64) map[string]int64 {
		t.Helper()
		others, err := m.MergeActivity(t.Context(), seen)
		if err != nil {
			t.Fatalf("MergeActivity: %v", err)
		}
		return others
	}
	live(t, dir, func(m *ledger.Memory, _ *ledgertest.Shelf) {
		for _, name := range []string{"/a", "/b", "/c"} {
			put(t, m, "route", name, "x")
		}
		if got := merge(m, map[string]int64{"/a": 5, "/b": 7, "/c": 1, "/none": 9}); len(got) != 0 {
			t.Errorf("a new file has the times %v", got)
		}
		merge(m, map[string]int64{"/a": 4, "/b": 8}) // the latest counts
		put(t, m, "route", "/c", "")
		put(t, m, "route", "/c", "another")
	})
	live(t, dir, func(m *ledger.Memory, _ *ledgertest.Shelf) {
		if got, want := merge(m, nil), map[string]int64{"/a": 5, "/b": 8}; !maps.Equal(got, want) {
			t.Errorf("the next process has the times %v, want %v", got, want)
		}
		if got := merge(m, nil); len(got) != 0 {
			t.Errorf("it has %v once more", got)
		}
	})
}
