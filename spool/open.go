package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/google/uuid"
	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/boltfile"
)

// Open opens the spool at path, or makes it and its folder. The error wraps ErrLocked when another process has it open,
// ErrVersion when a later release wrote it, ErrDamaged when it is damaged and the remedy is to refuse it, ErrDiskFull when
// the disk is too full to open, make or repair it: then it is as it was, and Open may be called again.
func Open(path string, o Options) (*Spool, error) { return openOn(disk{}, path, o) }

// openOn is Open on a disk that may fail.
func openOn(d writable, path string, o Options) (*Spool, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := CheckMaxSize(o.MaxSize); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("make the spool's folder: %w", err)
	}
	w, err := openSound(d, path, o, "")
	if errors.Is(err, ErrDamaged) {
		w, err = openDamaged(d, path, o, err)
	}
	if isFull(err) || boltfile.IsFull(err) {
		err = fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	if err != nil {
		return nil, err
	}
	w.tellEarlierDrops()
	w.signal()
	w.beat.rest() // before anybody asks
	go w.run()
	return w.Spool, nil
}

// openSound opens a spool that is sound. A new one begins with the loss of the file that is named, if one is.
func openSound(d writable, path string, o Options, lost string) (*writer, error) {
	info, err := os.Stat(path)
	empty, missing := err == nil && info.Size() == 0, errors.Is(err, fs.ErrNotExist)
	h := holdings{logs: map[uint32]*held{}}
	file, err := openFile(path, pageSize(ownBound(o.MaxSize)), h.visit)
	if err != nil && boltfile.IsFull(err) {
		switch { // what has come into it must not make it look like another file
		case missing:
			err = errors.Join(err, os.Remove(path))
		case empty:
			err = errors.Join(err, os.Truncate(path, 0))
		}
	}
	if err != nil {
		return nil, err
	}
	if empty {
		lost = path
	}
	s := &Spool{
		path: path, maxSize: ownBound(o.MaxSize), whenFull: o.WhenFull, logger: o.Logger, file: file,
		requests: make(chan *request),
		limits:   make(chan limits),
		settles:  make(chan struct{}, 1),
		appended: make(chan struct{}, 1),
		closing:  make(chan struct{}),
		stopped:  make(chan struct{}),
		failed:   make(chan struct{}),
		queues:   map[string]queue{},
		settled:  map[string]uint64{},
		orders:   newOrders(),
		flights:  map[string]flight{},
		arrived:  map[string]arrival{},
		told:     map[string]uint64{},
		added:    map[string]struct{}{},
	}
	w := newWriter(s, d)
	if o.Eager {
		w.pace.Gap = 0
	}
	if err := w.load(&h, lost); err != nil {
		err = fmt.Errorf("open spool %s: %w", path, err)
		if empty { // the next attempt must find it so
			err = errors.Join(err, os.Truncate(path, 0))
		}
		return nil, errors.Join(err, file.Close())
	}
	s.sumLosses()
	if empty {
		o.Logger.Warn("the spool's file was empty: a new spool begins in it, and what it may have held is lost", "path", path)
	}
	return w, nil
}

func openFile(path string, page int, visit boltfile.Visitor) (*boltfile.Sized, error) {
	file, err := boltfile.OpenSized(path, page, bucketBlocks, visit)
	if err != nil {
		return nil, openError(path, err)
	}
	// Nobody else compacts this file now: it is locked.
	if err := os.Remove(path + compactSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("open spool: %w", err), file.Close())
	}
	return file, nil
}

// load reads the state of all queues, and makes the buckets and the producer of a new spool, with the loss of the file that is
// named, if one is.
func (w *writer) load(h *holdings, lost string) error {
	w.extend(w.file.PageSize()*basePages + 2*w.recordsSize())
	load := func(tx *bolt.Tx) error {
		w.current = current{} // it may run twice
		if err := boltfile.MakeBuckets(tx, bucketMeta, bucketQueues, bucketBlocks, bucketCheckpoints, bucketLosses); err != nil {
			return err
		}
		if err := w.loadMeta(tx.Bucket(bucketMeta)); err != nil {
			return err
		}
		if err := w.loadQueues(tx.Bucket(bucketQueues)); err != nil {
			return err
		}
		if err := w.loadLosses(tx.Bucket(bucketMeta), tx.Bucket(bucketLosses)); err != nil {
			return err
		}
		if lost != "" {
			if err := w.loseSpool(tx.Bucket(bucketLosses), lost); err != nil {
				return err
			}
		}
		if err := w.checkQueues(h, blocksOf(w.file, tx)); err != nil {
			return err
		}
		return w.settleIdentity(tx.Bucket(bucketMeta), tx.Bucket(bucketQueues))
	}
	err := w.disk.update(w.file, w.file.End(), load)
	if isFull(err) && w.file.MustMend() { // the list of free pages may be what has no room
		if err := w.mendRest(); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		err = w.disk.update(w.file, w.file.End(), load)
	}
	return err
}

// recordsSize returns the bytes of all queue records, which Open may have to write anew, with the losses that they count.
func (s *Spool) recordsSize() (n int64) {
	_ = s.file.View(func(tx *bolt.Tx) error { // where it fails, Update will say why
		if records := tx.Bucket(bucketQueues); records != nil {
			return records.ForEach(func(log, value []byte) error {
				n += int64(len(log)+len(value)) + itemOverhead
				return nil
			})
		}
		return nil
	})
	return n
}

func (s *Spool) loadMeta(meta *bolt.Bucket) error {
	version, producer := meta.Get(keyVersion), meta.Get(keyProducer)
	if version == nil && producer == nil {
		s.current = current{producer: uuid.New(), fresh: true}
		if err := meta.Put(keyVersion, []byte{layoutVersion}); err != nil {
			return err
		}
		return meta.Put(keyProducer, s.current.producer[:])
	}
	if len(version) != 1 || version[0] == 0 || version[0] > layoutVersion {
		return fmt.Errorf("%w: layout %x, this release reads up to %d", ErrVersion, version, layoutVersion)
	}
	if version[0] < layoutVersion { // what follows is no longer for a release that knows the older one
		if err := meta.Put(keyVersion, []byte{layoutVersion}); err != nil {
			return err
		}
	}
	var err error
	if s.current.producer, err = uuid.FromBytes(producer); err != nil {
		return fmt.Errorf("%w: the producer's identity has %d bytes", ErrDamaged, len(producer))
	}
	return nil
}

func (s *Spool) loadQueues(records *bolt.Bucket) error {
	var old []string // their version leaves it to meta whose their lines are
	err := records.ForEach(func(log, value []byte) error {
		q, err := decodeQueue(log, value, s.current.producer)
		if err != nil {
			return err
		}
		if value[0] != queueVersion {
			old = append(old, string(log))
		}
		s.queues[string(log)] = q
		if q.oldest < q.next {
			s.added[string(log)] = struct{}{}
		}
		return nil
	})
	for _, log := range old {
		err = errors.Join(err, records.Put([]byte(log), encodeQueue(log, s.queues[log])))
	}
	return err
}
