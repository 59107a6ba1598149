package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/block"
)

// What the store remembers of an agent that has an identity, so that the agent can go on after the loss of its spool: the
// generation of its spools, and for each source of each log the checkpoint of the last committed block. A checkpoint is
// stored in the transaction that commits its block, and so it never stands without its lines, nor they without it.

// maxSources bounds the checkpoints of one log and identity. Beyond it, the one that has not changed for longest leaves.
const maxSources = 1000

// Generation is one spool in the succession of an identity's spools.
type Generation struct {
	Number uint64
	// Since is when the identity was first heard of, by the agent's clock, in milliseconds since 1970 UTC; 0 if its lines
	// came before any spool had asked: then nobody can tell.
	Since int64
}

// SourceCheckpoint is the checkpoint of the last committed block of one log that came from one source.
type SourceCheckpoint struct {
	Log string
	block.Checkpoint
}

// BeginGeneration begins the next generation of the identity, for the spool of that name: a repeated call with the same
// spool begins none. now is the agent's clock, in milliseconds. The generation is durable at return, and from then on
// Join refuses older ones.
func (s *Store) BeginGeneration(identity string, spool uuid.UUID, now int64) (Generation, error) {
	var g generation
	err := s.ledger.db.Update(func(tx *bolt.Tx) error {
		var known bool
		var err error
		if g, known, err = getGeneration(tx, identity); err != nil || known && g.spool == spool {
			return err
		}
		if !known {
			g.Since = now
		}
		g.Number++
		g.spool = spool
		return putGeneration(tx, identity, g)
	})
	if err != nil {
		return Generation{}, fmt.Errorf("begin a generation of identity %q: %w", identity, err)
	}
	return g.Generation, nil
}

// Join says that a stream of that generation of the identity begins. An older one than the newest known is refused with
// a SupersededError. One that is new here is durable at return: other Scribes have begun it, or it is 0, of a spool that
// never asked.
func (s *Store) Join(identity string, number uint64) error {
	g, known, err := s.generation(identity)
	if err == nil && (!known || number > g.Number) {
		g, err = s.enterGeneration(identity, number)
	}
	switch {
	case err != nil:
		return fmt.Errorf("look up identity %q: %w", identity, err)
	case number < g.Number:
		return &SupersededError{Identity: identity, Generation: number, Newest: g.Number}
	}
	return nil
}

func (s *Store) generation(identity string) (g generation, known bool, err error) {
	err = s.ledger.db.View(func(tx *bolt.Tx) error {
		g, known, err = getGeneration(tx, identity)
		return err
	})
	return g, known, err
}

// enterGeneration stores a generation that a stream told of, and returns the newest.
func (s *Store) enterGeneration(identity string, number uint64) (g generation, err error) {
	err = s.ledger.db.Update(func(tx *bolt.Tx) error {
		var known bool
		if g, known, err = getGeneration(tx, identity); err != nil || known && g.Number >= number {
			return err
		}
		if !known && number > 0 {
			g.Since = s.now().UnixMilli()
		}
		g.Number, g.spool = number, uuid.UUID{}
		return putGeneration(tx, identity, g)
	})
	return g, err
}

// checkpointsAtOnce is how many bytes of checkpoints are read in one transaction.
const checkpointsAtOnce = 512 << 10

