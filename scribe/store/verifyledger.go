package store

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/logscribe/logscribe/internal/bolttree"
	"github.com/logscribe/logscribe/internal/logname"
)

const (
	// attempts is how often Verify looks again at what a Scribe that runs may have changed under it.
	attempts = 50
	// stable is how often it must have seen the same before it is sure of it, and pauseBetween how long it waits in between.
	stable       = 5
	pauseBetween = 10 * time.Millisecond
	// maxLedgerProblems bounds what is said of one ledger.
	maxLedgerProblems = 100
)

// ledgerName is the ledger's path below the root.
var ledgerName = path.Join(logname.StateDir, "ledger.db")

// readLedger reads the ledger without bbolt, which would write to it: all of it, unless a Scribe has it open.
func (v *verifier) readLedger() error {
	v.entries, v.records = map[string]entry{}, map[string]map[int64]original{}
	if v.InUse {
		return v.readChanging()
	}
	tree, err := v.tree()
	if err != nil {
		return err
	}
	for _, problem := range tree.Check(maxLedgerProblems, v.record) {
		v.problem(ledgerName, "%v", problem)
	}
	v.Logs = len(v.entries)
	return nil
}

// readChanging reads which logs there are from a ledger that a Scribe writes to. Pages of the newest state may be used for
// another one while they are read. What was not readable once is tried again, and what was readable once is remembered; what
// is not readable again and again, for the same reason, is damaged.
func (v *verifier) readChanging() error {
	var last []Finding
	same := 0
	for range attempts {
		tree, err := v.tree()
		if err != nil {
			return err
		}
		v.Producers, v.Problems = 0, []Finding{}
		bad := func(bucket string, err error) { v.problem(ledgerName, "bucket %q: %v", bucket, err) }
		tree.Walk(v.record, bad, string(bucketMeta), string(bucketLogs), string(bucketProducers))
		v.Logs = len(v.entries)
		if same++; !slices.Equal(v.Problems, last) {
			same = 1
		}
		if len(v.Problems) == 0 || same == stable {
			return nil
		}
		last = v.Problems
		time.Sleep(pauseBetween)
	}
	v.Problems = []Finding{}
	v.note(ledgerName, "the Scribe changes it too fast to be read as a whole: some logs may be missing here")
	return nil
}

// tree returns the ledger's newest state. The error wraps ErrDamaged, or ErrVersion if another release has written it.
func (v *verifier) tree() (tree *bolttree.File, err error) {
	for range attempts {
		var info os.FileInfo
		if info, err = v.ledger.Stat(); err != nil {
			return nil, err
		}
		if tree, err = bolttree.Open(v.ledger, info.Size()); err == nil {
			break
		}
		err = fmt.Errorf("ledger %s: %w: %w", v.ledger.Name(), ErrDamaged, err)
		if !v.InUse {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if e, ok := tree.Get(string(bucketMeta), keyVersion); ok {
		if version, err := e.Value(); err == nil && (len(version) != 1 || version[0] != layoutVersion) {
			return nil, fmt.Errorf("ledger %s: %w: layout %x, this release reads %d", v.ledger.Name(), ErrVersion, version, layoutVersion)
		}
	}
	return tree, nil
}

// record takes one record of the ledger.
func (v *verifier) record(bucket string, e bolttree.Element) {
	value, err := e.Value()
	if err == nil {
		switch bucket {
		case string(bucketLogs):
			var log entry
			if log, err = decodeEntry(e.Key, value); err == nil {
				v.entries[string(e.Key)] = log
			}
		case string(bucketProducers):
			v.Producers++
			_, _, err = decodeMark(e.Key, value)
		case string(bucketFiles):
			err = v.fileRecord(e.Key, value)
		case string(bucketCheckpoints):
			_, err = decodeReached(e.Key, value)
		case string(bucketMeta):
			if string(e.Key) == string(keyRoot) {
				var id uuid.UUID
				id, err = uuid.FromBytes(value)
				v.Root = id.String()
			}
		}
	}
	if err != nil {
		v.problem(ledgerName, "%v", err)
	}
}

// original returns what the ledger knows of a rotated file. Pages of a ledger that a Scribe writes to may be used for others
// while they are read.
func (v *verifier) original(log string, stamp int64) original {
	if !v.InUse {
		return v.records[log][stamp]
	}
	for range stable {
		if f, err := v.readFileRecord(fileKey(log, stamp)); err == nil {
			return f.original()
		}
	}
	return original{}
}

func (v *verifier) readFileRecord(key []byte) (f fileRecord, err error) {
	tree, err := v.tree()
	if err != nil {
		return f, err
	}
	record, ok := tree.Get(string(bucketFiles), key)
	if !ok {
		return f, errors.New("there is none")
	}
	value, err := record.Value()
	if err != nil {
		return f, err
	}
	return decodeFile(key, value)
}

func (v *verifier) fileRecord(key, value []byte) error {
	log, stamp, ok := splitFileKey(key)
	if !ok {
		return fmt.Errorf("%w: a file record has the key %q", ErrDamaged, key)
	}
	f, err := decodeFile(key, value)
	if err != nil {
		return err
	}
	if v.records[log] == nil {
		v.records[log] = map[int64]original{}
	}
	v.records[log][stamp] = f.original()
	return nil
}

// entry returns the record of a log as it is now.
func (v *verifier) entry(name string) (e entry, err error) {
	for range attempts {
		var tree *bolttree.File
		if tree, err = v.tree(); err != nil {
			continue
		}
		record, ok := tree.Get(string(bucketLogs), []byte(name))
		if !ok {
			err = fmt.Errorf("ledger %s: %w: it has lost log %q", v.ledger.Name(), ErrDamaged, name)
			continue
		}
		var value []byte
		if value, err = record.Value(); err == nil {
			if e, err = decodeEntry([]byte(name), value); err == nil {
				return e, nil
			}
		}
	}
	return e, err
}
