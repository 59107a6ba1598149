package tail

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/logscribe/logscribe/spool"
)

// kill stops the source, whose spool has stored what it is going to.
func (f *fixture) kill() {
	f.spool.do(func() { f.spool.mortal, f.spool.lives = true, 0 })
	f.down()
	f.spool.do(func() { f.spool.mortal, f.spool.blocked, f.spool.full = false, nil, false })
}

// TestKilledOverALoss: what a file has lost of what was seen in it is counted once, and all else is delivered, whatever the
// source has stored of it when it is killed, and though it is killed again.
func TestKilledOverALoss(t *testing.T) {
	t.Parallel()
	all := lines("x", 0, 200)
	for name, c := range map[string]struct {
		destroy func(f *fixture)
		reason  spool.Reason
		behind  string // what is delivered after all
	}{
		"truncated": {func(f *fixture) {
			f.check(os.Truncate(f.path("app.log"), 0))
			f.write("app.log", "new\n")
		}, spool.Truncated, "new\n"},
		"written anew": {func(f *fixture) {
			f.check(os.WriteFile(f.path("app.log"), []byte(lines("new", 0, 300)), 0o644))
		}, spool.Truncated, lines("new", 0, 300)},
		"cut off behind the position": {func(f *fixture) {
			f.check(os.Truncate(f.path("app.log"), int64(len(lines("x", 0, 190)))))
		}, spool.Truncated, ""},
		"deleted": {func(f *fixture) { f.remove("app.log") }, spool.Deleted, ""},
	} {
		for lives := range 6 {
			t.Run(fmt.Sprintf("%s, %d", name, lives), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, "app.log").blind()
				f.cfg.chunk, f.cfg.MaxLine = 200, 100
				f.cfg.Grace, f.cfg.Sections[0].CloseDeletedAfter = 10*time.Millisecond, time.Millisecond
				full := make(chan struct{})
				f.spool.do(func() { f.spool.blocked, f.spool.full, f.spool.room = full, true, 3 })
				f.write("app.log", all)
				f.up()
				f.eventually(func() bool { return f.spool.log("app") != "" })
				f.scans(3)
				c.destroy(f)
				f.scans(3)
				f.spool.do(func() { f.spool.mortal, f.spool.lives = true, lives })
				close(full)
				f.scans(5)
				f.kill()
				f.cfg.ForgetAfter = time.Millisecond
				f.up()
				counted := func() bool {
					got := f.spool.log("app")
					losses, lost := f.spool.lost()
					seen := int64(len(strings.TrimSuffix(got, c.behind)))
					return strings.HasSuffix(got, c.behind) && strings.HasPrefix(all, got[:seen]) && seen+lost == int64(len(all)) &&
						len(losses) == 1 && losses[0].Reason == c.reason && losses[0].Times == 1
				}
				if !f.eventually(counted) {
					t.Fatalf("delivered %d bytes, lost %+v of %d and %d bytes", len(f.spool.log("app")), f.spool.all(), len(all), len(c.behind))
				}
				for range 2 {
					f.kill()
					f.up()
					f.scans(4)
				}
				if !counted() || len(f.spool.all()) != 1 {
					t.Errorf("in the end lost %+v", f.spool.all())
				}
			})
		}
	}
}

// TestStoppedLossIsNotCountedAgain: what a stop has counted as lost, and stored, the next start does not count when it
// forgets the file.
func TestStoppedLossIsNotCountedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "*.log")
	f.cfg.chunk, f.cfg.MaxLine = 200, 100
	all := lines("x", 0, 200)
	f.spool.do(func() { f.spool.blocked, f.spool.full, f.spool.room = make(chan struct{}), true, 3 })
	f.write("app.log", all)
	f.up()
	f.eventually(func() bool { f.scans(1); return f.spool.log("app") != "" })
	f.scans(3)
	f.remove("app.log")
	f.down()
	rest := strings.TrimPrefix(all, f.spool.log("app"))
	want := []spool.Loss{{Log: "app", File: f.path("app.log"), Reason: spool.Stopped, Lines: uint64(strings.Count(rest, "\n")), Bytes: uint64(len(rest)), Times: 1}}
	f.cfg.ForgetAfter = time.Millisecond
	f.up()
	if !f.eventually(func() bool { return len(f.checkpoints()) == 0 }) {
		t.Fatal("it is not forgotten")
	}
	if diff := cmp.Diff(want, f.spool.all()); diff != "" {
		t.Error(diff)
	}
}

