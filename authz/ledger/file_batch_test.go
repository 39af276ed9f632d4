package ledger

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"
)

func TestWhoComesDuringACommitIsWrittenTogether(t *testing.T) {
	const callers = 50
	f, err := OpenFile(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var kept []string
	keep := func(r Record) { kept = append(kept, string(r.Value)) }

	f.committing.Lock() // a batch is being written
	before := transactions(f)
	var writing sync.WaitGroup
	for i := range callers {
		writing.Go(func() {
			if err := f.write(Record{Kind: "route", Name: "/a", Value: fmt.Append(nil, i)}, keep); err != nil {
				t.Errorf("write: %v", err)
			}
		})
	}
	for f.waiting() < callers {
		runtime.Gosched()
	}
	f.committing.Unlock()
	writing.Wait()

	if n := transactions(f) - before; n != 1 {
		t.Errorf("%d commits for what came during one, want 1", n)
	}
	if len(kept) != callers {
		t.Fatalf("%d records kept, want %d", len(kept), callers)
	}
	err = f.db.View(func(tx *bbolt.Tx) error {
		key := fileKey(Record{Kind: "route", Name: "/a"})
		value, ok := summedValue(key, tx.Bucket(recordBucket).Get(key))
		if last := kept[callers-1]; !ok || string(value) != last {
			t.Errorf("the file says %q, kept last was %q", value, last)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestARecordThatCannotBeWrittenIsInNoBatch(t *testing.T) {
	f, err := OpenFile(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	f.committing.Lock() // a batch would not come to its end
	defer f.committing.Unlock()
	err = f.write(Record{Kind: "route", Name: strings.Repeat("x", bbolt.MaxKeySize), Value: []byte("x")}, nil)
	if err == nil || f.waiting() != 0 {
		t.Errorf("write = %v, %d records wait; want an error at once", err, f.waiting())
	}
}

func TestAFileThatLacksSomethingIsBroken(t *testing.T) {
	record := Record{Kind: "route", Name: "/a", Value: []byte("x")}
	for name, damage := range map[string]func(*bbolt.Tx) error{
		"a record": func(tx *bbolt.Tx) error { return tx.Bucket(recordBucket).Delete(fileKey(record)) },
		"all":      func(tx *bbolt.Tx) error { return tx.DeleteBucket(recordBucket) },
		"activity": func(tx *bbolt.Tx) error { return tx.DeleteBucket(activityBucket) },
	} {
		dir := t.TempDir()
		f, err := OpenFile(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.write(record, func(Record) {}); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.db.Update(damage), f.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err = OpenFile(dir); !errors.Is(err, errBroken) {
			t.Errorf("without %s: opening says %v, want %v", name, err, errBroken)
		}
	}
}

// waiting returns how many records wait for the next commit.
func (f *File) waiting() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.next == nil {
		return 0
	}
	return len(f.next.records)
}

// transactions returns the number of commits.
func transactions(f *File) (n int) {
	_ = f.db.View(func(tx *bbolt.Tx) error { n = tx.ID(); return nil })
	return n
}
