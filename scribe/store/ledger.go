package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/boltfile"
	"github.com/logscribe/logscribe/internal/failpoint"
)

// ledger is the store's durable memory, a bbolt file with six buckets:
//
//	meta         "version" -> 1 byte, the version of this layout, 1
//	             "root" -> 16 bytes, the identity of the root folder (UUID)
//	logs         log name -> log record, see entry
//	producers    log name, 0x00, producer (16 bytes) -> producer record, see encodeMark
//	identities   an agent's identity -> identity record, see generation
//	files        log name, 0x00, time in the name of a rotated file (8 bytes) -> file record, see fileRecord
//	checkpoints  an agent's identity, 0x00, log name, 0x00, name of the source -> checkpoint record, see reached
//
// The last three are missing in ledgers of earlier releases, and made when such a ledger is opened.
type ledger struct {
	db   *boltfile.DB
	root uuid.UUID

	known atomic.Int64 // the number of logs; what reads them all begins it
}

const layoutVersion = 1

// batchDelay is how long a change waits for others to share its transaction.
const batchDelay = 200 * time.Microsecond

var (
	bucketMeta        = []byte("meta")
	bucketLogs        = []byte("logs")
	bucketProducers   = []byte("producers")
	bucketFiles       = []byte("files")
	bucketIdentities  = []byte("identities")
	bucketCheckpoints = []byte("checkpoints")

	keyVersion = []byte("version")
	keyRoot    = []byte("root")
)

// entry is what the ledger knows of one log. Its record, integers big-endian:
//
//	offset  width  meaning
//	0       1      version of this record, 3
//	1       8      size: committed size of the active file in bytes
//	9       8      rotated: time in the name of the last committed rotation, microseconds since 1970 UTC; 0 for none
//	17      8      reserved: the time up to which names of rotated files may have been used; in the same unit
//	25      8      epoch: the highest epoch of ownership seen
//	33      8      begun: when the active file's first line was written, in the same unit; 0 if that is not known
//	41      1      form of the active file: 0 plain, 1 zstd frames
//	42      1      1 if the checksum of what is committed of the active file is known, else 0
//	43      4      that checksum, CRC-32C
//
// Records of version 1 end before begun, those of version 2 before the form, which is plain then.
type entry struct {
	size     int64
	rotated  int64
	reserved int64
	epoch    uint64
	begun    int64
	form     Form
	sum      checksum // of what is committed of the active file
}

// uncommitted says whether the log's rotated file comes from a rotation that is not committed.
func (e entry) uncommitted(f rotatedFile) bool {
	return f.stamp > e.rotated && f.stamp <= e.reserved && f.extension == e.form.extension()
}

const (
	entryVersion = 3
	markVersion  = 1
	markSize     = 17
)

// entrySizes are the sizes of a log's record, by version.
var entrySizes = [entryVersion + 1]int{1: 33, 2: 41, 3: 47}

func encodeEntry(e entry) []byte {
	buf := make([]byte, 0, entrySizes[entryVersion])
	buf = append(buf, entryVersion)
	buf = binary.BigEndian.AppendUint64(buf, uint64(e.size))
	buf = binary.BigEndian.AppendUint64(buf, uint64(e.rotated))
	buf = binary.BigEndian.AppendUint64(buf, uint64(e.reserved))
	buf = binary.BigEndian.AppendUint64(buf, e.epoch)
	buf = binary.BigEndian.AppendUint64(buf, uint64(e.begun))
	buf = append(buf, e.form.number())
	if !e.sum.known {
		return append(buf, 0, 0, 0, 0, 0)
	}
	return binary.BigEndian.AppendUint32(append(buf, 1), e.sum.crc)
}

func decodeEntry(log, value []byte) (entry, error) {
	if len(value) == 0 {
		return entry{}, fmt.Errorf("%w: record of log %q is empty", ErrDamaged, log)
	}
	version := int(value[0])
	if version < 1 || version > entryVersion {
		return entry{}, fmt.Errorf("%w: record of log %q has version %d, this release reads 1 to %d", ErrVersion, log, version, entryVersion)
	}
	if want := entrySizes[version]; len(value) != want {
		return entry{}, fmt.Errorf("%w: record of log %q has %d bytes instead of %d", ErrDamaged, log, len(value), want)
	}
	e := entry{
		form:     Plain,
		size:     int64(binary.BigEndian.Uint64(value[1:])),
		rotated:  int64(binary.BigEndian.Uint64(value[9:])),
		reserved: int64(binary.BigEndian.Uint64(value[17:])),
		epoch:    binary.BigEndian.Uint64(value[25:]),
	}
	if version >= 2 {
		e.begun = int64(binary.BigEndian.Uint64(value[33:]))
	}
	if version >= 3 {
		var err error
		if e.form, err = formOf(value[41]); err != nil {
			return entry{}, fmt.Errorf("record of log %q: %w", log, err)
		}
		e.sum = checksum{binary.BigEndian.Uint32(value[43:]), value[42] == 1}
	}
	if e.size == 0 {
		e.sum = emptySum
	}
	return e, nil
}

// encodeMark makes a producer record:
//
//	offset  width  meaning
//	0       1      version of this record, 1
//	1       8      the last committed sequence
//	9       8      when it was committed, milliseconds since 1970 UTC
func encodeMark(sequence uint64, at time.Time) []byte {
	buf := make([]byte, 0, markSize)
	buf = append(buf, markVersion)
	buf = binary.BigEndian.AppendUint64(buf, sequence)
	return binary.BigEndian.AppendUint64(buf, uint64(at.UnixMilli()))
}