// TestCutOffEndIsCountedWithoutABatch: nothing is read any more of the file whose end was cut off, and yet it is stored.
func TestCutOffEndIsCountedWithoutABatch(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "*.log")
	f.write("app.log", "one\nunfinished")
	f.up()
	f.wants("app", "one\n")
	f.scans(3)
	f.check(os.Truncate(f.path("app.log"), int64(len("one\nunf"))))
	want := []spool.Loss{{Log: "app", File: f.path("app.log"), Reason: spool.Truncated, Bytes: uint64(len("inished")), Times: 1}}
	if !f.eventually(func() bool { losses, _ := f.spool.lost(); return cmp.Equal(want, losses) }) {
		t.Errorf("%+v", f.spool.all())
	}
}

// TestUnseenTruncation: that a file was truncated while nothing was running is in the list, but not called a loss. A
// truncation that was seen is not, nor one of which there is a copy.
func TestUnseenTruncation(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "*.log")
	f.write("app.log", "one\n")
	f.write("copied.log", lines("x", 0, 10))
	f.up()
	f.wants("app", "one\n")
	f.wants("copied", lines("x", 0, 10))
	f.scans(2)
	f.down()
	f.up()
	f.write("app.log", "1\n") // so that it is looked into
	f.wants("app", "one\n1\n")
	f.check(os.Truncate(f.path("app.log"), 0))
	f.write("app.log", "two\n")
	f.wants("app", "one\n1\ntwo\n")
	f.scans(2)
	f.down()
	f.check(os.Truncate(f.path("app.log"), 0))
	f.copyTruncate("copied.log", "copied.log.1")
	f.write("app.log", "3\n")
	f.write("copied.log", "y\n")
	for range 2 {
		f.up()
		f.wants("app", "one\n1\ntwo\n3\n")
		f.wants("copied", lines("x", 0, 10)+"y\n")
		f.scans(2)
		f.down()
	}
	want := []spool.Loss{{Log: "app", File: f.path("app.log"), Reason: spool.Unseen, Times: 1}}
	if diff := cmp.Diff(want, f.spool.all()); diff != "" {
		t.Error(diff)
	}
}

// TestLongLinesAreListed: lines that come in pieces are in the list with the batch that they come in, and once.
func TestLongLinesAreListed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "*.log")
	f.cfg.MaxLine = 100
	want := ""
	for i := range 4 {
		f.up()
		f.write("app.log", "short\n"+strings.Repeat("x", 250)+"\n")
		want += "short\n" + strings.Repeat("x", 100) + "\n" + strings.Repeat("x", 100) + "\n" + strings.Repeat("x", 50) + "\n"
		f.wants("app", want)
		if i%2 == 0 {
			f.kill()
		}
		f.down()
	}
	losses, _ := f.spool.lost()
	wantAll := []spool.Loss{{Log: "app", File: f.path("app.log"), Reason: spool.InPieces, Lines: 4, Times: 4}}
	if diff := cmp.Diff(wantAll, f.spool.all()); diff != "" || len(losses) > 0 {
		t.Error(diff, losses)
	}
}

// TestDamagedCompressedFileIsListedOnce: it is counted at its end, however often it was opened before.
func TestDamagedCompressedFileIsListedOnce(t *testing.T) {
	t.Parallel()
	for lives := range 5 {
		t.Run(fmt.Sprint(lives), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, "app.log").blind()
			f.cfg.chunk, f.cfg.MaxLine = 1000, 500
			all := lines("x", 0, 2000)
			f.write("app.log", all[:2000])
			f.up()
			f.wants("app", all[:strings.LastIndexByte(all[:2000], '\n')+1])
			f.down()
			f.write("app.log", all[2000:])
			f.pack("app.log", "app.log.1.gz")
			info, err := os.Stat(f.path("app.log.1.gz"))
			f.check(err)
			f.check(os.Truncate(f.path("app.log.1.gz"), info.Size()/2))
			f.write("app.log", "the next file\n")
			f.spool.do(func() { f.spool.mortal, f.spool.lives = true, 3*lives })
			f.up()
			f.scans(5)
			f.kill()
			f.up()
			if !f.eventually(func() bool { return strings.HasSuffix(f.spool.log("app"), "the next file\n") }) {
				t.Fatal("the next file is not read")
			}
			f.scans(3)
			f.kill()
			f.up()
			f.scans(3)
			losses, _ := f.spool.lost()
			want := []spool.Loss{{Log: "app", File: f.path("app.log"), Reason: spool.Compressed, Times: 1}}
			if diff := cmp.Diff(want, losses); diff != "" {
				t.Error(diff)
			}
		})
	}
}
