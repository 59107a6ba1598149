package spool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/bolttree/damagetest"
	"github.com/logscribe/logscribe/spool"
)

// losses returns the list without its times of day.
func losses(t *testing.T, s *spool.Spool) []spool.Loss {
	t.Helper()
	list, since := s.Losses()
	if since.IsZero() || time.Since(since) > time.Hour {
		t.Errorf("the list is kept since %v", since)
	}
	wantSums(t, s.LossSums(), list)
	return timeless(t, list)
}

// wantSums: the sums that are kept are those of the list.
func wantSums(t testing.TB, got map[spool.Reason]spool.Loss, list []spool.Loss) {
	t.Helper()
	want := spool.Sums(list)
	for _, r := range spool.Reasons {
		if g, w := got[r], want[r]; g.Lines != w.Lines || g.Bytes != w.Bytes || g.Times != w.Times {
			t.Errorf("the sum of %s is %+v, want %+v", r, g, w)
		}
	}
}

func timeless(t *testing.T, list []spool.Loss) []spool.Loss {
	t.Helper()
	for i, l := range list {
		if l.Last.IsZero() || l.First.After(l.Last) {
			t.Errorf("times of %+v", l)
		}
		list[i].First, list[i].Last = time.Time{}, time.Time{}
	}
	return list
}

func wantLosses(t *testing.T, what string, got []spool.Loss, want ...spool.Loss) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

// TestLossesAreAddedUp: what sources say is added up by log, reason and file, and is the same after a restart, to those who
// look in beside an agent, and after a repair.
func TestLossesAreAddedUp(t *testing.T) {
	path := filepath.Join(damagetest.Dir(t), "spool.db")
	s := open(t, path, spool.Options{})
	wantLosses(t, "new", losses(t, s))
	cut := spool.Loss{Log: "a", File: "/a.log", Reason: spool.Truncated, Lines: 1, Bytes: 10}
	for range 3 {
		put(t, s, spool.Batch{Losses: []spool.Loss{cut, {Log: "a", File: "/b.log", Reason: spool.Deleted, Bytes: 5}}})
	}
	put(t, s, spool.Batch{Drafts: []block.Draft{block.NewDraft(nil, "a", []byte("x\n"), block.None)}, Losses: []spool.Loss{{Log: "b", Reason: spool.Truncated}}})
	want := []spool.Loss{
		{Log: "a", File: "/b.log", Reason: spool.Deleted, Bytes: 15, Times: 3},
		{Log: "a", File: "/a.log", Reason: spool.Truncated, Lines: 3, Bytes: 30, Times: 3},
		{Log: "b", Reason: spool.Truncated, Times: 1},
	}
	wantLosses(t, "as they came", losses(t, s), want...)
	report, err := spool.Inspect(path)
	if err != nil || !report.InUse {
		t.Fatal(err)
	}
	wantLosses(t, "beside the spool", timeless(t, report.Losses), want...)
	s.Close()
	s = open(t, path, spool.Options{})
	wantLosses(t, "after a restart", losses(t, s), want...)
	s.Close()

	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	repaired, earlier := 0, 0
	for page := 2; page < len(content)/os.Getpagesize(); page++ {
		damaged := bytes.Clone(content)
		zeros := damaged[page*os.Getpagesize() : (page+1)*os.Getpagesize()]
		held := bytes.Contains(zeros, []byte("truncated\x00"))
		clear(zeros)
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		report, err := spool.Repair(path)
		if err != nil || report.SetAside == "" {
			continue // nothing can be read, or nothing was there
		}
		repaired++
		s := open(t, path, spool.Options{})
		list, _ := s.Losses()
		switch list = timeless(t, list); held {
		case false:
			wantLosses(t, fmt.Sprintf("after a repair of page %d", page), list, want...)
		case true: // what was counted before, on other pages
			for _, l := range list {
				if l.File == "/a.log" && (l.Bytes != 10*l.Times || l.Times > 3) {
					t.Errorf("after a repair of page %d: %+v", page, l)
				}
				earlier++
			}
		}
		s.Close()
	}
	if repaired == 0 || earlier == 0 {
		t.Errorf("%d pages were repaired, %d entries found on others", repaired, earlier)
	}
}

