package spool_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/spool"
)

// zeroPages zeroes pages of the file in place.
func zeroPages(t *testing.T, path string, ids ...int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, id := range ids {
		if _, err := f.WriteAt(make([]byte, 4096), id*4096); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHeadersLost zeroes both pages that lead to the tree. All must be as it was: a checkpoint that was removed too.
func TestHeadersLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s := open(t, path, spool.Options{})
	for _, c := range []spool.Checkpoint{{Key: "kept", Value: []byte("1")}, {Key: "gone", Value: []byte("1")}, {Key: "gone"}, {Key: "kept", Value: []byte("0")}} {
		batch := spool.Batch{Drafts: []block.Draft{draft("a", "x"), draft("b", "y")}, Checkpoints: []spool.Checkpoint{c}}
		if err := s.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	producer := s.Producer()
	s.Close()
	zeroPages(t, path, 0, 1)
	report, err := spool.Repair(path)
	if err != nil || len(report.Logs) != 2 || report.Logs[0].Lines != 4 || report.Logs[1].Lost != 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	s = open(t, path, spool.Options{})
	if s.Producer() == producer {
		t.Error("new lines have the old producer: what it has numbered since is not known")
	}
	checkpoints, err := s.Checkpoints("")
	if diff := cmp.Diff(map[string][]byte{"kept": []byte("0")}, checkpoints); err != nil || diff != "" {
		t.Errorf("%v, checkpoints:\n%s", err, diff)
	}
	want(t, content(t, s, "a", 1), "1:x", "2:x", "3:x", "4:x")
}

// TestRepairLeavesASoundSpoolAlone also holds that it refuses one in use.
func TestRepairLeavesASoundSpoolAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s := open(t, path, spool.Options{})
	add(t, s, draft("a", "1"))
	if _, err := spool.Repair(path); !errors.Is(err, spool.ErrLocked) {
		t.Errorf("in use: %v", err)
	}
	s.Close()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	report, err := spool.Repair(path)
	if err != nil || report.SetAside != "" {
		t.Errorf("%+v, %v", report, err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
		t.Errorf("it was changed, %v", err)
	}
}

// TestDamagedRecordInASoundTree: Open leaves a damaged block to the one who reads it, Verify tells of it, and Repair
// takes its other copies or leaves it out; the lines around it keep their places.
func TestDamagedRecordInASoundTree(t *testing.T) {
	path := damaged(t, 4, flip(2))
	open(t, path, spool.Options{}).Close()
	report, err := spool.Verify(path)
	if err != nil || len(report.Problems) != 1 || !strings.Contains(report.Problems[0], `log "web/a": the block at line 3: `) {
		t.Errorf("%+v, %v", report, err)
	}
	if report, err = spool.Repair(path); err != nil || report.Logs[0].Lost != 2 || report.Logs[0].Lines != 6 {
		t.Errorf("%+v, %v", report, err)
	}
	if report, err = spool.Verify(path); err != nil || len(report.Problems) != 0 || report.Logs[0].Lost != 2 {
		t.Errorf("%+v, %v", report, err)
	}
	s := open(t, path, spool.Options{})
	if got := deliver(t, s, "web/a"); got != "line 1\nand its end\nline 3\nand its end\nline 4\nand its end\n" {
		t.Errorf("got %q", got)
	}
	if q := s.Queue("web/a"); q.AsideLines != 2 || q.Next != 9 {
		t.Errorf("%+v", q)
	}
}
