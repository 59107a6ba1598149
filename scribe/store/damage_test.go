package store

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/logscribe/logscribe/internal/bolttree/damagetest"
)

// TestDamagedLedger opens a ledger with random damage: it is refused, or can be read and written.
func TestDamagedLedger(t *testing.T) {
	path := filepath.Join(damagetest.Dir(t), "ledger.db")
	l, err := openLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		if err := l.change(name(i), func(e *entry) { e.size = int64(i) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.db.Close(); err != nil {
		t.Fatal(err)
	}
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(500) {
		damaged, what := damagetest.Damage(sound, seed)
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := openLedger(path)
		if err == nil {
			l.db.NoSync = true
			_, err = l.entries()
			err = errors.Join(err, l.change("new", func(e *entry) { e.size = 1 }), l.db.Close())
		}
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func name(i int) string { return "web/" + string(rune('a'+i%26)) + string(rune('a'+i/26)) }
