package size_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/logscribe/logscribe/internal/size"
)

func TestParse(t *testing.T) {
	for s, want := range map[string]int64{
		"1MB": 1_000_000, "1MiB": 1_048_576, "1mb": 1_000_000, "17": 17, "17B": 17, "2 KB": 2000, "3KiB": 3072,
		"1GB": 1e9, "1GiB": 1 << 30, "1TB": 1e12, "-1": -1, "-1B": -1, " 5 B ": 5,
	} {
		if got, err := size.Parse(s); got != want || err != nil {
			t.Errorf("%q: %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "MB", "1XB", "1.5MB", "-2", "-1MB", "0", "0B", "9999999TB", "1 000", "0x10"} {
		if got, err := size.Parse(s); err == nil || !strings.Contains(err.Error(), `"`+s+`"`) {
			t.Errorf("%q: %d, %v", s, got, err)
		}
	}
}

func TestFormatReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.OneOf(rapid.Int64Range(1, 1<<62), rapid.SampledFrom([]int64{-1, 1000, 1024, 1e6, 1 << 20})).Draw(t, "n")
		if got, err := size.Parse(size.Format(n)); got != n || err != nil {
			t.Fatalf("%d: %q gives %d, %v", n, size.Format(n), got, err)
		}
	})
	if got := size.Format(1_000_000); got != "1MB" {
		t.Error(got)
	}
}
