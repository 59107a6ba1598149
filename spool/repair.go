package spool

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/boltfile"
)

// Repair makes a sound spool of what can be read of the one at path. Every block whose bytes are sound is kept, in
// its place; lines that are lost leave theirs empty, and are counted as set aside when their turn comes. The damaged file is
// kept beside the new one, under another name, and is not changed. When Repair returns, the new file is durable. The report is of what was found, and
// names the damaged file; if it names none, the spool was sound, and nothing was done. The error wraps ErrLocked if
// others have the spool open (see AwaitReaders), ErrVersion if a later release wrote it, ErrDamaged if nothing can be read of it.
func Repair(path string) (*Report, error) {
	file, err := boltfile.Lock(path, false)
	if err != nil {
		return nil, toolError(path, err)
	}
	defer file.Close() // what was written was synced
	s, err := surveyFile(file, true)
	if err != nil {
		return nil, fmt.Errorf("repair spool %s: %w", path, err)
	}
	report := s.report(path)
	if s.sound() {
		return report, nil
	}
	if err := s.rewrite(path + repairSuffix); err != nil {
		return nil, errors.Join(fmt.Errorf("repair spool %s: %w", path, err), os.Remove(path+repairSuffix))
	}
	aside := asideName(path)
	if err := replace(path, path+repairSuffix, aside); err != nil {
		return nil, fmt.Errorf("repair spool %s: %w", path, err)
	}
	report.SetAside = aside
	return report, nil
}

// repairSuffix names the file that is to take a damaged one's place.
const repairSuffix = ".repair"

// asideName returns a name for a damaged file that is set aside now.
func asideName(path string) string {
	return path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000000Z")
}

// replace gives the file at path the name aside, and puts the replacement in its place. Where the file system has links
// there is no moment without a file at path: an agent that starts in it would begin with an empty spool.
func replace(path, replacement, aside string) error {
	if os.Link(path, aside) != nil { // not every file system has links
		if err := os.Rename(path, aside); err != nil {
			return err
		}
	}
	if err := os.Rename(replacement, path); err != nil {
		return err
	}
	return boltfile.SyncFolder(path)
}

// rewrite makes a spool of what was found, at path.
func (s *survey) rewrite(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	db, err := boltfile.OpenWith(path, s.pageSize())
	if err != nil {
		return err
	}
	db.NoSync = true // once, at the end
	err = s.writeRecords(db)
	if err == nil {
		err = s.writeBlocks(db)
	}
	if err == nil {
		err = db.Sync()
	}
	return errors.Join(err, db.Close())
}

func (s *survey) writeRecords(db *boltfile.DB) error {
	s.renumber()
	return db.Update(func(tx *bolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		meta := maps.Clone(s.meta)
		meta[string(keyVersion)] = []byte{layoutVersion}
		meta[string(keyProducer)] = s.producer[:]
		meta[string(keyOrigin)] = encodeOrigin(origin{}) // as of a copy, so that new lines get a new producer
		err := putAll(tx.Bucket(bucketMeta), meta)
		queues := map[string][]byte{}
		for log, l := range s.logs {
			l.recount(log, s.losses)
			s.losses.raise(log, &l.queue, time.Now().UTC()) // the page of its entries may be the damaged one
			queues[log] = encodeQueue(log, l.queue)
		}
		for key, l := range s.losses {
			err = errors.Join(err, putLoss(tx.Bucket(bucketLosses), key, l))
		}
		return errors.Join(err, putAll(tx.Bucket(bucketQueues), queues), putAll(tx.Bucket(bucketCheckpoints), s.checkpoints))
	})
}

func putAll(b *bolt.Bucket, all map[string][]byte) error {
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if err := b.Put([]byte(key), all[key]); err != nil {
			return err
		}
	}
	return nil
}

// renumber numbers the logs anew: where one is lost, its number would be given out again.
func (s *survey) renumber() {
	clear(s.names)
	for i, log := range slices.Sorted(maps.Keys(s.logs)) {
		s.logs[log].id = uint32(i + 1)
		s.names[s.logs[log].id] = log
	}
}

// writeBlocks copies the blocks, in transactions of some megabytes.
func (s *survey) writeBlocks(db *boltfile.DB) error {
	for _, log := range slices.Sorted(maps.Keys(s.logs)) {
		l := s.logs[log]
		for rest := l.blocks; len(rest) > 0; {
			n, size := 0, int64(0)
			for ; n < len(rest) && size < maxGroup; n++ {
				size += rest[n].size
			}
			err := db.Update(func(tx *bolt.Tx) error { return s.copyBlocks(tx.Bucket(bucketBlocks), l.id, rest[:n]) })
			if err != nil {
				return err
			}
			rest = rest[n:]
		}
	}
	return nil
}

func (s *survey) copyBlocks(to *bolt.Bucket, id uint32, found []stored) error {
	for _, b := range found {
		value := make([]byte, b.size)
		if _, err := s.r.ReadAt(value, b.at); err != nil {
			return err
		}
		if err := boltfile.PutSingle(to, blockKey(id, b.first), value); err != nil {
			return err
		}
	}
	return nil
}
