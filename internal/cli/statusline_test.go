package cli

import (
	"strings"
	"testing"
)

// TestClosedLineStaysAway: after the end nothing is torn by who goes on showing.
func TestClosedLineStaysAway(t *testing.T) {
	var out strings.Builder
	s := &StatusLine{out: &out}
	s.Show("half")
	s.Close()
	end := out.Len()
	s.Show("all")
	if !strings.HasSuffix(out.String(), clearLine) || out.Len() != end {
		t.Errorf("got %q", out.String())
	}
}
