package tail

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// TestRotationUnderLoad has a writer that never waits, and renames its file all the time.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	for _, crash := range []bool{false, true} {
		for _, glob := range []string{"app.log", "app.log*"} {
			t.Run(fmt.Sprintf("crash=%v %s", crash, glob), func(t *testing.T) {
				f := newFixture(t, glob).real()
				f.cfg.Sections[0].Log = "app"
				f.spool.lottery = crash
				f.write("app.log", "")
				f.up()
				f.scans(2)
				var want strings.Builder
				n := 0
				for rotation := 1; rotation <= 60; rotation++ {
					file, err := os.OpenFile(f.path("app.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
					f.check(err)
					for until := time.Now().Add(4 * time.Millisecond); time.Now().Before(until); n++ {
						line := fmt.Sprintf("line %d of generation %d\n", n, rotation)
						_, err := file.WriteString(line)
						f.check(err)
						want.WriteString(line)
					}
					for i := rotation - 1; i > 0; i-- {
						f.rename(fmt.Sprintf("app.log.%d", i), fmt.Sprintf("app.log.%d", i+1))
					}
					f.rename("app.log", "app.log.1")
					line := fmt.Sprintf("last of generation %d\n", rotation)
					_, err = file.WriteString(line)
					f.check(err)
					want.WriteString(line)
					f.check(file.Close())
					if crash && rotation%7 == 0 {
						f.down()
						f.up()
					}
				}
				f.wants("app", want.String())
			})
		}
	}
}

// TestManyIdleFiles makes sure that files at rest cost neither descriptors beyond the limit nor looks in each round.
func TestManyIdleFiles(t *testing.T) {
	n := 500
	if *long {
		n = 2000
	}
	f := newFixture(t, "*.log").real()
	f.cfg.MaxOpen = 50
	f.cfg.PollInterval, f.cfg.ScanInterval = 100*time.Millisecond, time.Minute
	for i := range n {
		f.write(fmt.Sprintf("f%d.log", i), "one\n")
	}
	f.up()
	if !f.eventually(func() bool { return f.source.Stats().Lines == int64(n) }) {
		t.Fatalf("%d lines", f.source.Stats().Lines)
	}
	if !f.eventually(func() bool { return f.source.Stats().Open <= 50 }) {
		t.Errorf("%d descriptors", f.source.Stats().Open)
	}
	for i := range n {
		f.write(fmt.Sprintf("f%d.log", i), "two\n")
	}
	for i := range n {
		f.wants(fmt.Sprintf("f%d", i), "one\ntwo\n")
	}
}

// A folder that is removed while files of it are open tells nobody; its successor must be watched all the same.
func TestRemovedFolderIsWatchedAgain(t *testing.T) {
	f := newFixture(t, "d/*.log").real()
	f.cfg.PollInterval = time.Hour // scans must find the files, and events their lines
	f.up()
	for i := range 5 {
		f.check(os.Mkdir(f.path("d"), 0o755))
		f.write("d/app.log", fmt.Sprintf("%d\n", i))
		want := ""
		for j := range i {
			want += fmt.Sprintf("%d\nmore\n", j)
		}
		want += fmt.Sprintf("%d\n", i)
		f.wants("app", want)
		f.scans(2)
		f.write("d/app.log", "more\n")
		f.wants("app", want+"more\n")
		f.check(os.RemoveAll(f.path("d")))
	}
}

// TestLostEvents takes the events away after the files were found, and then says so, as the kernel does.
func TestLostEvents(t *testing.T) {
	f := newFixture(t, "*.log").real()
	f.cfg.PollInterval, f.cfg.ScanInterval = time.Hour, time.Hour
	made := make(chan *watcher, 1)
	f.cfg.watch = func() (*watcher, error) {
		w, err := newWatcher()
		made <- w
		return w, err
	}
	f.write("app.log", "one\n")
	f.up()
	f.wants("app", "one\n")
	w := <-made
	if !f.eventually(func() bool { return f.source.scanned.Load() == 2 }) { // the second because a folder is watched now
		t.Fatal("no second scan")
	}
	f.check(w.fs.Remove(f.dir))
	f.write("app.log", "two\n")
	f.write("new.log", "new\n")
	w.fs.Errors <- fsnotify.ErrEventOverflow
	f.wants("app", "one\ntwo\n")
	f.wants("new", "new\n")
	if n := f.source.Stats().Overflows; n != 1 {
		t.Errorf("%d overflows are counted, want 1", n)
	}
}

// A watch limit that is reached costs one warning; files are found and read all the same.
func TestNoWatcher(t *testing.T) {
	f := newFixture(t, "*/*.log").blind().real()
	for i := range 20 {
		f.check(os.Mkdir(f.path(fmt.Sprint(i)), 0o755))
	}
	f.cfg.Sections[0].Log = "{dir}"
	f.up()
	for i := range 20 {
		f.write(fmt.Sprintf("%d/app.log", i), "one\n")
	}
	for i := range 20 {
		f.wants(fmt.Sprint(i), "one\n")
	}
	if n := strings.Count(f.logged.String(), "cannot watch"); n != 1 {
		t.Errorf("%d warnings, want 1", n)
	}
}
