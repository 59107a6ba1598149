package boltfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/logscribe/logscribe/internal/boltfile"
	"github.com/logscribe/logscribe/internal/bolttree"
	"github.com/logscribe/logscribe/internal/bolttree/damagetest"
)

var damages = flag.Int("damages", 500, "number of random damages")

var bucketSingles = []byte("singles")

func singleKey(i int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(i)) }

// putSingles stores singles of these lengths, one transaction for each.
func putSingles(t *testing.T, f *boltfile.Sized, from int, lengths ...int) {
	t.Helper()
	for i, n := range lengths {
		used, err := f.Used()
		if err != nil {
			t.Fatal(err)
		}
		extend(t, f, used+f.Free()+int64(n)+8*4096)
		err = f.Update(f.End(), func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(bucketSingles)
			return errors.Join(err, boltfile.PutSingle(b, singleKey(from+i), singleValue(from+i, n)))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func singleValue(i, n int) []byte { return bytes.Repeat([]byte{byte(i), 0x5A}, n/2) }

func deleteSingles(t *testing.T, f *boltfile.Sized, numbers ...int) {
	t.Helper()
	err := f.Update(f.End(), func(tx *bolt.Tx) error {
		for _, i := range numbers {
			if err := f.DeleteSingle(tx.Bucket(bucketSingles), singleKey(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// problems returns what is wrong with the file when all of it is read.
func problems(t *testing.T, path string) []error {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := bolttree.Open(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return []error{err}
	}
	return tree.Check(10, nil)
}

// TestDamagedSingles damages files of small and large singles at random. What OpenSized takes can be read and changed, and
// each single whose bytes are sound is read as it was, though its page is not.
func TestDamagedSingles(t *testing.T) {
	dir := damagetest.Dir(t)
	path := filepath.Join(dir, "sound.db")
	f := openSized(t, path)
	lengths := []int{10, 5000, 900, 40_000, 1200, 4096 - 36, 4096 - 34, 700, 9000, 30, 20_000}
	putSingles(t, f, 0, lengths...)
	putSingles(t, f, len(lengths), 8000, 50)
	deleteSingles(t, f, len(lengths), 4)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int64{}
	tree, err := bolttree.Open(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	tree.Walk(func(_ string, e bolttree.Element) { at[string(e.Key)] = e.At }, func(_ string, err error) { t.Error(err) })

	refused, unsound := 0, 0
	for seed := range uint64(*damages) {
		damaged, what := damagetest.Damage(content, seed)
		path := filepath.Join(dir, "damaged.db")
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := boltfile.OpenSized(path, 0, bucketSingles, nil)
		if errors.Is(err, boltfile.ErrDamaged) {
			refused++
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if len(problems(t, path)) > 0 {
			unsound++
		}
		err = f.View(func(tx *bolt.Tx) error {
			b := tx.Bucket(bucketSingles)
			if b == nil { // of an empty file, or one of a bucket of another name
				return errRollback
			}
			for i, n := range lengths {
				from := at[string(singleKey(i))]
				if i == 4 || from+int64(n) > int64(len(damaged)) || !bytes.Equal(damaged[from:][:n], content[from:][:n]) {
					continue
				}
				value, err := f.ReadSingle(nil, b, singleKey(i), 1<<20)
				if b.Bucket(singleKey(i)) == nil { // its key is damaged
					continue
				}
				if err != nil || n > 1024 && !bytes.Equal(value, singleValue(i, n)) && f.SingleLength(b, singleKey(i)) == int64(n) {
					t.Errorf("%s: value %d: %v", what, i, err)
				}
			}
			return nil
		})
		if err == nil {
			var keys [][]byte
			err = f.Update(f.End(), func(tx *bolt.Tx) error {
				b := tx.Bucket(bucketSingles)
				err := b.ForEachBucket(func(key []byte) error { keys = append(keys, bytes.Clone(key)); return nil })
				for _, key := range keys {
					err = errors.Join(err, f.DeleteSingle(b, key))
				}
				return err
			})
		}
		if err := errors.Join(err, f.Close()); err != nil && !errors.Is(err, errRollback) {
			t.Errorf("%s: %v", what, err)
		}
		if found := problems(t, path); len(found) > 0 && !errors.Is(err, errRollback) {
			t.Errorf("%s: once all is removed: %v", what, found)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%d of %d were refused, and %d opened that have damaged pages", refused, *damages, unsound)
	if unsound == 0 {
		t.Error("none was opened with a damaged page: the test tests nothing")
	}
}

// TestFailureBesideADamagedSingle has transactions fail in a file with so many free pages that bbolt keeps no list of them,
// and then looks at all pages in use. That of a single is damaged.
func TestFailureBesideADamagedSingle(t *testing.T) {
	path := filepath.Join(damagetest.Dir(t), "x.db")
	f := openSized(t, path)
	lengths, freed := []int{20 << 20}, []int{0}
	for i := range 40 {
		lengths = append(lengths, 100_000)
		freed = append(freed, 2*i+1)
	}
	putSingles(t, f, 0, lengths...)
	putSingles(t, f, len(lengths), 20_000, 20_000)
	extend(t, f, f.End()+1<<20) // for the list of free pages
	deleteSingles(t, f, freed[:20]...)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	damageSingle(t, path, singleKey(2))

	f = openSized(t, path)
	fail := func() {
		t.Helper()
		err := f.Update(f.End(), func(tx *bolt.Tx) error {
			return boltfile.PutSingle(tx.Bucket(bucketSingles), singleKey(99), make([]byte, 50<<20))
		})
		if !errors.Is(err, bolterrors.ErrMaxSizeReached) {
			t.Fatalf("got %v", err)
		}
	}
	if !f.MustMend() {
		t.Fatal("there is nothing to be mended: the test tests nothing")
	}
	deleteSingles(t, f, 4)
	fail()
	mended := 0
	for f.MustMend() {
		n, err := f.MendSome(7)
		if err != nil {
			t.Fatal(err)
		}
		mended += n
	}
	if mended != 1 {
		t.Errorf("%d were mended", mended)
	}
	deleteSingles(t, f, 6)
	fail()
	if found := problems(t, path); len(found) > 0 {
		t.Error(found)
	}
}

// TestSingleIsNotReplaced: what bbolt knows of it would be of the old one, and its length of the new.
func TestSingleIsNotReplaced(t *testing.T) {
	f := openSized(t, filepath.Join(damagetest.Dir(t), "x.db"))
	putSingles(t, f, 0, 20_000)
	err := f.Update(f.End(), func(tx *bolt.Tx) error {
		return boltfile.PutSingle(tx.Bucket(bucketSingles), singleKey(0), singleValue(1, 100))
	})
	if !errors.Is(err, bolterrors.ErrBucketExists) {
		t.Error(err)
	}
}

// TestUnreadableSingle has a disk that can't read a page of a single: the first, of which bbolt finds another content in its
// memory, or one behind it.
func TestUnreadableSingle(t *testing.T) {
	for _, bad := range []int64{0, 1} {
		path := filepath.Join(damagetest.Dir(t), "x.db")
		f := openSized(t, path)
		putSingles(t, f, 0, 20_000, 20_000, 20_000)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		first := placeOf(t, path, singleKey(1)) / 4096
		damageSingle(t, path, singleKey(1))
		f = openSized(t, path)
		disk := &damagetest.BadPages{File: f.Pages, Bad: map[int64]bool{first + bad: true}}
		f.Pages = disk

		err := f.View(func(tx *bolt.Tx) error {
			for i, want := range []int{20_000, int(bad) * (4096 - 36), 20_000} {
				value, err := f.ReadSingle(nil, tx.Bucket(bucketSingles), singleKey(i), 1<<20)
				if !bytes.Equal(value, singleValue(i, want)) || errors.Is(err, boltfile.ErrDisk) != (i == 1) {
					t.Errorf("page %d: value %d has %d bytes, %v", bad, i, len(value), err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := f.MendSome(3); errors.Is(err, boltfile.ErrDisk) != (bad == 0) {
				t.Errorf("page %d: mended: %v", bad, err)
			}
		}
		if bad == 0 && !disk.Bad[first] {
			t.Error("what the disk can't read now was given up")
		}
		deleteSingles(t, f, 1)
		if err := errors.Join(f.Broken(), f.Close()); err != nil {
			t.Error(err)
		}
		if found := problems(t, path); len(found) > 0 {
			t.Error(found)
		}
	}
}

// placeOf returns where a single's pages begin.
func placeOf(t *testing.T, path string, key []byte) int64 {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := bolttree.Open(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	e, ok := tree.Get(string(bucketSingles), key)
	if !ok {
		t.Fatalf("no single %x", key)
	}
	return e.At - int64(len(key)) - 32
}

// damageSingle clears the head of a single's page.
func damageSingle(t *testing.T, path string, key []byte) {
	t.Helper()
	at := placeOf(t, path, key)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 32 {
		content[at+int64(i)] = byte(random.Uint32())
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if len(problems(t, path)) == 0 {
		t.Fatal("it is not damaged")
	}
}
