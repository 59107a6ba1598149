package spool

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/bolttree/damagetest"
)

// busyFile is a spool's file of which an agent uses a page again while it is read: so often.
type busyFile struct {
	content []byte
	page    int64
	times   int
	read    int
}

func (f *busyFile) ReadAt(p []byte, at int64) (int, error) {
	n, err := bytes.NewReader(f.content).ReadAt(p, at)
	f.read += n
	if f.times > 0 && at/4096 == f.page {
		f.times--
		clear(p[:n])
	}
	return n, err
}

// TestInspectBesideABusyAgent: what could not be read whole is read again; and if that does not help, there is an error rather
// than a list with holes.
func TestInspectBesideABusyAgent(t *testing.T) {
	path := filepath.Join(damagetest.Dir(t), "spool.db")
	s, err := Open(path, Options{MaxSize: 1 << 30}) // so that a page has 4 KiB
	if err != nil {
		t.Fatal(err)
	}
	b := one("a", "line")
	const files = 50 // so that the list has a page of its own
	for i := range files {
		b.Losses = append(b.Losses, Loss{Log: "a", File: fmt.Sprint("/", i), Reason: Truncated, Lines: 1})
	}
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	page := int64(0)
	if err := s.view(func(tx *bolt.Tx) error { page = int64(tx.Bucket(bucketLosses).Root()); return nil }); err != nil || page == 0 {
		t.Fatal(page, err)
	}
	s.Close()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, times := range []int{0, 1, attempts - 1, 1 << 20} {
		synctest.Test(t, func(t *testing.T) {
			f := &busyFile{content: content, page: page, times: times}
			found, err := inspectInUse(f, func() (int64, error) { return int64(len(content)), nil })
			switch {
			case times > attempts:
				if err == nil {
					t.Errorf("%d entries were found", len(found.losses))
				}
			case err != nil || len(found.losses) != files:
				t.Errorf("%d times: %+v, %v", times, found, err)
			}
			if f.read > attempts*len(content)/8 {
				t.Errorf("%d times: %d bytes were read of a file of %d", times, f.read, len(content))
			}
		})
	}
}
