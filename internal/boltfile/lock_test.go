package boltfile_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logscribe/logscribe/internal/boltfile"
)

func lockedFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.db")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func reading(t *testing.T, path string) (*os.File, *boltfile.LockedError) {
	t.Helper()
	file, inUse, err := boltfile.OpenForReading(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file, inUse
}

// TestLockSaysWhoHoldsIt: readers share a file, a writer has it alone, and who is refused is told which of both it is.
func TestLockSaysWhoHoldsIt(t *testing.T) {
	path := lockedFile(t)
	one, inUse := reading(t, path)
	if two, inUseToo := reading(t, path); inUse != nil || inUseToo != nil {
		t.Errorf("readers keep each other away: %v, %v", inUse, inUseToo)
	} else {
		two.Close()
	}
	_, err := boltfile.Lock(path, false)
	locked, ok := errors.AsType[*boltfile.LockedError](err)
	if !ok || !errors.Is(err, boltfile.ErrLocked) || !locked.Reading {
		t.Fatalf("while it is read: %v", err)
	}
	one.Close()
	file, err := boltfile.Lock(path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, inUse = reading(t, path); inUse == nil || inUse.Reading {
		t.Errorf("while it is written to: %+v", inUse)
	}
	_, err = boltfile.Lock(path, false)
	if locked, ok = errors.AsType[*boltfile.LockedError](err); !ok || locked.Reading {
		t.Errorf("while it is written to: %v", err)
	}
	if _, err := os.Stat("/proc/locks"); err != nil {
		t.Skip("this system does not tell who holds a lock")
	}
	if len(locked.Holders) != 1 || locked.Holders[0].PID != os.Getpid() || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())+" (boltfile.test") {
		t.Errorf("%v", err)
	}
}

// TestReaderOfAFileThatIsReplaced: a file that is written anew while a reader waits for its lock is not the one to read.
func TestReaderOfAFileThatIsReplaced(t *testing.T) {
	for range 20 {
		path := lockedFile(t)
		old, err := boltfile.Lock(path, false)
		if err != nil {
			t.Fatal(err)
		}
		content := make(chan string)
		go func() {
			file, inUse, err := boltfile.OpenForReading(path)
			if err != nil || inUse != nil { // the machine is busy
				content <- "new"
				return
			}
			defer file.Close()
			b := make([]byte, 3)
			n, _ := file.Read(b)
			content <- string(b[:n])
		}()
		time.Sleep(time.Millisecond) // the reader waits by then, or finds the new file at once
		if err := errors.Join(os.WriteFile(path+".new", []byte("new"), 0o600), os.Rename(path+".new", path), old.Close()); err != nil {
			t.Fatal(err)
		}
		if got := <-content; got != "new" {
			t.Fatalf("read %q", got)
		}
	}
}

func TestCommandLines(t *testing.T) {
	for want, h := range map[string]boltfile.Holder{
		"process 7": {PID: 7},
		"process 7 (scribe-agent spool verify a?b)":       {PID: 7, Args: []string{"/usr/bin/scribe-agent", "spool", "verify", "a\nb"}},
		"process 7 (x " + strings.Repeat("y", 118) + "…)": {PID: 7, Args: []string{"x", strings.Repeat("y", 200)}},
	} {
		if h.String() != want {
			t.Errorf("got %q, want %q", h, want)
		}
	}
}

// TestAwaitReaders: readers are waited for, some seconds and not longer; it is said once. Nobody else is.
func TestAwaitReaders(t *testing.T) {
	other := errors.New("other")
	for name, c := range map[string]struct {
		until  time.Duration // for which the file is read
		then   error
		writer bool
		cancel time.Duration
		want   error
		took   time.Duration
		said   int
	}{
		"nobody":         {},
		"short":          {until: 500 * time.Millisecond, took: 500 * time.Millisecond},
		"long":           {until: 9 * time.Second, took: 9 * time.Second, said: 1},
		"too long":       {until: time.Hour, want: boltfile.ErrLocked, took: 10 * time.Second, said: 1},
		"then something": {until: 2 * time.Second, then: other, want: other, took: 2 * time.Second, said: 1},
		"writer":         {writer: true, want: boltfile.ErrLocked},
		"stopped":        {until: time.Hour, cancel: 3 * time.Second, want: context.Canceled, took: 3 * time.Second, said: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if c.cancel > 0 {
					time.AfterFunc(c.cancel, cancel)
				}
				began, said := time.Now(), 0
				err := boltfile.AwaitReaders(ctx, func(error) { said++ }, func() error {
					if time.Since(began) < c.until || c.writer {
						return &boltfile.LockedError{Reading: !c.writer}
					}
					return c.then
				})
				if took := time.Since(began).Round(100 * time.Millisecond); !errors.Is(err, c.want) || took != c.took || said != c.said {
					t.Errorf("%v after %v, said %d times", err, took, said)
				}
			})
		})
	}
}
