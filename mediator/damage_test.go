package mediator

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/logscribe/logscribe/internal/boltfile"
	"github.com/logscribe/logscribe/internal/bolttree/damagetest"
)

// TestDamagedStore opens a store with random damage: it is refused, or can be read and written.
func TestDamagedStore(t *testing.T) {
	dir := damagetest.Dir(t)
	s, err := openStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		log, id := "web/"+string(rune('a'+i)), string(rune('a'+i%3))
		if err := errors.Join(s.putScribe(registration{id: id, address: "host:1"}), s.putOwners(map[string]ownership{log: {id, 1}})); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, StoreFile)
	sound, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(500) {
		damaged, what := damagetest.Damage(sound, seed)
		if err := os.WriteFile(file, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := openStore(dir)
		if err == nil {
			s.db.NoSync = true
			_, _, err = s.load()
			err = errors.Join(err, s.putOwners(map[string]ownership{"new": {"x", 1}}), s.close())
		}
		if err != nil && !errors.Is(err, boltfile.ErrDamaged) && !errors.Is(err, errVersion) && !errors.Is(err, errShort) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
