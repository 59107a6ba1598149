package bolttree_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/bolttree"
)

// made makes a bbolt file by a number of random transactions and returns its bytes, and what it holds by bucket.
func made(t testing.TB, seed uint64, transactions int) ([]byte, map[string]map[string]string) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoFreelistSync: seed%2 == 0, NoSync: true, NoGrowSync: true})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]string{}
	for range transactions {
		err := db.Update(func(tx *bolt.Tx) error {
			for _, name := range []string{"empty", "small", "large", "nested"} {
				b, err := tx.CreateBucketIfNotExists([]byte(name))
				if err != nil {
					return err
				}
				if want[name] == nil {
					want[name] = map[string]string{}
				}
				if err := change(random, b, name, want[name]); err != nil {
					return err
				}
			}
			return nil
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
	return content, want
}

func change(random *rand.Rand, b *bolt.Bucket, name string, want map[string]string) error {
	sizes := map[string]int{"empty": 0, "small": 20, "large": 9000}
	if name == "empty" {
		return nil
	}
	if name == "nested" {
		return changeNested(random, b, want)
	}
	for range 20 {
		key := fmt.Sprint(random.IntN(map[string]int{"small": 10, "large": 1000}[name]))
		if random.IntN(3) == 0 {
			delete(want, key)
			if err := b.Delete([]byte(key)); err != nil {
				return err
			}
			continue
		}
		value := bytes.Repeat([]byte{byte(random.IntN(256))}, random.IntN(sizes[name]))
		want[key] = string(value)
		if err := b.Put([]byte(key), value); err != nil {
			return err
		}
	}
	return nil
}

// changeNested changes buckets of one value each, under the same key.
func changeNested(random *rand.Rand, b *bolt.Bucket, want map[string]string) error {
	for range 20 {
		key := fmt.Appendf(nil, "%03d", random.IntN(300))
		if b.Bucket(key) != nil && random.IntN(2) == 0 {
			delete(want, string(key))
			if err := b.DeleteBucket(key); err != nil {
				return err
			}
			continue
		}
		value := bytes.Repeat([]byte{byte(random.IntN(256))}, 1+random.IntN(1<<random.IntN(15)))
		want[string(key)] = string(value)
		inner, err := b.CreateBucketIfNotExists(key)
		if err != nil {
			return err
		}
		if err := inner.Put(key, value); err != nil {
			return err
		}
	}
	return nil
}

func open(t testing.TB, content []byte) *bolttree.File {
	t.Helper()
	f, err := bolttree.Open(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSoundFilesAreSound(t *testing.T) {
	for seed := range uint64(8) {
		content, want := made(t, seed, int(seed*seed*8))
		f := open(t, content)
		if problems := f.Check(10, nil); len(problems) > 0 {
			t.Errorf("seed %d: %v", seed, problems)
		}
		got := map[string]map[string]string{}
		before := map[string][]byte{}
		f.Walk(func(bucket string, e bolttree.Element) {
			if bytes.Compare(e.Key, before[bucket]) <= 0 {
				t.Errorf("seed %d: %q follows on %q in %s", seed, e.Key, before[bucket], bucket)
			}
			before[bucket] = e.Key
			if bytes.Equal(e.Key, e.Owner) != (bucket == "nested") {
				t.Errorf("%q in %q of %s", e.Key, e.Owner, bucket)
			}
			if g, ok := f.Get(bucket, e.Key); !ok || g.At != e.At {
				t.Errorf("Get finds %q of %s: %v", e.Key, bucket, ok)
			}
			if got[bucket] == nil {
				got[bucket] = map[string]string{}
			}
			value, err := e.Value()
			if err != nil {
				t.Error(err)
			}
			got[bucket][string(e.Key)] = string(value)
		}, func(_ string, err error) { t.Error(err) })
		for bucket, all := range want {
			if len(got[bucket]) != len(all) {
				t.Errorf("seed %d, %s: %d elements, want %d", seed, bucket, len(got[bucket]), len(all))
			}
			for key, value := range all {
				if got[bucket][key] != value {
					t.Errorf("seed %d, %s: wrong value of %s", seed, bucket, key)
				}
			}
		}
	}
}

// FuzzFile holds that nothing here panics or loops, and that what Check passes bbolt reads as Walk does.
func FuzzFile(f *testing.F) {
	content, _ := made(f, 3, 12)
	f.Add(uint32(0), []byte{}, uint32(0))
	f.Add(uint32(4096*5+10), []byte{1, 2}, uint32(0))
	f.Add(uint32(4096), []byte{0xff}, uint32(8192))
	for id := range len(content) / 4096 {
		f.Add(uint32(id*4096), binary.NativeEndian.AppendUint64(nil, uint64(id)), uint32(0))
	}
	f.Fuzz(func(t *testing.T, at uint32, change []byte, cut uint32) {
		damaged := bytes.Clone(content)
		if int(at) < len(damaged) {
			copy(damaged[at:], change)
		}
		damaged = damaged[:len(damaged)-int(min(cut, uint32(len(damaged))))]
		exercise(t, damaged)
	})
}

func exercise(t testing.TB, content []byte) {
	r, size := bytes.NewReader(content), int64(len(content))
	visit := func(_ string, e bolttree.Element) { e.Value() }
	file := bolttree.Raw(r, size, 4096)
	file.Leaves(func(id uint64, _ []string) { file.At(id).Walk(visit, func(string, error) {}) },
		func(_ string, e bolttree.Element, _ bool) { e.Value() })
	f, err := bolttree.Open(r, size)
	if err != nil {
		return
	}
	elements := 0
	f.Walk(func(string, bolttree.Element) { elements++ }, func(string, error) {})
	if len(f.Check(1, nil)) > 0 {
		return
	}
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoFreelistSync: true, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	read := 0
	err = db.Update(func(tx *bolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bolt.Bucket) error {
			return b.ForEach(func(k, v []byte) error {
				if v == nil {
					return b.Bucket(k).ForEach(func(k, v []byte) error { read++; return nil })
				}
				read++
				return nil
			})
		})
	})
	if err != nil || read != elements {
		t.Fatalf("bbolt reads %d elements of %d: %v", read, elements, err)
	}
}

// TestDamage does what FuzzFile does with random damage of all kinds.
func TestDamage(t *testing.T) {
	content, _ := made(t, 4, 10)
	refused := 0
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		damaged := bytes.Clone(content)
		for range 1 + random.IntN(8) {
			at := random.IntN(len(damaged))
			if random.IntN(2) == 0 {
				at = at/4096*4096 + random.IntN(64) // where the structure is
			}
			damaged[at] ^= 1 << random.IntN(8)
		}
		exercise(t, damaged)
		if f, err := bolttree.Open(bytes.NewReader(damaged), int64(len(damaged))); err != nil || len(f.Check(1, nil)) > 0 {
			refused++
		}
	}
	t.Logf("%d of 300 refused", refused)
}
