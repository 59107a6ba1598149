package spool_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/spool"
)

// TestLimitsMayChange lets a batch wait for room, and then gives it room: by another size, by another policy.
func TestLimitsMayChange(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "spool.db"), spool.Options{MaxSize: spool.MinSize})
	big := block.NewDraft(nil, "a", append(bytes.Repeat([]byte{'x'}, spool.MinSize/2), '\n'), block.None)
	waiting := func() chan error {
		taken := make(chan error, 1)
		go func() { taken <- s.Append(t.Context(), spool.Batch{Drafts: []block.Draft{big}}) }()
		for s.Stats().Waiting == 0 {
			select {
			case err := <-taken:
				taken <- err
				return taken
			default:
			}
		}
		return taken
	}
	add(t, s, big)
	for range 3 {
		taken := waiting()
		select {
		case err := <-taken:
			t.Fatal(errors.Join(errors.New("a full spool took a batch"), err))
		default:
		}
		s.SetLimits(-1, spool.Block)
		if err := <-taken; err != nil {
			t.Fatal(err)
		}
		s.SetLimits(spool.MinSize, spool.Block)
	}
	taken := waiting()
	if s.Stats().Waiting == 0 {
		t.Error("it is not full any more")
	}
	s.SetLimits(spool.MinSize, spool.DropOldest)
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
	if q := s.Queue("a"); q.Next != 6 || q.Dropped == 0 {
		t.Errorf("the queue is %+v", q)
	}
}
