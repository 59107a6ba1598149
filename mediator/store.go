package mediator

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/boltfile"
)

// StoreFile is the name of the mediator's file in its data folder.
const StoreFile = "mediator.db"

// The store is a bbolt file with three buckets:
//
//	meta     "format" → 1 byte, the version of this arrangement, 1
//	scribes  a Scribe's identity → its registration
//	owners   a log's name → its ownership
//
// Every value begins with a version of its own. Numbers are big-endian.
var (
	metaBucket    = []byte("meta")
	scribesBucket = []byte("scribes")
	ownersBucket  = []byte("owners")
	formatKey     = []byte("format")
)

const (
	storeFormat         = 1
	registrationVersion = 1
	ownershipVersion    = 1
)

// What can be wrong with a stored value.
var (
	errVersion = errors.New("unsupported version")
	errShort   = errors.New("damaged: too short")
)

// registration is what a Scribe has told of itself.
type registration struct {
	id       string
	address  string
	root     [16]byte
	software string
}

// encode returns the registration without its identity, which is the key:
//
//	offset  width  meaning
//	0       1      version, 1
//	1       16     root
//	17      2      n, the length of the address
//	19      n      address
//	19+n           software version, to the end
func (r registration) encode() []byte {
	b := append([]byte{registrationVersion}, r.root[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.address)))
	b = append(b, r.address...)
	return append(b, r.software...)
}

func decodeRegistration(id, b []byte) (registration, error) {
	r := registration{id: string(id)}
	if len(b) > 0 && b[0] != registrationVersion {
		return r, fmt.Errorf("%w %d", errVersion, b[0])
	}
	if len(b) < 19 || len(b) < 19+int(binary.BigEndian.Uint16(b[17:])) {
		return r, errShort
	}
	n := 19 + int(binary.BigEndian.Uint16(b[17:]))
	r.root, r.address, r.software = [16]byte(b[1:]), string(b[19:n]), string(b[n:])
	return r, nil
}

// ownership says which Scribe alone may write a log, and under which epoch.
type ownership struct {
	owner string
	epoch uint64
}

// encode returns the ownership; the log's name is the key:
//
//	offset  width  meaning
//	0       1      version, 1
//	1       8      epoch
//	9              the owner's identity, to the end
func (o ownership) encode() []byte {
	b := binary.BigEndian.AppendUint64([]byte{ownershipVersion}, o.epoch)
	return append(b, o.owner...)
}

func decodeOwnership(b []byte) (ownership, error) {
	if len(b) > 0 && b[0] != ownershipVersion {
		return ownership{}, fmt.Errorf("%w %d", errVersion, b[0])
	}
	if len(b) < 9 {
		return ownership{}, errShort
	}
	return ownership{epoch: binary.BigEndian.Uint64(b[1:]), owner: string(b[9:])}, nil
}

// store is the mediator's durable memory. What a put has returned for is on disk. Puts may come from several
// goroutines.
type store struct {
	file string
	db   *boltfile.DB
}

// openStore opens the store in the folder, which it makes if it is missing, and locks it for this process.
func openStore(dir string) (*store, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	s := &store{file: filepath.Join(dir, StoreFile)}
	db, err := boltfile.Open(s.file)
	locked, isLocked := errors.AsType[*boltfile.LockedError](err)
	switch {
	case isLocked:
		return nil, fmt.Errorf("%s is in use by %s", s.file, locked.Who())
	case err != nil:
		return nil, fmt.Errorf("%s: %w", s.file, err)
	}
	s.db = db
	if err := s.prepare(); err != nil {
		db.Close()
		return nil, fmt.Errorf("%s: %w", s.file, err)
	}
	return s, nil
}

func (s *store) prepare() error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		if err := boltfile.MakeBuckets(tx, metaBucket, scribesBucket, ownersBucket); err != nil {
			return err
		}
		meta := tx.Bucket(metaBucket)
		switch v := meta.Get(formatKey); {
		case v == nil:
			return meta.Put(formatKey, []byte{storeFormat})
		case len(v) != 1 || v[0] != storeFormat:
			return fmt.Errorf("format %x: %w; it was written by a later release", v, errVersion)
		}
		return nil
	})
}

// load reads all that is stored.
func (s *store) load() (scribes []registration, owners map[string]ownership, err error) {
	owners = make(map[string]ownership)
	err = s.db.View(func(tx *bbolt.Tx) error {
		err := tx.Bucket(scribesBucket).ForEach(func(k, v []byte) error {
			r, err := decodeRegistration(k, v)
			if err != nil {
				return fmt.Errorf("%s: registration of Scribe %q: %w", s.file, k, err)
			}
			scribes = append(scribes, r)
			return nil
		})
		if err != nil {
			return err
		}
		return tx.Bucket(ownersBucket).ForEach(func(k, v []byte) error {
			o, err := decodeOwnership(v)
			if err != nil {
				return fmt.Errorf("%s: owner of log %q: %w", s.file, k, err)
			}
			owners[string(k)] = o
			return nil
		})
	})
	return scribes, owners, err
}

func (s *store) putScribe(r registration) error {
	return s.put(func(tx *bbolt.Tx) error { return tx.Bucket(scribesBucket).Put([]byte(r.id), r.encode()) })
}

func (s *store) putOwners(changed map[string]ownership) error {
	return s.put(func(tx *bbolt.Tx) error {
		for log, o := range changed {
			if err := tx.Bucket(ownersBucket).Put([]byte(log), o.encode()); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *store) put(change func(*bbolt.Tx) error) error {
	if err := s.db.Update(change); err != nil {
		return fmt.Errorf("%s: %w", s.file, err)
	}
	return nil
}

func (s *store) close() error { return s.db.Close() }
