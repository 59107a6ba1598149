package bolttree_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/bolttree"
)

// withSingles makes a file of buckets of one value each, of which every third says nothing in its counter, and returns its
// bytes.
func withSingles(t *testing.T, pageSize int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoFreelistSync: true, NoSync: true, PageSize: pageSize})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		err := db.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("singles"))
			if err != nil {
				return err
			}
			if gone := fmt.Appendf(nil, "%03d", i-7); i%2 == 0 && b.Bucket(gone) != nil {
				if err := b.DeleteBucket(gone); err != nil {
					return err
				}
			}
			key, value := fmt.Appendf(nil, "%03d", i), make([]byte, 1+i*i%(3*pageSize))
			if i > 180 {
				value = value[:min(len(value), (i-180)/8*pageSize+pageSize-16-16-3+i%3-1)] // ends where a page does
			}
			own, err := b.CreateBucket(key)
			if err == nil && i%3 > 0 {
				err = own.SetSequence(bolttree.SingleCounter(key, len(value)))
			}
			return errors.Join(err, own.Put(key, value))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestSinglesAreWhereTheirCountersSay holds what is said of singles without a look at their pages against what stands there.
func TestSinglesAreWhereTheirCountersSay(t *testing.T) {
	for _, pageSize := range []int{4096, 16384} {
		content := withSingles(t, pageSize)
		f := open(t, content)
		visited := func(look func(func(string, bolttree.Element)) ([]uint64, error)) (free []uint64, seen []string) {
			free, err := look(func(_ string, e bolttree.Element) {
				seen = append(seen, fmt.Sprintf("%s in %s at %d: %d", e.Key, e.Owner, e.At, e.Size))
			})
			if err != nil {
				t.Fatal(err)
			}
			return free, seen
		}
		free, seen := visited(f.SoundButSingles)
		wantFree, want := visited(f.Sound)
		if !slices.Equal(free, wantFree) || !slices.Equal(seen, want) || len(free) == 0 {
			t.Errorf("without a look at the pages:\n%v\n%v\nwith it:\n%v\n%v", free, seen, wantFree, want)
		}
		for i := range 200 {
			key := fmt.Appendf(nil, "%03d", i)
			if e, ok := f.Get("singles", key); ok && i%3 > 0 && e.Size > int64(pageSize) {
				page := e.At / int64(pageSize)
				s, ok := bolttree.AsSingle(key, uint64(page), bolttree.SingleCounter(key, int(e.Size)), int64(pageSize))
				if head := content[page*int64(pageSize) : e.At]; !ok || s.At() != e.At || !bytes.Equal(s.Head(), head) {
					t.Errorf("single %d: the head is\n%x instead of\n%x", i, s.Head(), head)
				}
			}
		}
	}
}

// TestCountersThatSayNothing changes each bit of counters: then the pages must be read.
func TestCountersThatSayNothing(t *testing.T) {
	key := []byte("key")
	sound := bolttree.SingleCounter(key, 5000)
	if _, ok := bolttree.AsSingle(key, 3, sound, 4096); !ok {
		t.Error("a sound counter says nothing")
	}
	for bit := range 64 {
		if _, ok := bolttree.AsSingle(key, 3, sound^1<<bit, 4096); ok {
			t.Errorf("the counter with bit %d flipped is believed", bit)
		}
	}
	if _, ok := bolttree.AsSingle([]byte("kez"), 3, sound, 4096); ok {
		t.Error("another key's counter is believed")
	}
	if _, ok := bolttree.AsSingle(key, 3, 0, 4096); ok {
		t.Error("a counter of 0 is believed")
	}
}

// TestPagesOfSinglesMustFit changes the pages that the tree gives for singles to others: those beyond the file, and those in
// use otherwise, are found without a look at them.
func TestPagesOfSinglesMustFit(t *testing.T) {
	content := withSingles(t, 4096)
	f := open(t, content)
	free, err := f.SoundButSingles(nil)
	if err != nil {
		t.Fatal(err)
	}
	element := func(i int, page uint64) []byte { // key and value
		key := fmt.Appendf(nil, "%03d", i)
		e, ok := f.Get("singles", key)
		if !ok {
			t.Fatal("there is none")
		}
		b := binary.NativeEndian.AppendUint64(key, cmp.Or(page, uint64(e.At/4096)))
		return binary.NativeEndian.AppendUint64(b, bolttree.SingleCounter(key, int(e.Size)))
	}
	two := slices.IndexFunc(free, func(id uint64) bool { return slices.Contains(free, id+1) })
	used := binary.NativeEndian.Uint64(element(199, 0)[3:])
	for page, bad := range map[uint64]bool{
		1: true, used: true, f.Meta().Pages: true, f.Meta().Pages - 1: true, 1 << 40: true, 1 << 63: true, free[two]: false,
	} {
		damaged := bytes.ReplaceAll(content, element(178, 0), element(178, page))
		if _, err := open(t, damaged).SoundButSingles(nil); (err != nil) != bad {
			t.Errorf("page %d of %d: %v", page, f.Meta().Pages, err)
		}
	}
}
