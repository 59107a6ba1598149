package mediator

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

// What is stored once must be readable for ever: these bytes do not change.
func TestGoldenValues(t *testing.T) {
	r := registration{id: "a", address: "10.0.0.1:8080", root: [16]byte([]byte("0123456789abcdef")), software: "1.2"}
	const wantR = "01" + "30313233343536373839616263646566" + "000d" + "31302e302e302e313a38303830" + "312e32"
	if got := hex.EncodeToString(r.encode()); got != wantR {
		t.Errorf("registration is %s", got)
	}
	if got := hex.EncodeToString(ownership{"a", 258}.encode()); got != "01"+"0000000000000102"+"61" {
		t.Errorf("ownership is %s", got)
	}
}

func TestValuesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := registration{
			id: rapid.String().Draw(t, "id"), address: rapid.StringN(0, 60, 300).Draw(t, "address"),
			software: rapid.String().Draw(t, "software"),
		}
		copy(r.root[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "root"))
		if got, err := decodeRegistration([]byte(r.id), r.encode()); err != nil || got != r {
			t.Errorf("%+v becomes %+v, %v", r, got, err)
		}
		o := ownership{rapid.String().Draw(t, "owner"), rapid.Uint64().Draw(t, "epoch")}
		if got, err := decodeOwnership(o.encode()); err != nil || got != o {
			t.Errorf("%+v becomes %+v, %v", o, got, err)
		}
	})
}

func TestBadValues(t *testing.T) {
	whole := registration{id: "a", address: "host:1"}.encode()
	for _, b := range [][]byte{nil, {1}, whole[:18], whole[:20]} {
		if _, err := decodeRegistration([]byte("a"), b); !errors.Is(err, errShort) {
			t.Errorf("%x: %v", b, err)
		}
	}
	for _, b := range [][]byte{nil, {1}, {1, 0, 0, 0, 0, 0, 0, 0}} {
		if _, err := decodeOwnership(b); !errors.Is(err, errShort) {
			t.Errorf("%x: %v", b, err)
		}
	}
	later := bytes.Repeat([]byte{2}, 40)
	if _, err := decodeRegistration([]byte("a"), later); !errors.Is(err, errVersion) {
		t.Error(err)
	}
	if _, err := decodeOwnership(later); !errors.Is(err, errVersion) {
		t.Error(err)
	}
}

func TestStoreSurvives(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "for", "it")
	s, err := openStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := registration{id: "a", address: "host:1"}
	owners := map[string]ownership{"web/access": {"a", 1}, "web/error": {"b", 2}}
	if err := errors.Join(s.putScribe(r), s.putOwners(owners), s.close()); err != nil {
		t.Fatal(err)
	}
	if s, err = openStore(dir); err != nil {
		t.Fatal(err)
	}
	defer s.close()
	gotScribes, gotOwners, err := s.load()
	if err != nil || !reflect.DeepEqual(gotOwners, owners) || len(gotScribes) != 1 || gotScribes[0] != r {
		t.Errorf("%v %v %v", gotScribes, gotOwners, err)
	}
}

// Each damage must end in an error of New that names the file, and leave the file and the port as they were.
func TestStoreDamages(t *testing.T) {
	put := func(bucket, key []byte, value []byte) func(t *testing.T, file string) {
		return func(t *testing.T, file string) {
			db, err := bbolt.Open(file, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put(key, value) })
			if err := errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, file string)
		want   string
	}{
		{"a later format", put(metaBucket, formatKey, []byte{2}), "unsupported version"},
		{"a later registration", put(scribesBucket, []byte("x"), []byte{2}), `registration of Scribe "x": unsupported version`},
		{"a later ownership", put(ownersBucket, []byte("web/x"), []byte{9}), `owner of log "web/x": unsupported version`},
		{"a short ownership", put(ownersBucket, []byte("web/x"), []byte{1, 2}), `owner of log "web/x": damaged`},
		{"another file", func(t *testing.T, file string) {
			if err := os.WriteFile(file, bytes.Repeat([]byte("text "), 4000), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "it is damaged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := openStore(dir)
			if err != nil {
				t.Fatal(err)
			}
			s.close()
			file := filepath.Join(dir, StoreFile)
			c.damage(t, file)
			for range 2 { // the second time shows that the first released the lock and the port
				m, err := New(Config{Listen: "127.0.0.1:0", DataDir: dir})
				if err == nil || m != nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), file) {
					t.Fatalf("error %v does not say %q and %s", err, c.want, file)
				}
			}
		})
	}
}
