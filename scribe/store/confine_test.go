package store

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// trap is a root beside a folder that nothing must be written to, and links from the one to the other.
func trap(t *testing.T) (root, outside string) {
	t.Helper()
	dir := t.TempDir()
	root, outside = filepath.Join(dir, "root"), filepath.Join(dir, "outside")
	err := errors.Join(
		os.Mkdir(root, 0o750), os.Mkdir(outside, 0o750), os.WriteFile(filepath.Join(outside, "victim.log"), []byte("x\n"), 0o600),
		os.Symlink(outside, filepath.Join(root, "absolute")), os.Symlink("../outside", filepath.Join(root, "relative")),
		os.Symlink(filepath.Join(outside, "victim.log"), filepath.Join(root, "victim.log")),
		os.Symlink("../outside/new.log", filepath.Join(root, "new.log")), os.Symlink(".", filepath.Join(root, "itself")),
	)
	if err != nil {
		t.Fatal(err)
	}
	return root, outside
}

// expectUntouched expects nothing in the folder that the trap is in but what it was made of.
func expectUntouched(t *testing.T, root, outside string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(outside, "victim.log"))
	if err != nil || string(text) != "x\n" {
		t.Errorf("the file outside holds %q, %v", text, err)
	}
	for folder, want := range map[string]int{outside: 1, filepath.Dir(root): 2} {
		if left, err := os.ReadDir(folder); err != nil || len(left) != want {
			t.Errorf("%s holds %v, %v", folder, left, err)
		}
	}
}

// TestRandomNamesStayInTheRoot makes up names of all that may lead elsewhere.
func TestRandomNamesStayInTheRoot(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	root, outside := trap(t)
	s := open(t, root, Options{Policy: Policy{MaxSize: 30}, Durability: ProcessCrash})
	elements := []string{
		"..", ".", "", "/", "a", "b", "absolute", "relative", "victim", "new", "itself", ".scribe", "ledger", "outside", "root",
		"a\x00b", "a\nb", "\xff", "…", "../outside/victim", "..\\outside", "%2e%2e", strings.Repeat("n", 300), "a_20260101T000000.000000Z",
	}
	taken := 0
	for range 1000 {
		var parts []string
		for range 1 + rng.IntN(4) {
			parts = append(parts, elements[rng.IntN(len(elements))])
		}
		name := strings.Join(parts, "/")
		if _, _, err := s.Append(numbered(name, alice, 1, 5, 10)); err == nil {
			taken++
		}
	}
	mustCommit(t, s)
	if taken == 0 {
		t.Error("no name was taken at all")
	}
	expectUntouched(t, root, outside)
}

// TestAFolderThatBecomesALinkIsNotFollowed swaps a log's folder for a link out of the root, again and again, while lines
// are written and rotated.
func TestAFolderThatBecomesALinkIsNotFollowed(t *testing.T) {
	root, outside := trap(t)
	s := open(t, root, Options{Policy: Policy{MaxSize: 30}, Durability: ProcessCrash})
	folder, aside, link := filepath.Join(root, "d"), filepath.Join(root, "aside"), filepath.Join(root, "link")
	mustAppend(t, s, numbered("d/victim", alice, 1, 1, 10))
	mustCommit(t, s)
	done, swapped := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-done:
				swapped <- n
				return
			default:
			}
			_ = os.Symlink(outside, link) // any of these may come too late, or too early
			_ = os.Rename(folder, aside)
			_ = os.Rename(link, folder)
			_ = os.Remove(folder)
			_ = os.Rename(aside, folder)
		}
	}()
	failed := 0
	for range 500 {
		next, _, err := s.Committed("d/victim", alice)
		if err == nil {
			_, _, err = s.Append(numbered("d/victim", alice, next+1, next+3, 10))
		}
		if err != nil {
			failed++
		}
		mustCommit(t, s)
	}
	close(done)
	t.Logf("%d swaps, %d of 500 appends failed", <-swapped, failed)
	left, err := fs.Glob(os.DirFS(outside), "*")
	text, err2 := os.ReadFile(filepath.Join(outside, "victim.log"))
	if err := errors.Join(err, err2); err != nil || len(left) != 1 || string(text) != "x\n" {
		t.Errorf("outside the root: %v, %q, %v", left, text, err)
	}
}
