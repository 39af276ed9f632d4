package ledger_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/ledgertest"
)

func TestTheFileIsItsOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	live(t, dir, nil)
	for path, want := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, filepath.Join(dir, "records.db"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want mode %v", path, info.Mode(), err, want)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("in the folder are %v, want one file: %v", left, err)
	}
}

func TestASecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	live(t, dir, func(*ledger.Memory, *ledgertest.Shelf) {
		_, err := ledger.OpenFile(dir)
		if err == nil || !strings.Contains(err.Error(), "another process uses the file") || !strings.Contains(err.Error(), dir) {
			t.Errorf("a second process is told %v", err)
		}
	})
	live(t, dir, nil) // the first has ended
}

func TestTwoProcessesThatMakeTheFileHaveOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opened := make(chan *ledger.File)
	for range 2 {
		go func() {
			file, _ := ledger.OpenFile(dir)
			opened <- file
		}()
	}
	a, b := <-opened, <-opened
	if (a == nil) == (b == nil) {
		t.Errorf("of two processes both or none have the file: %v, %v", a != nil, b != nil)
	}
	for _, file := range []*ledger.File{a, b} {
		if file != nil {
			_ = file.Close()
		}
	}
}

func TestAFolderThatCannotBeIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{path, filepath.Join(path, "below")} {
		if _, err := ledger.OpenFile(dir); err == nil {
			t.Errorf("%s was opened", dir)
		}
	}
}

// sound returns the content of a file with 30 records.
func sound(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	live(t, dir, func(m *ledger.Memory, _ *ledgertest.Shelf) {
		for i := range 30 {
			put(t, m, "route", fmt.Sprint("/user/", i), strings.Repeat(fmt.Sprint(i), 300))
		}
	})
	content, err := os.ReadFile(filepath.Join(dir, "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// openContent opens a file with some content and returns the names of its
// records. The error is that of OpenFile, which must leave the file alone.
func openContent(t *testing.T, content []byte) (names []string, err error) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "records.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := ledger.OpenFile(dir)
	if after, _ := os.ReadFile(path); !bytes.Equal(after, content) {
		t.Error("opening changed the file")
	}
	if err != nil {
		return nil, err
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	for _, r := range live(t, dir, nil).Kept() {
		names = append(names, r.Name)
	}
	return names, nil
}

func TestABrokenFileIsRefused(t *testing.T) {
	content := sound(t)
	for name, damaged := range map[string][]byte{
		"empty":             {},
		"cut to one page":   content[:4096],
		"cut to four pages": content[:4*4096],
		"something else":    []byte(strings.Repeat("something else\n", 1000)),
		"zeros":             make([]byte, len(content)),
	} {
		if _, err := openContent(t, damaged); err == nil || !strings.Contains(err.Error(), "the file is broken") {
			t.Errorf("%s: opening says %v", name, err)
		}
	}
}

// The pages 0 and 1 name the last two states of the file. If the later one is
// damaged, that looks like a commit that did not come to its end.
func TestADamagedFileIsNeverReadInPart(t *testing.T) {
	content := sound(t)
	refused := 0
	for at := 0; at < len(content); at += 127 {
		damaged := bytes.Clone(content)
		damaged[at] ^= 1 << (at % 8)
		names, err := openContent(t, damaged)
		switch {
		case err != nil:
			refused++
		case len(names) == 30, len(names) == 29 && at < 2*4096:
		default:
			t.Errorf("with byte %d damaged the file has %d records, want 30 or a refusal", at, len(names))
		}
	}
	if refused < 50 {
		t.Errorf("only %d damages were found", refused)
	}
}
