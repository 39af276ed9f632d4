package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

const (
	fileName = "records.db"
	// lockLimit is how long another process may take to end: the file is the
	// last thing that it gives up.
	lockLimit = time.Second
)

var (
	errInUse  = errors.New("another process uses the file")
	errBroken = errors.New("the file is broken: put it back from a copy, or remove it to begin anew")
)

// OpenFile opens the file in a folder, or makes both, for one process at a time,
// and reads all of it. The error says whether another process has it, or whether
// it is broken; then it was not changed.
func OpenFile(dir string) (*File, error) {
	f, err := openFile(dir)
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %s: %w", dir, fileName, err)
	}
	return f, nil
}

func openFile(dir string) (*File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, fileName)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = createFile(dir, path)
	case err == nil && info.Size() == 0: // bbolt would take it for a new one
		err = errBroken
	}
	if err != nil {
		return nil, err
	}
	db, err := openBolt(path)
	if err != nil {
		return nil, err
	}
	f := &File{db: db, activity: make(map[string]int64)}
	if err := guarded(func() error { return db.View(f.read) }); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return f, nil
}

// createFile makes an empty file under another name and then gives it its own: a
// file that is there has its buckets, however the process that made it ended.
func createFile(dir, path string) error {
	made, err := os.CreateTemp(dir, fileName+".*") // mode 0600
	if err != nil {
		return err
	}
	err = made.Close()
	defer func() { _ = os.Remove(made.Name()) }() // gone already, if it was renamed
	if err != nil {
		return err
	}
	db, err := openBolt(made.Name())
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err1 := tx.CreateBucket(recordBucket)
		_, err2 := tx.CreateBucket(activityBucket)
		return errors.Join(err1, err2)
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	// A link does not replace a file that another process made meanwhile; some
	// network file systems have none.
	if err = os.Link(made.Name(), path); errors.Is(err, fs.ErrExist) {
		return nil
	} else if err != nil {
		err = os.Rename(made.Name(), path)
	}
	return errors.Join(err, syncDir(dir))
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// openBolt opens a file that is there and takes its lock.
func openBolt(path string) (db *bbolt.DB, err error) {
	err = guarded(func() error {
		var err error
		db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockLimit})
		return err
	})
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return nil, errInUse
	case err == nil, isSystem(err), errors.Is(err, errBroken):
		return db, err
	}
	return nil, fmt.Errorf("%w (%w)", errBroken, err)
}

// isSystem reports whether an error is the operating system's: a file that may
// not be read may be sound.
func isSystem(err error) bool {
	var call *fs.PathError
	var number syscall.Errno
	return errors.As(err, &call) || errors.As(err, &number)
}

// guarded turns the panics of bbolt over a damaged file into an error, also
// those for pages that are not there any more: the file is mapped into memory.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w (%v)", errBroken, p)
		}
	}()
	return f()
}

// read takes in the whole file. Activity of what is no record is left out.
func (f *File) read(tx *bbolt.Tx) error {
	records, activity := tx.Bucket(recordBucket), tx.Bucket(activityBucket)
	if records == nil || activity == nil {
		return errBroken
	}
	named := make(map[string]bool)
	err := records.ForEach(func(key, sum []byte) error {
		value, ok := summedValue(key, sum)
		kind, name, found := strings.Cut(string(key), ":")
		if !ok || !found {
			return errBroken
		}
		f.records = append(f.records, Record{Kind: kind, Name: name, Value: bytes.Clone(value)})
		named[name] = true
		return nil
	})
	if err != nil {
		return err
	}
	if records.Sequence() != uint64(len(f.records)) {
		return errBroken
	}
	return activity.ForEach(func(key, sum []byte) error {
		ms, err := readTime(key, sum)
		if named[string(key)] {
			f.activity[string(key)] = ms
		}
		return err
	})
}

// fileKey is the key of a record. A kind has no colon.
func fileKey(r Record) []byte { return []byte(r.Kind + ":" + r.Name) }

// castagnoli is the polynomial that processors compute by themselves.
//
//nolint:gochecknoglobals // a constant table
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum covers the key, too: a value is not to be found under another.
func checksum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}

// summed is a value as the file has it.
func summed(key, value []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, checksum(key, value)), value...)
}

// summedValue returns the value, if the sum is right.
func summedValue(key, sum []byte) (value []byte, ok bool) {
	if len(sum) < 4 {
		return nil, false
	}
	value = sum[4:]
	return value, binary.BigEndian.Uint32(sum) == checksum(key, value)
}

// readTime reads a time of activity.
func readTime(key, sum []byte) (ms int64, err error) {
	value, ok := summedValue(key, sum)
	if !ok || len(value) != 8 {
		return 0, errBroken
	}
	return int64(binary.BigEndian.Uint64(value)), nil
}