func decodeMark(key, value []byte) (sequence uint64, at time.Time, err error) {
	if len(value) > 0 && value[0] != markVersion {
		return 0, at, fmt.Errorf("%w: producer record %q has version %d, this release reads %d", ErrVersion, key, value[0], markVersion)
	}
	if len(value) != markSize {
		return 0, at, fmt.Errorf("%w: producer record %q has %d bytes instead of %d", ErrDamaged, key, len(value), markSize)
	}
	return binary.BigEndian.Uint64(value[1:]), time.UnixMilli(int64(binary.BigEndian.Uint64(value[9:]))), nil
}

func openLedger(path string) (*ledger, error) {
	db, err := boltfile.Open(path)
	locked, isLocked := errors.AsType[*boltfile.LockedError](err)
	switch {
	case isLocked && locked.Reading:
		return nil, fmt.Errorf("open ledger %s: %w; wait for its end, or stop it", path, err)
	case isLocked:
		return nil, fmt.Errorf("open ledger %s: %w: %w; stop it, or use another folder", path, ErrLocked, err)
	case err != nil:
		return nil, fmt.Errorf("open ledger %s: %w", path, err)
	}
	db.MaxBatchDelay = batchDelay
	l := &ledger{db: db}
	if err := db.Update(l.init); err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger %s: %w", path, err), db.Close())
	}
	return l, nil
}

func (l *ledger) init(tx *bolt.Tx) error {
	if err := boltfile.MakeBuckets(tx, bucketMeta, bucketLogs, bucketProducers, bucketFiles, bucketIdentities, bucketCheckpoints); err != nil {
		return err
	}
	meta := tx.Bucket(bucketMeta)
	version, root := meta.Get(keyVersion), meta.Get(keyRoot)
	if version == nil && root == nil {
		l.root = uuid.New()
		if err := meta.Put(keyVersion, []byte{layoutVersion}); err != nil {
			return err
		}
		return meta.Put(keyRoot, l.root[:])
	}
	if len(version) != 1 || version[0] != layoutVersion {
		return fmt.Errorf("%w: layout %x, this release reads %d", ErrVersion, version, layoutVersion)
	}
	var err error
	if l.root, err = uuid.FromBytes(root); err != nil {
		return fmt.Errorf("%w: the root's identity has %d bytes", ErrDamaged, len(root))
	}
	return nil
}

// entries returns all logs.
func (l *ledger) entries() (map[string]entry, error) {
	all := map[string]entry{}
	err := l.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketLogs).ForEach(func(k, v []byte) error {
			e, err := decodeEntry(k, v)
			all[string(k)] = e
			return err
		})
	})
	return all, err
}

// log returns a log's entry and its producers' last sequences; ok is false for a log that the ledger does not know.
func (l *ledger) log(name string) (e entry, marks map[block.Producer]uint64, ok bool, err error) {
	marks = map[block.Producer]uint64{}
	err = l.db.View(func(tx *bolt.Tx) error {
		value := tx.Bucket(bucketLogs).Get([]byte(name))
		if value == nil {
			return nil
		}
		ok = true
		if e, err = decodeEntry([]byte(name), value); err != nil {
			return err
		}
		prefix := name + "\x00"
		c := tx.Bucket(bucketProducers).Cursor()
		for k, v := c.Seek([]byte(prefix)); len(k) == len(prefix)+16 && string(k[:len(prefix)]) == prefix; k, v = c.Next() {
			sequence, _, err := decodeMark(k, v)
			if err != nil {
				return err
			}
			marks[block.Producer(k[len(prefix):])] = sequence
		}
		return nil
	})
	return e, marks, ok, err
}

// change rewrites the entry of one log, in a transaction that concurrent callers share. change must depend on nothing
// but the entry it is given: it may run more than once. A log that the ledger does not know has the zero entry.
func (l *ledger) change(name string, change func(*entry)) error {
	return l.db.Batch(func(tx *bolt.Tx) error { return l.changeEntry(tx, name, change) })
}

func (l *ledger) changeEntry(tx *bolt.Tx, name string, change func(*entry)) error {
	var e entry
	bucket := tx.Bucket(bucketLogs)
	if value := bucket.Get([]byte(name)); value != nil {
		var err error
		if e, err = decodeEntry([]byte(name), value); err != nil {
			return err
		}
	} else {
		tx.OnCommit(func() { l.known.Add(1) })
	}
	change(&e)
	return bucket.Put([]byte(name), encodeEntry(e))
}

// commit stores what a round has synced, in one transaction.
func (l *ledger) commit(snapshots []*snapshot, now time.Time) error {
	if err := failpoint.Reach(failpoint.CommitLedger); err != nil {
		return err
	}
	err := l.db.Update(func(tx *bolt.Tx) error {
		producers := tx.Bucket(bucketProducers)
		for _, s := range snapshots {
			err := l.changeEntry(tx, s.log.name, func(e *entry) {
				e.size, e.sum, e.begun = s.size, s.sum, s.begun
				e.rotated = max(e.rotated, s.rotated) // a reservation since the snapshot may have set it
			})
			if err == nil {
				err = putFiles(tx, s.log.name, s.filled)
			}
			if err != nil {
				return err
			}
			for producer, sequence := range s.marks {
				key := append([]byte(s.log.name+"\x00"), producer[:]...)
				if err := producers.Put(key, encodeMark(sequence, now)); err != nil {
					return err
				}
			}
			if err := putReached(tx, s.log.name, s.reached, now); err != nil {
				return err
			}
		}
		return failpoint.Reach(failpoint.CommitRecord)
	})
	if err != nil {
		return err
	}
	return failpoint.Reach(failpoint.CommitDone)
}
