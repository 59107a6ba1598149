package tail

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/spool"
)

// remembering is what Scribes have taken: of each log, the blocks that came first.
type remembering map[string][]reached

// take makes the first n blocks of a log delivered.
func (r remembering) take(s *fakeSpool, log string, n int) { r[log] = s.blocksOf(log)[:n] }

// known returns the last checkpoint of each source of each log, as ledgers keep them.
func (r remembering) known() []block.Checkpoint {
	var known []block.Checkpoint
	for _, blocks := range r {
		last := map[string]block.Checkpoint{}
		for _, b := range blocks {
			last[b.checkpoint.Source] = b.checkpoint
		}
		for _, c := range last {
			known = append(known, c)
		}
	}
	return known
}

// blocksOf returns what the blocks of a log have reached, in order.
func (s *fakeSpool) blocksOf(log string) []reached {
	var blocks []reached
	for _, r := range s.reached {
		if r.log == log {
			blocks = append(blocks, r)
		}
	}
	return blocks
}

// loseSpool gives the fixture a spool that has nothing but what the Scribes remember. The logs are cut back to what was
// delivered, so that they become what the Scribes have in the end.
func (f *fixture) loseSpool(r remembering, since int64) {
	f.t.Helper()
	f.down()
	lost := f.spool
	f.spool = newSpool()
	f.spool.lottery = lost.lottery
	f.cfg.Spool = f.spool
	lost.close(f.t)
	if lost.path != "" {
		f.check(os.Remove(lost.path))
		f.spool.path = lost.path
		f.spool.open(f.t)
	}
	for log, blocks := range r {
		if n := len(blocks); n > 0 {
			f.spool.logs[log] = lost.logs[log][:blocks[n-1].bytes:blocks[n-1].bytes]
			f.spool.reached = append(f.spool.reached, blocks...)
		}
	}
	for _, c := range Resumed(r.known(), since) {
		f.check(f.spool.Append(context.Background(), spool.Batch{Checkpoints: []spool.Checkpoint{c}}))
	}
}

// TestResumeGoesOnBehindEveryBlock loses the spool of files that were rotated, after each number of delivered blocks.
func TestResumeGoesOnBehindEveryBlock(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "app.log*")
	f.cfg.Sections[0].Log = "app"
	f.cfg.CarryCheckpoints = true
	text := ""
	f.up()
	for i := range 5 {
		for j := range 3 {
			more := lines(fmt.Sprintf("file %d part %d", i, j), 0, 10)
			f.write("app.log", more)
			text += more
			f.wants("app", text)
		}
		if i < 4 {
			for k := i; k > 0; k-- {
				f.rename(fmt.Sprintf("app.log.%d", k), fmt.Sprintf("app.log.%d", k+1))
			}
			f.rename("app.log", "app.log.1")
		}
	}
	f.down()
	whole := f.spool
	for n := 1; n <= len(whole.blocksOf("app")); n++ {
		scribes := remembering{}
		f.spool = whole
		scribes.take(whole, "app", n)
		f.loseSpool(scribes, 0)
		f.up()
		f.wants("app", text)
		f.scans(2)
		f.wants("app", text)
		f.down()
		if f.spool.checkpoints[resumedKey] != nil || f.spool.checkpoints[startedKey] == nil {
			t.Error("after the first scan the spool still counts as lost")
		}
	}
}

// TestResumeForgottenRotatedFiles: what Scribes have forgotten of a path's rotated files is not read again, covered by
// the glob or not.
func TestResumeForgottenRotatedFiles(t *testing.T) {
	for _, glob := range []string{"app.log", "app.log*"} {
		f := newFixture(t, glob)
		f.cfg.Sections[0].Log = "app"
		f.cfg.CarryCheckpoints = true
		f.up()
		text := ""
		for i := range 6 {
			more := lines(fmt.Sprint("file ", i), 0, 3)
			f.write("app.log", more)
			text += more
			f.wants("app", text)
			time.Sleep(10 * time.Millisecond) // the clock of modification times is coarse
			if i < 5 {
				f.rename("app.log", fmt.Sprintf("app.log.%08d", 20260101+i))
			}
		}
		f.down()
		scribes := remembering{}
		scribes.take(f.spool, "app", len(f.spool.blocksOf("app")))
		scribes["app"] = scribes["app"][3:]
		f.loseSpool(scribes, 0)
		f.write("app.log", "more\n")
		f.up()
		f.wants("app", text+"more\n")
		f.scans(3)
		f.wants("app", text+"more\n")
	}
}