// Checkpoints hands all checkpoints of the identity to visit, a part at a time, and no transaction is held meanwhile.
// Only what a Commit has covered is among them. visit's error ends it and is returned.
func (s *Store) Checkpoints(identity string, visit func([]SourceCheckpoint) error) error {
	prefix := identityPrefix(identity)
	for from := prefix; from != nil; {
		var part []SourceCheckpoint
		err := s.ledger.db.View(func(tx *bolt.Tx) error {
			c := tx.Bucket(bucketCheckpoints).Cursor()
			k, v := c.Seek(from)
			for size := 0; bytes.HasPrefix(k, prefix) && size < checkpointsAtOnce; k, v = c.Next() {
				at, err := decodeReached(k, v)
				if err != nil {
					return err
				}
				log, source, _ := bytes.Cut(k[len(prefix):], []byte{0})
				part = append(part, SourceCheckpoint{string(log), block.Checkpoint{Source: string(source), Value: bytes.Clone(at.value)}})
				size += len(k) + len(v)
			}
			from = nil
			if bytes.HasPrefix(k, prefix) {
				from = bytes.Clone(k)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read the checkpoints of identity %q: %w", identity, err)
		}
		if err := visit(part); err != nil {
			return err
		}
	}
	return nil
}

// source names a checkpoint within a log.
type source struct{ identity, name string }

// putReached stores the checkpoints that a log's blocks have reached.
func putReached(tx *bolt.Tx, log string, reached map[source][]byte, now time.Time) error {
	bucket := tx.Bucket(bucketCheckpoints)
	crowded := map[string]struct{}{} // identities that may have too many now
	for src, value := range reached {
		key := fmt.Appendf(nil, "%s\x00%s\x00%s", src.identity, log, src.name)
		if bucket.Get(key) == nil {
			crowded[src.identity] = struct{}{}
		}
		if err := bucket.Put(key, encodeReached(value, now)); err != nil {
			return err
		}
	}
	for identity := range crowded {
		if err := forgetSources(bucket, fmt.Appendf(nil, "%s\x00%s\x00", identity, log)); err != nil {
			return err
		}
	}
	return nil
}

// forgetSources removes what is too much of the checkpoints whose keys begin with prefix.
func forgetSources(bucket *bolt.Bucket, prefix []byte) error {
	type aged struct {
		key     []byte
		changed int64
	}
	var all []aged
	c := bucket.Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		at, _ := decodeReached(k, v) // what can't be read leaves first
		all = append(all, aged{key: bytes.Clone(k), changed: at.changed})
	}
	if len(all) <= maxSources {
		return nil
	}
	slices.SortFunc(all, func(a, b aged) int { return cmp.Compare(a.changed, b.changed) })
	for _, a := range all[:len(all)-maxSources] {
		if err := bucket.Delete(a.key); err != nil {
			return err
		}
	}
	return nil
}

func identityPrefix(identity string) []byte { return append([]byte(identity), 0) }

// generation is what an identity record stores, integers big-endian:
//
//	offset  width  meaning
//	0       1      version of this record, 1
//	1       8      the number of the newest generation
//	9       16     the spool that it began with (UUID); zero if another Scribe was asked for it
//	25      8      when the identity was first heard of, milliseconds since 1970 UTC; see Generation
type generation struct {
	Generation
	spool uuid.UUID
}

const (
	generationVersion = 1
	generationSize    = 33
)

func putGeneration(tx *bolt.Tx, identity string, g generation) error {
	buf := make([]byte, 0, generationSize)
	buf = append(buf, generationVersion)
	buf = binary.BigEndian.AppendUint64(buf, g.Number)
	buf = append(buf, g.spool[:]...)
	buf = binary.BigEndian.AppendUint64(buf, uint64(g.Since))
	return tx.Bucket(bucketIdentities).Put([]byte(identity), buf)
}

// getGeneration returns the zero generation for an identity that is not known.
func getGeneration(tx *bolt.Tx, identity string) (g generation, known bool, err error) {
	value := tx.Bucket(bucketIdentities).Get([]byte(identity))
	switch {
	case value == nil:
		return g, false, nil
	case len(value) > 0 && value[0] != generationVersion:
		return g, true, fmt.Errorf("%w: record of identity %q has version %d, this release reads %d", ErrVersion, identity, value[0], generationVersion)
	case len(value) != generationSize:
		return g, true, fmt.Errorf("%w: record of identity %q has %d bytes instead of %d", ErrDamaged, identity, len(value), generationSize)
	}
	g.Number = binary.BigEndian.Uint64(value[1:])
	g.spool = uuid.UUID(value[9:25])
	g.Since = int64(binary.BigEndian.Uint64(value[25:]))
	return g, true, nil
}

// reached is what a checkpoint record stores, integers big-endian:
//
//	offset  width  meaning
//	0       1      version of this record, 1
//	1       8      when it was committed, milliseconds since 1970 UTC
//	9       n      the checkpoint's value, as the block carried it
type reached struct {
	changed int64
	value   []byte // part of the record's memory
}

const (
	reachedVersion = 1
	reachedHeader  = 9
)

func encodeReached(value []byte, now time.Time) []byte {
	buf := make([]byte, 0, reachedHeader+len(value))
	buf = append(buf, reachedVersion)
	buf = binary.BigEndian.AppendUint64(buf, uint64(now.UnixMilli()))
	return append(buf, value...)
}

func decodeReached(key, record []byte) (reached, error) {
	if len(record) > 0 && record[0] != reachedVersion {
		return reached{}, fmt.Errorf("%w: checkpoint record %q has version %d, this release reads %d", ErrVersion, key, record[0], reachedVersion)
	}
	if len(record) < reachedHeader {
		return reached{}, fmt.Errorf("%w: checkpoint record %q has %d bytes", ErrDamaged, key, len(record))
	}
	return reached{changed: int64(binary.BigEndian.Uint64(record[1:])), value: record[reachedHeader:]}, nil
}
