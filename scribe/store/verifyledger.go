package store

import (
	"fmt"
	"path"
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

// readLedger reads all of the ledger without bbolt, which would write to it. The pages of one that a Scribe writes to may
// change while they are read: then it is read once more.
func (v *verifier) readLedger() error {
	for n := 1; ; n++ {
		v.entries, v.Producers, v.Root, v.Problems = map[string]entry{}, 0, "", []Finding{}
		tree, err := v.tree()
		if err == nil {
			for _, problem := range tree.Check(maxLedgerProblems, v.record) {
				v.problem(ledgerName, "%v", problem)
			}
			v.Logs = len(v.entries)
		}
		if !v.InUse || n == attempts || err == nil && len(v.Problems) == 0 {
			return err
		}
		time.Sleep(pauseBetween)
	}
}

// tree returns the ledger's newest state.
func (v *verifier) tree() (*bolttree.File, error) {
	info, err := v.ledger.Stat()
	if err != nil {
		return nil, err
	}
	tree, err := bolttree.Open(v.ledger, info.Size())
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w: %w", v.ledger.Name(), ErrDamaged, err)
	}
	return tree, nil
}

// record takes one record of the ledger.
func (v *verifier) record(bucket string, e bolttree.Element) {
	value, err := e.Value()
	if err == nil {
		switch bucket {
		case string(bucketLogs):
			v.entries[string(e.Key)], err = decodeEntry(e.Key, value)
		case string(bucketProducers):
			v.Producers++
			_, _, err = decodeMark(e.Key, value)
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
