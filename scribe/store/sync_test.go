package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// syncs stands for fdatasync.
type syncs struct {
	mu    sync.Mutex
	fail  string // files whose name begins so fail
	err   error
	bad   map[*os.File]bool // have failed
	again int               // how often one that has failed was synced again
	calls int
}

func (y *syncs) datasync(f *os.File) error {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.calls++
	if y.bad[f] {
		y.again++
		return nil // as the kernel would: it has forgotten what it could not write
	}
	if y.fail != "" && strings.HasPrefix(filepath.Base(f.Name()), y.fail) {
		y.bad[f] = true
		return y.err
	}
	return fdatasync(f)
}

func (y *syncs) setFail(name string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.fail = name
}

// TestAFailedSyncIsFinal: what a failed fdatasync was to make durable is not acknowledged, whatever a second one says; it
// is cut off and taken again. Other logs of the round are committed.
func TestAFailedSyncIsFinal(t *testing.T) {
	for name, maxSize := range map[string]int64{"one file": 0, "rotated files": 50} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			s := open(t, root, Options{Policy: Policy{MaxSize: maxSize}})
			y := &syncs{err: syscall.EIO, bad: map[*os.File]bool{}}
			s.fdatasync = y.datasync
			mustAppend(t, s, numbered("bad", alice, 1, 3, 10))
			mustAppend(t, s, numbered("good", alice, 1, 3, 10))
			mustCommit(t, s)

			y.setFail("bad")
			for range 3 { // again and again
				_, lost, err := s.Append(numbered("bad", alice, 4, 20, 10))
				if err != nil {
					t.Fatal(err)
				}
				mustAppend(t, s, numbered("good", alice, 1, 20, 10))
				mustCommit(t, s)
				wantCommitted(t, s, "bad", alice, 3)
				wantCommitted(t, s, "good", alice, 20)
				if err := lost.Lost(); !errors.Is(err, ErrLost) || !errors.Is(err, syscall.EIO) {
					t.Errorf("the lines' ticket says %v", err)
				}
				wantContent(t, root, "bad", lines(alice, 1, 3, 10))
			}

			y.setFail("")
			mustAppend(t, s, numbered("bad", alice, 4, 20, 10))
			mustCommit(t, s)
			wantCommitted(t, s, "bad", alice, 20)
			crash(t, s)
			open(t, root, Options{Policy: Policy{MaxSize: maxSize}})
			wantContent(t, root, "bad", lines(alice, 1, 20, 10))
			wantContent(t, root, "good", lines(alice, 1, 20, 10))
			if y.again > 0 {
				t.Errorf("%d times a file was synced again that had failed", y.again)
			}
		})
	}
}

// TestProcessCrashSyncsNothing, and still brings a log back to its committed state.
func TestProcessCrashSyncsNothing(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{Durability: ProcessCrash, Policy: Policy{MaxSize: 50}})
	y := &syncs{bad: map[*os.File]bool{}}
	s.fdatasync = y.datasync
	mustAppend(t, s, numbered("a", alice, 1, 20, 10))
	mustCommit(t, s)
	wantCommitted(t, s, "a", alice, 20)
	mustAppend(t, s, numbered("a", alice, 21, 40, 10))
	crash(t, s)
	s = open(t, root, Options{Durability: ProcessCrash, Policy: Policy{MaxSize: 50}})
	wantCommitted(t, s, "a", alice, 20)
	wantContent(t, root, "a", lines(alice, 1, 20, 10))
	if y.calls > 0 || !s.ledger.db.NoSync {
		t.Errorf("%d files were synced; the ledger is not: %v", y.calls, s.ledger.db.NoSync)
	}
}
