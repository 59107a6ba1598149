package spool_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/spool"
)

// TestFileIsPutBack takes the file, or its folder, away from a running spool, or puts another in its place.
func TestFileIsPutBack(t *testing.T) {
	damages := map[string]func(path string) error{
		"removed":        os.Remove,
		"folder removed": func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
		"moved":          func(path string) error { return os.Rename(path, path+".old") },
		"emptied":        func(path string) error { return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600)) },
		"replaced": func(path string) error {
			return errors.Join(os.Remove(path), os.WriteFile(path, bytes.Repeat([]byte("garbage"), 10_000), 0o600))
		},
	}
	for name, damage := range damages {
		for _, wait := range []bool{true, false} {
			dir := t.TempDir()
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { putBack(t, filepath.Join(dir, "x", "spool.db"), damage, wait) })
			})
		}
	}
}

func putBack(t *testing.T, path string, damage func(path string) error, wait bool) {
	var said journal
	s, err := spool.Open(path, spool.Options{MaxSize: 4 * mib, Logger: said.logger()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	for range 40 {
		add(t, s, incompressible("big", 50_000)) // half of the bound
	}
	batch := spool.Batch{Drafts: []block.Draft{draft("a", "1", "2")}, Checkpoints: []spool.Checkpoint{{Key: "k", Value: []byte("v")}}}
	if err := s.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if err := damage(path); err != nil {
		t.Fatal(err)
	}
	add(t, s, draft("a", "3")) // goes on with the file that it has
	if wait {                  // otherwise it is closed before it has noticed
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if s.Stats().Compactions != 1 {
			t.Errorf("the file was not put back: %s", said.String())
		}
	}
	add(t, s, draft("a", "4"))
	producer := s.Producer()
	s.Close()
	if n := strings.Count(said.String(), "level=ERROR"); n != 1 {
		t.Errorf("%d errors were logged:\n%s", n, said.String())
	}
	if s, err = spool.Open(path, spool.Options{}); err != nil {
		t.Fatal(err)
	}
	if s.Producer() != producer {
		t.Error("the new file was taken for a copy")
	}
	want(t, content(t, s, "a", 1), "1:1", "2:2", "3:3", "4:4")
	if q := s.Queue("big"); q.Lines() != 40 {
		t.Errorf("%+v", q)
	}
	if all, err := s.Checkpoints(""); err != nil || string(all["k"]) != "v" {
		t.Error(all, err)
	}
}

// TestAnotherAgentsSpoolIsLeftAlone removes a spool while an agent uses it, and has another agent make a new one. Both must
// keep their lines and their files, whether the other one still runs when the loss is noticed or not.
func TestAnotherAgentsSpoolIsLeftAlone(t *testing.T) {
	for _, running := range []bool{true, false} {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			path := filepath.Join(dir, "spool.db")
			var said journal
			first, err := spool.Open(path, spool.Options{Logger: said.logger()})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { first.Close() }()
			add(t, first, draft("a", "first"))
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			second, err := spool.Open(path, spool.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { second.Close() }()
			add(t, second, draft("a", "second"))
			if running {
				time.Sleep(5 * time.Second)
				synctest.Wait()
			} else if err := second.Close(); err != nil {
				t.Fatal(err)
			}
			add(t, first, draft("a", "third"))
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			beside := first.Path()
			if beside == path || !strings.Contains(said.String(), beside) {
				t.Fatalf("the first spool is at %s; it was said: %s", beside, said.String())
			}
			second.Close()
			if second, err = spool.Open(path, spool.Options{}); err != nil {
				t.Fatal(err)
			}
			if first, err = spool.Open(beside, spool.Options{}); err != nil {
				t.Fatal(err)
			}
			want(t, content(t, second, "a", 1), "1:second")
			want(t, content(t, first, "a", 1), "1:first", "2:third")
		})
	}
}

func TestEmptyFileIsSaid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var said journal
	open(t, path, spool.Options{Logger: said.logger()})
	if !strings.Contains(said.String(), "level=WARN") || !strings.Contains(said.String(), path) {
		t.Errorf("it was said: %q", said.String())
	}
}
