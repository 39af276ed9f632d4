package ledger

import (
	"encoding/binary"
	"errors"
	"sync"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// File is a local file, in a folder of its own, in which a [Memory] keeps its
// records, so that a process that starts again has them at once. It is made by
// [OpenFile].
//
// A record that [File.write] has written is on the disk: it survives the end of
// the process and of the machine. A file that is damaged is refused, not read in
// part: everything has a checksum, and the records are counted.
//
// It does not keep entries: what Memory knows of access ends with the process, as
// do all answers of the Hub.
type File struct {
	db *bbolt.DB

	mu       sync.Mutex // guards the fields below
	next     *batch     // takes in records; nil if none wait
	records  []Record   // as they were found; until they are taken
	activity map[string]int64

	committing sync.Mutex // held while a batch is written: keeps batches in order
}

// batch are records that are written in one go.
type batch struct {
	records []Record
	done    chan struct{} // closed when err is set
	err     error
}

// The buckets of the file. Keys of records are kind, colon, name; of times of
// activity, the name. Values are sums and what they are of. The sequence of the
// records is their number.
var (
	recordBucket   = []byte("records")
	activityBucket = []byte("activity")
)

// Close gives the file up. [Memory.Run] does it for the file that it was given.
func (f *File) Close() error { return f.db.Close() }

// write makes a record durable and then calls keep for it. Of several callers
// one writes for all who came while the batch before was written: a batch costs
// the disk the same however long it is.
func (f *File) write(r Record, keep func(Record)) error {
	if len(r.Kind)+1+len(r.Name) > bbolt.MaxKeySize { // others in the batch are not to fail with it
		return bbolterrors.ErrKeyTooLarge
	}
	f.mu.Lock()
	b, first := f.next, false
	if b == nil {
		b, first = &batch{done: make(chan struct{})}, true
		f.next = b
	}
	b.records = append(b.records, r)
	f.mu.Unlock()
	if first {
		f.commit(b, keep)
	}
	<-b.done
	return b.err
}

// commit writes a batch when the one before is written.
func (f *File) commit(b *batch, keep func(Record)) {
	f.committing.Lock()
	defer f.committing.Unlock()
	f.mu.Lock()
	f.next = nil // who comes now is in the next one
	f.mu.Unlock()
	defer close(b.done)
	if b.err = f.update(func(tx *bbolt.Tx) error { return put(tx, b.records) }); b.err != nil {
		return
	}
	for _, r := range b.records {
		keep(r)
	}
}

// update makes one change of the file: all of it or, with an error, nothing.
func (f *File) update(change func(*bbolt.Tx) error) error {
	return guarded(func() error { return f.db.Update(change) })
}

// put writes records, in order. The activity of one that is removed goes with it.
func put(tx *bbolt.Tx, records []Record) error {
	bucket, activity := tx.Bucket(recordBucket), tx.Bucket(activityBucket)
	count := bucket.Sequence()
	for _, r := range records {
		var err error
		key := fileKey(r)
		known := bucket.Get(key) != nil
		switch {
		case r.Value != nil:
			err = bucket.Put(key, summed(key, r.Value))
			if !known {
				count++
			}
		case known:
			err = errors.Join(bucket.Delete(key), activity.Delete([]byte(r.Name)))
			count--
		}
		if err != nil {
			return err
		}
	}
	return bucket.SetSequence(count)
}

// load calls keep for the records that the file had when it was opened.
func (f *File) load(keep func(Record)) {
	f.mu.Lock()
	records := f.records
	f.records = nil
	f.mu.Unlock()
	for _, r := range records {
		keep(r)
	}
}

// mergeActivity keeps later times and returns, once, those that the file had
// when it was opened.
func (f *File) mergeActivity(seen map[string]int64) (map[string]int64, error) {
	if len(seen) > 0 {
		if err := f.update(func(tx *bbolt.Tx) error { return putActivity(tx, seen) }); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	earlier := f.activity
	f.activity = nil
	return earlier, nil
}

func putActivity(tx *bbolt.Tx, seen map[string]int64) error {
	bucket := tx.Bucket(activityBucket)
	for name, ms := range seen {
		key := []byte(name)
		if last, err := readTime(key, bucket.Get(key)); err == nil && last >= ms {
			continue
		}
		if err := bucket.Put(key, summed(key, binary.BigEndian.AppendUint64(nil, uint64(ms)))); err != nil {
			return err
		}
	}
	return nil
}
