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
		if p := cut.Next([]byte(c.raw), c.maxLine, false); p.Size != c.n || p.Broken == c.whole {
			t.Errorf("%s: %+v; want %d, %t", name, p, c.n, c.whole)
		}
	}
}

// TestNextAndDraft compares with a plain loop over the lines.
func TestNextAndDraft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		maxLine := rapid.SampledFrom([]int{1, 2, 7, 1000, block.TargetRawSize - 1, block.TargetRawSize, 400_000}).Draw(t, "max")
		var data []byte
		for range rapid.IntRange(0, 30).Draw(t, "lines") {
			n := rapid.SampledFrom([]int{0, 1, 2, 6, 7, 8, maxLine - 1, maxLine, maxLine + 1, 2 * maxLine, 3*maxLine + 1}).Draw(t, "n")
			data = append(append(data, bytes.Repeat([]byte{'x'}, n)...), '\n')
		}
		if rapid.Bool().Draw(t, "unfinished") {
			data = append(data, bytes.Repeat([]byte{'y'}, rapid.IntRange(0, maxLine+3).Draw(t, "rest"))...)
		}
		final := rapid.Bool().Draw(t, "final")
		want, wantUsed := plainCut(data, maxLine, final)

		var got []byte
		used := 0
		data = append(data, 'z')[:len(data)] // room for a byte
		for used < len(data) {
			p := cut.Next(data[used:], maxLine, final)
			if p.Size == 0 {
				break
			}
			d := p.Draft(nil, "log", data[used:], block.None, "")
			if d.RawSize > block.TargetRawSize && d.Count > 1 {
				t.Fatalf("a block of %d lines has %d bytes", d.Count, d.RawSize)
			}
			got = append(got, d.Payload...)
			used += p.Size
		}
		if used != wantUsed || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes make %d, want %d that make %d", used, len(got), wantUsed, len(want))
		}
	})
}

func plainCut(data []byte, maxLine int, final bool) (out []byte, used int) {
	for used < len(data) {
		rest := data[used:]
		i := bytes.IndexByte(rest, '\n')
		switch {
		case i >= 0 && i <= maxLine:
			out = append(out, rest[:i+1]...)
			used += i + 1
		case len(rest) > maxLine:
			out = append(append(out, rest[:maxLine]...), '\n')
			used += maxLine
		case final:
			return append(append(out, rest...), '\n'), len(data)
		default:
			return out, used
		}
	}
	return out, used
}