func put(t *testing.T, s *spool.Spool, b spool.Batch) {
	t.Helper()
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

// TestLossesGoWithACompaction: the file that is written anew has the list.
func TestLossesGoWithACompaction(t *testing.T) {
	path := filepath.Join(damagetest.Dir(t), "spool.db")
	s := open(t, path, spool.Options{})
	put(t, s, spool.Batch{Losses: []spool.Loss{{Log: "a", File: "/a.log", Reason: spool.Truncated, Bytes: 7}}})
	before, since := s.Losses()
	os.Remove(path) // the spool puts a copy there
	s.Close()
	s = open(t, path, spool.Options{})
	if list, again := s.Losses(); !again.Equal(since) || cmp.Diff(before, list) != "" {
		t.Errorf("%+v since %v, was %+v since %v", list, again, before, since)
	}
}

// TestOtherFiles: past a limit the files share an entry, and nothing is forgotten in the sum.
func TestOtherFiles(t *testing.T) {
	path := filepath.Join(damagetest.Dir(t), "spool.db")
	s := open(t, path, spool.Options{})
	const files, limit = 1500, 1000
	for round := range 2 {
		var b spool.Batch
		for i := range files {
			b.Losses = append(b.Losses, spool.Loss{Log: "a", File: fmt.Sprint("/", i), Reason: spool.Truncated, Lines: 1, Bytes: uint64(i)})
		}
		put(t, s, b)
		if round == 0 {
			s.Close()
			s = open(t, path, spool.Options{})
		}
	}
	list, _ := s.Losses()
	other := spool.Loss{}
	for _, l := range list {
		if l.File == spool.OtherFiles {
			other = l
		}
	}
	sum := spool.Sums(list)[spool.Truncated]
	if len(list) != limit+1 || other.Lines != 2*(files-limit) || sum.Lines != 2*files || sum.Bytes != files*(files-1) {
		t.Errorf("%d entries, others %+v, sum %+v", len(list), other, sum)
	}
}

// TestOtherFilesTakeNoRoomFromLosses: what is no loss has a limit of its own.
func TestOtherFilesTakeNoRoomFromLosses(t *testing.T) {
	path := filepath.Join(damagetest.Dir(t), "spool.db")
	s := open(t, path, spool.Options{})
	put := func(reason spool.Reason, files int) {
		t.Helper()
		var b spool.Batch
		for i := range files {
			b.Losses = append(b.Losses, spool.Loss{Log: "a", File: fmt.Sprint("/", i), Reason: reason, Lines: 1})
		}
		put(t, s, b)
	}
	put(spool.InPieces, 1500)
	s.Close()
	s = open(t, path, spool.Options{})
	put(spool.Truncated, 1000)
	put(spool.Unseen, 1)
	named := map[spool.Reason]int{}
	for _, l := range losses(t, s) {
		if l.File != spool.OtherFiles {
			named[l.Reason]++
		}
	}
	if want := map[spool.Reason]int{spool.InPieces: 1000, spool.Truncated: 1000}; !maps.Equal(named, want) {
		t.Errorf("files with entries of their own: %v, want %v", named, want)
	}
}

// TestDropsAndWhatIsSetAsideAreLosses: the list says the same as the logs' own records, in lines and in bytes.
func TestDropsAndWhatIsSetAsideAreLosses(t *testing.T) {
	path := filepath.Join(damagetest.Dir(t), "spool.db")
	o := spool.Options{MaxSize: spool.MinSize, WhenFull: spool.DropOldest}
	s := open(t, path, o)
	lines := bytes.Repeat([]byte("0123456789\n"), 2000)
	for range 100 {
		put(t, s, spool.Batch{Drafts: []block.Draft{block.NewDraft(nil, "a", lines, block.None)}})
	}
	q := s.Queue("a")
	s.SetAside("a", q.Oldest, errors.New("nobody takes it"))
	for s.Queue("a").Held {
		time.Sleep(time.Millisecond)
	}
	q = s.Queue("a")
	if q.Dropped == 0 || q.Refused != 2000 {
		t.Fatalf("%+v: the test tests nothing", q)
	}
	list := losses(t, s)
	for i := range list {
		list[i].Times = 0
	}
	wantLosses(t, "dropped and refused", list,
		spool.Loss{Log: "a", Reason: spool.Refused, Lines: q.Refused, Bytes: 11 * q.Refused},
		spool.Loss{Log: "a", Reason: spool.SpoolFull, Lines: q.Dropped, Bytes: 11 * q.Dropped})
}

// TestAFileThatIsLostWholeIsALoss: how much was in it nobody knows.
func TestAFileThatIsLostWholeIsALoss(t *testing.T) {
	for name, content := range map[string][]byte{"emptied": nil, "set aside": bytes.Repeat([]byte("x"), 1<<16)} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(damagetest.Dir(t), "spool.db")
			open(t, path, spool.Options{}).Close()
			file, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if content != nil {
				content = append(file[:4*os.Getpagesize():4*os.Getpagesize()], content...)
				clear(content[2*os.Getpagesize():])
			}
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				s := open(t, path, spool.Options{WhenDamaged: spool.SetAsideDamaged})
				list := losses(t, s)
				if len(list) != 1 || list[0].Reason != spool.SpoolLost || list[0].Times != 1 || filepath.Dir(list[0].File) != filepath.Dir(path) {
					t.Errorf("%+v", list)
				}
				s.Close()
			}
		})
	}
}

