package powerdisk

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// TestOnlyWhatWasSyncedSurvives writes two files and syncs one: after a cut of power that loses the cache the one is
// there and the other is not.
func TestOnlyWhatWasSyncedSurvives(t *testing.T) {
	work, folder, after := t.TempDir(), t.TempDir(), t.TempDir()
	d, err := New(folder, work, 32<<20)
	if errors.Is(err, ErrUnable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	synced, err := os.Create(filepath.Join(folder, "synced"))
	if err != nil {
		t.Fatal(err)
	}
	defer synced.Close()
	if _, err := synced.WriteString("safe"); err != nil {
		t.Fatal(err)
	}
	if err := synced.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "cached"), []byte("lost"), 0o600); err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(work, "image")
	if err := os.WriteFile(image, d.Image(LoseAll, rand.New(rand.NewPCG(1, 1))), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := MountImage(image, after); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := Unmount(after); err != nil {
			t.Error(err)
		}
	}()
	if text, err := os.ReadFile(filepath.Join(after, "synced")); err != nil || string(text) != "safe" {
		t.Errorf("the synced file: %q, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(after, "cached")); !os.IsNotExist(err) {
		t.Errorf("the other one: %v", err)
	}
	if d.Flushes() == 0 {
		t.Error("no flush has come to the disk")
	}
}
