package spool_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/logscribe/logscribe/spool"
)

// TestBrief: it says what Stats say, but of all logs together, and of those with the most lines.
func TestBrief(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "spool.db"), spool.Options{})
	for n := range 20 {
		lines := make([]string, n)
		if n > 0 {
			add(t, s, draft(fmt.Sprintf("log/%02d", n), lines...))
		}
	}
	b, st := s.Brief(3), s.Stats()
	most := []spool.Waiting{{"log/19", 19}, {"log/18", 18}, {"log/17", 17}}
	if !cmp.Equal(b.Most, most) || b.Lines != 190 || b.BlockBytes != st.BlockBytes || b.UsedBytes != st.UsedBytes || b.FreeBytes != st.FreeBytes {
		t.Errorf("got %+v", b)
	}
	s.Acknowledge("log/19", s.Queue("log/19").Producer, 15, true)
	if b := s.Brief(100); b.Lines != 175 || len(b.Most) != 19 || b.Most[0].Log != "log/18" || b.Most[18].Log != "log/01" {
		t.Errorf("got %+v", b)
	}
	if used, free, failing := s.Room(); used != st.UsedBytes || free != st.FreeBytes || failing {
		t.Errorf("%d bytes are used, %d free, %v; want %+v", used, free, failing, st)
	}
	if most := s.Brief(0).Most; len(most) != 0 {
		t.Errorf("got %v", most)
	}
}
