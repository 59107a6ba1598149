package demo

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestProof sees that what is done to the files is found.
func TestProof(t *testing.T) {
	dir := t.TempDir()
	a := &app{dir: filepath.Join(dir, appDir), lines: 40_000, during: time.Millisecond}
	folders := []string{a.dir, filepath.Join(dir, scribes[0], logFolder), filepath.Join(dir, scribes[1], logFolder)}
	for _, folder := range folders {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, log := range logs { // as a Scribe rotates them
		text, err := os.ReadFile(filepath.Join(a.dir, log+".log"))
		if err != nil {
			t.Fatal(err)
		}
		for name, part := range map[string][]byte{"_20260102T150405.000000Z": text[:5000*lineLength], "_20260102T150406.000000Z": text[5000*lineLength : 8000*lineLength], "": text[8000*lineLength:]} {
			if err := os.WriteFile(filepath.Join(folders[1+i%2], log+name+".log"), part, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tc := range sabotages {
		tc.try(t, dir)
	}
	d := &demo{cfg: Config{Lines: 40_000}, dir: dir, screen: &screen{out: io.Discard, begin: time.Now()}}
	if _, err := d.conclude(); err != nil {
		t.Errorf("after all is as it was: %v", err)
	}
}

// sabotage is something that is done to one of the Scribes' files.
type sabotage struct {
	name string
	do   func(head, first, second, tail []byte) [][]byte // around two lines in the middle
	want string                                          // the end of the error
	row  string                                          // of the log
}

var sabotages = []sabotage{
	{"a line is removed", func(head, _, second, tail []byte) [][]byte { return [][]byte{head, second, tail} },
		"1 lost, 0 repeated, 0 out of order, 0 altered", "10,000 9,999 1 0 0"},
	{"a line stands twice", func(head, first, second, tail []byte) [][]byte { return [][]byte{head, first, first, second, tail} },
		"0 lost, 1 repeated, 0 out of order, 0 altered", "10,000 10,001 0 1 0"},
	{"two lines are swapped", func(head, first, second, tail []byte) [][]byte { return [][]byte{head, second, first, tail} },
		"0 lost, 0 repeated, 1 out of order, 0 altered", "10,000 10,000 0 0 1"},
	{"a byte is changed", func(head, first, second, tail []byte) [][]byte {
		return [][]byte{head, first[:40], {first[40] ^ 1}, first[41:], second, tail}
	}, "1 lost, 0 repeated, 0 out of order, 1 altered", "10,000 10,000 1 0 0"},
	{"a line is another log's", func(head, _, second, tail []byte) [][]byte {
		return [][]byte{head, appendLine(nil, "orders", 101, time.Now()), second, tail}
	}, "1 lost, 0 repeated, 0 out of order, 1 altered", "10,000 10,000 1 0 0"},
	{"a line was never written", func(head, first, second, tail []byte) [][]byte {
		return [][]byte{head, first, second, tail, appendLine(nil, "access", 10_001, time.Now())}
	}, "0 lost, 0 repeated, 0 out of order, 1 altered", "10,000 10,001 0 0 0"},
	{"the end is cut off", func(head, first, second, tail []byte) [][]byte {
		return [][]byte{head, first, second, tail[:len(tail)-1]}
	}, "1 lost, 0 repeated, 0 out of order, 1 altered", "10,000 10,000 1 0 0"},
}

func (tc sabotage) try(t *testing.T, dir string) {
	t.Helper()
	file := filepath.Join(dir, scribes[0], logFolder, "access.log")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.WriteFile(file, before, 0o644); err != nil {
			t.Fatal(err)
		}
	}()
	parts := tc.do(before[:100*lineLength], before[100*lineLength:101*lineLength], before[101*lineLength:102*lineLength], before[102*lineLength:])
	if err := os.WriteFile(file, bytes.Join(parts, nil), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	d := &demo{cfg: Config{Lines: 40_000}, dir: dir, screen: &screen{out: &out, begin: time.Now()}}
	_, err = d.conclude()
	text := strings.Join(strings.Fields(out.String()), " ")
	if err == nil || !strings.HasSuffix(err.Error(), tc.want) || !strings.Contains(text, "demo/access scribe-1 "+tc.row) || strings.Contains(text, "stands there once") {
		t.Errorf("%s: %v\n%s", tc.name, err, &out)
	}
}

func TestProgramsAreMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Run(t.Context(), Config{Lines: 1, Out: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "found no scribe, scribe-mediator, scribe-agent beside ") || !strings.Contains(err.Error(), "go build -o bin/ ./cmd/...") {
		t.Errorf("%v", err)
	}
}

func TestFolderIsNoGlob(t *testing.T) {
	for name, ok := range map[string]bool{"a b": true, "bücher": true, "a[1]": false, "a*": false, "a{b}": false, "a\\b": false, "a\nb": false, "b\xfc": false} {
		dir := filepath.Join(t.TempDir(), name)
		if _, _, err := folder(dir); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestLines(t *testing.T) {
	for _, n := range []int{1, 42, 99_999_999, 999_999_999} {
		line := appendLine(nil, "orders", n, time.Unix(1e9, 0))
		if len(line) != lineLength {
			t.Errorf("%d bytes: %s", len(line), line)
		}
		if got, ok := numberOf(line, "orders"); !ok || got != n {
			t.Errorf("%s: %d, %v", line, got, ok)
		}
		if _, ok := numberOf(line, "access"); ok {
			t.Error("it passes for another log's")
		}
	}
}

// TestProgress: the line that is alive fits a terminal, and what happens stands above it.
func TestProgress(t *testing.T) {
	var out bytes.Buffer
	s := &screen{out: &out, terminal: true, begin: time.Now()}
	s.progress(100_000, 50_000, 25_000, []string{"mediator"})
	if got, want := out.String(), clearLine+"  0.0s  ███·········  written 50,000  on disk 25,000  mediator down"; got != want {
		t.Errorf("got %q", got)
	}
	s.event("something")
	if got := out.String(); !strings.Contains(got, clearLine+"  0.0s  something\n  0.0s  ███") {
		t.Errorf("got %q", got)
	}
	out.Reset()
	s.progress(1_000_000_000, 1_000_000_000, 1_000_000_000, []string{"scribe-1", "scribe-2", "mediator"})
	if n := len([]rune(strings.TrimPrefix(out.String(), clearLine))); n > columns {
		t.Errorf("%d columns", n)
	}
	out.Reset()
	if s.show(""); out.String() != clearLine {
		t.Errorf("got %q", &out)
	}
}
