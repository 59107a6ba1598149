package spool

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/boltfile"
	"github.com/logscribe/logscribe/internal/bolttree/damagetest"
)

// unreadableDisk can't read some pages, from the moment on at which Open writes for the first time.
type unreadableDisk struct {
	disk
	once  sync.Once
	pages damagetest.BadPages
}

func (d *unreadableDisk) update(f *boltfile.Sized, limit int64, fn func(*bolt.Tx) error) error {
	d.once.Do(func() { d.pages.File, f.Pages = f.Pages, &d.pages })
	return d.disk.update(f, limit, fn)
}

// unreadable stores n blocks of some pages in log "a", each a line, and opens their spool on a disk that can't read some
// pages of one of them.
func unreadable(t *testing.T, n, bad int, pages ...int64) (s *Spool, d *unreadableDisk, path string, lines []string) {
	t.Helper()
	path = filepath.Join(damagetest.Dir(t), "spool.db")
	s, err := Open(path, Options{MaxSize: 1 << 30}) // so that a page has 4 KiB
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		lines = append(lines, fmt.Sprintf("%d %s\n", i+1, bytes.Repeat([]byte{'x'}, 20_000)))
		draft := block.NewDraft(nil, "a", []byte(lines[i]), block.None)
		if err := s.Append(t.Context(), Batch{Drafts: []block.Draft{draft}}); err != nil {
			t.Fatal(err)
		}
	}
	d = &unreadableDisk{pages: damagetest.BadPages{Bad: map[int64]bool{}}}
	err = s.view(func(tx *bolt.Tx) error {
		first := int64(tx.Bucket(bucketBlocks).Bucket(blockKey(1, uint64(bad))).Root())
		for _, page := range pages {
			d.pages.Bad[first+page] = true
		}
		return nil
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	if s, err = openOn(d, path, Options{MaxSize: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, d, path, lines
}

// ship settles what it reads of log "a", and sets aside what is damaged, as a shipper does; whenever a block is damaged it
// calls meanwhile.
func ship(t *testing.T, s *Spool, meanwhile func()) string {
	t.Helper()
	var lines strings.Builder
	for s.Lines() > 0 {
		q := s.Queue("a")
		blocks, _, err := s.Read(nil, nil, "a", q.Oldest, 1)
		if bad, ok := errors.AsType[*BlockError](err); ok {
			meanwhile()
			s.SetAside("a", q.Oldest, bad)
			for s.Queue("a").Held {
				<-s.Appended()
			}
			continue
		}
		if err != nil || len(blocks) != 1 {
			t.Fatalf("%d blocks, %v", len(blocks), err)
		}
		lines.Write(blocks[0].Payload)
		s.Settle("a", q.Oldest+uint64(blocks[0].Count)-1)
	}
	return lines.String()
}

// TestUnreadableBlockCostsItselfAlone: a block that the disk can't read is set aside and counted, and all others go out.
func TestUnreadableBlockCostsItselfAlone(t *testing.T) {
	const n = 3
	for bad := 1; bad <= n; bad++ {
		for _, pages := range [][]int64{{0}, {1}, {0, 1, 2, 3, 4}} {
			t.Run(fmt.Sprint("pages ", pages, " of block ", bad), func(t *testing.T) {
				s, d, path, lines := unreadable(t, n, bad, pages...)
				want := strings.Join(append(append([]string{}, lines[:bad-1]...), lines[bad:]...), "")
				if got := ship(t, s, func() {}); got != want {
					t.Errorf("got %d bytes of %d", len(got), len(want))
				}
				if q := s.Queue("a"); q.AsideLines != 1 {
					t.Errorf("%+v", q)
				}
				if err := s.Append(t.Context(), one("a", "later")); err != nil {
					t.Fatal(err)
				}
				s.Close()
				if err := s.Err(); err != nil {
					t.Error(err)
				}
				if s, err := openOn(d, path, Options{MaxSize: 1 << 30}); err != nil || ship(t, s, func() {}) != "later\n" {
					t.Error("opened again:", err)
				} else {
					s.Close()
				}
			})
		}
	}
}

// TestUnreadableForAWhile: what can be read again before it is set aside is sent.
func TestUnreadableForAWhile(t *testing.T) {
	s, d, _, lines := unreadable(t, 3, 2, 0, 1)
	if got := ship(t, s, func() { clear(d.pages.Bad) }); got != strings.Join(lines, "") || s.Queue("a").AsideLines > 0 {
		t.Errorf("got %d bytes, %+v", len(got), s.Queue("a"))
	}
}

// TestUnwritableBlockIsWaitedFor: where the disk can't write a block's page either, that is the disk's trouble.
func TestUnwritableBlockIsWaitedFor(t *testing.T) {
	path, o := longList(t)
	w := openWriter(t, disk{}, path, o)
	w.file.Pages = deadPages{}
	tx, err := w.transact(task{settled: map[string]uint64{"a": 21}})
	if !errors.Is(err, boltfile.ErrDisk) || tx.failed || w.file.Broken() != nil {
		t.Errorf("%v, %v, %v", err, tx.failed, w.file.Broken())
	}
}

// deadPages can be neither read nor written.
type deadPages struct{}

func (deadPages) ReadAt([]byte, int64) (int, error)  { return 0, syscall.EIO }
func (deadPages) WriteAt([]byte, int64) (int, error) { return 0, syscall.EIO }
