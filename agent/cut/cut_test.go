package cut_test

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/logscribe/logscribe/agent/cut"
	"github.com/logscribe/logscribe/internal/block"
)

func TestNext(t *testing.T) {
	full := strings.Repeat("x", block.TargetRawSize-1) + "\n"
	for name, c := range map[string]struct {
		raw     string
		maxLine int
		n       int
		whole   bool
	}{
		"nothing":                     {"", 10, 0, true},
		"a partial line":              {"abc", 10, 0, true},
		"whole lines":                 {"a\nb\nc", 10, 4, true},
		"a line of the limit":         {"0123456789\nx", 10, 11, true},
		"a line of the limit, so far": {"0123456789", 10, 0, true},
		"a longer line":               {"0123456789a", 10, 10, false},
		"a longer line behind":        {"a\n0123456789a", 10, 2, true},
		"a full block":                {full + "x\n", 1 << 20, len(full), true},
		"a line longer than a block":  {"y" + full + "x\n", 1 << 20, len(full) + 1, true},
	} {
		if n, whole := cut.Next([]byte(c.raw), c.maxLine); n != c.n || whole != c.whole {
			t.Errorf("%s: %d, %t; want %d, %t", name, n, whole, c.n, c.whole)
		}
	}
}

// TestNothingIsLostOrInvented cuts random bytes, which come in random portions.
func TestNothingIsLostOrInvented(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		input := rapid.SliceOfN(rapid.SampledFrom([]byte("ab\n")), 0, 200).Draw(t, "input")
		maxLine := rapid.IntRange(1, 20).Draw(t, "maxLine")
		var pending, output []byte
		for rest := input; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "portion")
			pending, rest = append(pending, rest[:n]...), rest[n:]
			for {
				n, whole := cut.Next(pending, maxLine)
				if n == 0 {
					break
				}
				for line := range bytes.Lines(pending[:n]) {
					if len(bytes.TrimSuffix(line, []byte("\n"))) > maxLine {
						t.Fatalf("a line of %d bytes", len(line))
					}
				}
				if whole && pending[n-1] != '\n' || !whole && n != maxLine {
					t.Fatalf("cut %q, whole %t", pending[:n], whole)
				}
				output, pending = append(output, pending[:n]...), pending[n:]
			}
		}
		if !bytes.Equal(append(output, pending...), input) {
			t.Fatalf("%q became %q", input, output)
		}
	})
}
