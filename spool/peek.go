package spool

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/logscribe/logscribe/internal/boltfile"
	"github.com/logscribe/logscribe/internal/bolttree"
)

// peekAttempts is how often ReadCheckpoints tries to read the spool of a running agent between two of its transactions,
// and peekPause the time between two attempts.
const (
	peekAttempts = 200
	peekPause    = 5 * time.Millisecond
)

// ReadCheckpoints returns the checkpoints of the spool at path whose keys begin with prefix, as of one moment, and changes
// nothing; an agent may have it open. The error wraps fs.ErrNotExist when there is no spool.
func ReadCheckpoints(path, prefix string) (map[string][]byte, error) {
	file, inUse, err := boltfile.OpenForReading(path)
	if err != nil {
		return nil, fmt.Errorf("read spool: %w", err)
	}
	defer file.Close()
	for range peekAttempts {
		var all map[string][]byte
		if all, err = peek(file, prefix); err == nil {
			return all, nil
		}
		if inUse == nil {
			break
		}
		time.Sleep(peekPause)
	}
	return nil, fmt.Errorf("read spool %s: %w", path, err)
}

var errMoved = errors.New("the agent writes to it all the time; try again")

// peek reads the checkpoints. bbolt never writes to the pages of its newest tree: so what was read is one tree, if that is
// the newest still.
func peek(file *os.File, prefix string) (all map[string][]byte, err error) {
	tree, err := newestTree(file)
	if err != nil {
		return nil, err
	}
	all = map[string][]byte{}
	tree.Walk(func(_ string, e bolttree.Element) {
		if !bytes.HasPrefix(e.Key, []byte(prefix)) {
			return
		}
		value, problem := e.Value()
		if problem != nil {
			err = problem
		}
		all[string(e.Key)] = value
	}, func(_ string, problem error) { err = problem }, string(bucketCheckpoints))
	if err != nil {
		return nil, err
	}
	now, err := newestTree(file)
	if err == nil && now.Meta().Transaction != tree.Meta().Transaction {
		err = errMoved
	}
	return all, err
}

func newestTree(file *os.File) (*bolttree.File, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	return bolttree.Open(file, info.Size())
}
