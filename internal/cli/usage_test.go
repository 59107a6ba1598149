package cli

import (
	"flag"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestUsage(t *testing.T) {
	p := newSample().Program
	h, stdout, stderr := host(nil, "-h")
	if code := p.Main(h, nil); code != 0 || stderr.String() != "" {
		t.Fatalf("code %d, stderr %s", code, stderr)
	}
	const golden = "testdata/usage.txt"
	if *update {
		writeFile(t, golden, stdout.String())
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if stdout.String() != string(want) {
		t.Errorf("got\n%s\nif that is right: go test ./internal/cli -update", stdout)
	}
	for line := range strings.Lines(stdout.String()) {
		if utf8.RuneCountInString(line) > usageWidth+1 {
			t.Errorf("wider than %d: %s", usageWidth, line)
		}
	}
}