// earlierLayout makes a spool of the layout before the list of losses, whose log "a" has dropped lines.
func earlierLayout(t *testing.T) (path string, dropped uint64) {
	t.Helper()
	path = filepath.Join(damagetest.Dir(t), "spool.db")
	s := open(t, path, spool.Options{MaxSize: spool.MinSize, WhenFull: spool.DropOldest})
	for range 100 {
		put(t, s, spool.Batch{Drafts: []block.Draft{block.NewDraft(nil, "a", bytes.Repeat([]byte("0123456789\n"), 2000), block.None)}})
	}
	dropped = s.Queue("a").Dropped
	s.Close()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		meta := tx.Bucket([]byte("meta"))
		return errors.Join(tx.DeleteBucket([]byte("losses")), meta.Delete([]byte("since")), meta.Put([]byte("version"), []byte{3}))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return path, dropped
}

// TestListOfLossesIsBegun: a spool of the layout before begins it with what its logs have counted.
func TestListOfLossesIsBegun(t *testing.T) {
	path, dropped := earlierLayout(t)
	report, err := spool.Inspect(path)
	if err != nil || len(report.Problems) > 0 || len(report.Losses) > 0 || report.Layout != 3 {
		t.Errorf("before: %+v, %v", report, err)
	}
	for range 2 {
		s := open(t, path, spool.Options{})
		wantLosses(t, "after", losses(t, s), spool.Loss{Log: "a", Reason: spool.SpoolFull, Lines: dropped, Times: 1})
		s.Close()
	}
}

// TestListOfLossesIsBegunAfterARepair: as it is without one.
func TestListOfLossesIsBegunAfterARepair(t *testing.T) {
	path, dropped := earlierLayout(t)
	damageBlock(t, path)
	if report, err := spool.Repair(path); err != nil || report.SetAside == "" {
		t.Fatalf("%+v, %v", report, err)
	}
	want := spool.Loss{Log: "a", Reason: spool.SpoolFull, Lines: dropped, Times: 1}
	report, err := spool.Inspect(path)
	if err != nil || !report.Since.IsZero() {
		t.Fatalf("%+v, %v", report, err)
	}
	wantLosses(t, "before it is used", timeless(t, report.Losses), want)
	for range 2 {
		s := open(t, path, spool.Options{})
		wantLosses(t, "after", losses(t, s), want)
		s.Close()
	}
}

// damageBlock changes a byte of a block.
func damageBlock(t *testing.T, path string) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(file, []byte("0123456789\n012"))
	if at < 0 {
		t.Fatal("there is no block")
	}
	file[at] ^= 1
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestListOfLossesIsBegunAnew: where the moment is lost at which it was begun, with the entries that there are.
func TestListOfLossesIsBegunAnew(t *testing.T) {
	path := filepath.Join(damagetest.Dir(t), "spool.db")
	s := open(t, path, spool.Options{})
	put(t, s, spool.Batch{Losses: []spool.Loss{{Log: "a", File: "/a.log", Reason: spool.Truncated, Bytes: 7}}})
	before, _ := s.Losses()
	s.Close()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte("meta")).Delete([]byte("since")) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, spool.Options{})
	if list, since := s.Losses(); !since.Equal(before[0].First) || cmp.Diff(before, list) != "" {
		t.Errorf("%+v since %v, was %+v", list, since, before)
	}
}

// TestALossNeedsNoRoom: a full spool takes what was lost, and the checkpoint that passes over it.
func TestALossNeedsNoRoom(t *testing.T) {
	path := filepath.Join(damagetest.Dir(t), "spool.db")
	s := open(t, path, spool.Options{MaxSize: spool.MinSize})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	for ctx.Err() == nil {
		_ = s.Append(ctx, spool.Batch{Drafts: []block.Draft{block.NewDraft(nil, "a", bytes.Repeat([]byte("0123456789\n"), 2000), block.None)}})
	}
	put(t, s, spool.Batch{
		Losses:      []spool.Loss{{Log: "a", File: "/a", Reason: spool.Truncated, Bytes: 3}},
		Checkpoints: []spool.Checkpoint{{Key: "x", Value: []byte("y")}},
	})
	wantLosses(t, "in a full spool", losses(t, s), spool.Loss{Log: "a", File: "/a", Reason: spool.Truncated, Bytes: 3, Times: 1})
}
