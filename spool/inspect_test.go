package spool

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/logscribe/logscribe/internal/bolttree/damagetest"
)

// busyFile is a spool's file of which an agent uses pages again while it is read: so often, those with the list of losses.
type busyFile struct {
	content []byte
	times   int
	read    int
}

func (f *busyFile) ReadAt(p []byte, at int64) (int, error) {
	n, err := bytes.NewReader(f.content).ReadAt(p, at)
	f.read += n
	page := int64(os.Getpagesize())
	whole := f.content[at/page*page : min(int64(len(f.content)), at/page*page+page)]
	if f.times > 0 && bytes.Contains(whole, []byte("truncated\x00")) {
		f.times--
		clear(p[:n])
	}
	return n, err
}

// TestInspectBesideABusyAgent: what could not be read whole is read again; and if that does not help, there is an error rather
// than a list with holes.
func TestInspectBesideABusyAgent(t *testing.T) {
	path := filepath.Join(damagetest.Dir(t), "spool.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := one("a", "line")
	b.Losses = []Loss{{Log: "a", File: "/a", Reason: Truncated, Lines: 1}}
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	s.Close()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, times := range []int{0, 1, attempts - 1, 1 << 20} {
		synctest.Test(t, func(t *testing.T) {
			f := &busyFile{content: content, times: times}
			found, err := inspectInUse(f, func() (int64, error) { return int64(len(content)), nil })
			switch {
			case times > attempts:
				if err == nil {
					t.Errorf("%+v", found.losses)
				}
			case err != nil || len(found.losses) != 1:
				t.Errorf("%d times: %+v, %v", times, found, err)
			}
			if f.read > attempts*len(content)/2 {
				t.Errorf("%d times: %d bytes were read of a file of %d", times, f.read, len(content))
			}
		})
	}
}
