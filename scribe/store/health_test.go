package store

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// TestBusyIsOneFile: a round that syncs many files on a slow disk is not taken for one that hangs.
func TestBusyIsOneFile(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(root, Options{manual: true})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		const takes = 40 * time.Second
		s.fdatasync = func(f *os.File) error {
			time.Sleep(takes)
			return fdatasync(f)
		}
		for n := range 3 * maxParallelSyncs {
			if _, err := s.AppendLines(fmt.Sprintf("log%d", n), 0, []byte("line\n")); err != nil {
				t.Fatal(err)
			}
		}
		begin, done := time.Now(), make(chan error, 1)
		go func() { done <- s.Commit(t.Context()) }()
		var most time.Duration
		for over := false; !over; {
			select {
			case err := <-done:
				if over = true; err != nil {
					t.Error(err)
				}
			case <-time.After(time.Second):
				most = max(most, s.Busy())
			}
		}
		if took := time.Since(begin); took < 3*takes || most < takes/2 || most > takes {
			t.Errorf("the round took %v, and seemed to hang for %v", took, most)
		}
		if busy := s.Busy(); busy != 0 {
			t.Errorf("at rest it is busy for %v", busy)
		}
		s.fdatasync = fdatasync
	})
}