// TestResumeOfSkippedFiles has a section that skips what its files hold at the first start. A file that nobody has written
// to since is skipped after the loss, too; a newer one is read.
func TestResumeOfSkippedFiles(t *testing.T) {
	for _, told := range []bool{true, false} {
		f := newFixture(t, "*.log")
		f.cfg.CarryCheckpoints = true
		f.cfg.Sections[0].FromEnd = true
		f.write("quiet.log", "old\n")
		f.write("busy.log", "old\n")
		long := time.Now().Add(-time.Hour)
		f.check(os.Chtimes(f.path("quiet.log"), long, long))
		began := time.Now().Add(-time.Minute).UnixNano()
		f.up()
		f.scans(1)
		f.write("busy.log", "new\n")
		f.wants("busy", "new\n")
		f.down()
		scribes := remembering{}
		scribes.take(f.spool, "busy", 1)
		if !told {
			began = 0
		}
		f.loseSpool(scribes, began)
		f.write("fresh.log", "one\n")
		f.up()
		f.wants("fresh", "one\n")
		want := ""
		if !told { // rather twice than never
			want = "old\n"
		}
		f.wants("quiet", want)
		f.write("quiet.log", "two\n")
		f.write("busy.log", "three\n")
		f.wants("quiet", want+"two\n")
		f.wants("busy", "new\nthree\n")
	}
}

func TestResumedTakesTheLatest(t *testing.T) {
	at := func(born, mtime, position int64) []byte {
		c := checkpoint{id: identity{inode: inode{1, 2}, born: born}, mtime: mtime, position: position, ordinal: 1, path: "/a", log: "a"}
		return c.encode()
	}
	key := checkpointKey(inode{1, 2})
	for name, c := range map[string]struct{ older, newer []byte }{
		"further":            {at(5, 10, 100), at(5, 10, 200)},
		"truncated since":    {at(5, 10, 200), at(5, 11, 100)},
		"the inode's next":   {at(5, 90, 200), at(6, 10, 100)},
		"birth is not known": {at(0, 10, 200), at(6, 11, 100)},
		"damaged":            {[]byte{1, 2}, at(5, 10, 100)},
	} {
		for _, known := range [][]block.Checkpoint{
			{{Source: key, Value: c.older}, {Source: key, Value: c.newer}}, {{Source: key, Value: c.newer}, {Source: key, Value: c.older}},
		} {
			got := Resumed(append(known, block.Checkpoint{Source: "journal", Value: []byte("x")}), 7)
			if len(got) != 2 || got[0].Key != resumedKey || got[1].Key != key || string(got[1].Value) != string(c.newer) {
				t.Errorf("%s: got %v", name, got)
			}
		}
	}
	if got := Resumed([]block.Checkpoint{{Source: "journal", Value: []byte("x")}}, 7); got != nil {
		t.Errorf("a first start stores %v", got)
	}
}

// TestResumeOfAPathWhoseInodeIsAnothers: of a path the Scribes know one file, which was deleted, and whose inode another
// path's file has got since. What stood at the path after it, and was rotated away, is read all the same.
func TestResumeOfAPathWhoseInodeIsAnothers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "*.log")
	f.cfg.CarryCheckpoints = true
	f.write("app.log", "one\n")
	f.up()
	f.wants("app", "one\n")
	f.write("other.log", "other\n")
	f.wants("other", "other\n")
	f.down()
	other, err := statPath(f.path("other.log"))
	f.check(err)
	if other.born == 0 {
		t.Skip("the file system does not know when files were born")
	}
	f.remove("app.log")
	f.write("app.log", "two\n")
	f.rename("app.log", "app.log.1")

	scribes := remembering{}
	scribes.take(f.spool, "app", 1)
	scribes.take(f.spool, "other", 1)
	last := &scribes["app"][0].checkpoint
	c, err := decodeCheckpoint(last.Source, last.Value)
	f.check(err)
	c.id.inode = other.inode
	c.id.born-- // or both are made in one tick of the clock of file times
	last.Source, last.Value = checkpointKey(c.id.inode), c.encode()
	f.loseSpool(scribes, 0)
	f.up()
	f.wants("other", "other\n")
	f.wants("app", "one\ntwo\n")
}
