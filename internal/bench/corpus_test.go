package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestMadeCorpus(t *testing.T) {
	const n = 50_000
	a, b, other := madeCorpus(7), madeCorpus(7), madeCorpus(8)
	seen := map[string]bool{}
	size, same := 0, 0
	for i := range n {
		line := a.next(nil)
		if !bytes.Equal(line, b.next(nil)) {
			t.Fatalf("line %d differs with the same seed", i)
		}
		if bytes.Equal(line, other.next(nil)) {
			same++
		}
		if bytes.IndexByte(line, '\n') != len(line)-1 {
			t.Fatalf("line %d is not one line: %q", i, line)
		}
		if seen[string(line)] {
			t.Fatalf("line %d was there before: %q", i, line)
		}
		seen[string(line)] = true
		size += len(line)
	}
	if same > 0 {
		t.Errorf("%d lines are the same with another seed", same)
	}
	if mean := float64(size) / n; mean < 145 || mean > 153 {
		t.Errorf("lines have %.1f bytes on average, want about 149", mean)
	}
}

func TestReadCorpus(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"b.log": "3\r\n\n\r\n4", "a.log": "1\n2\n", "c.txt": "not this\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := readCorpus(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "input")
	in, err := writeInput(path, c, 6)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := "1\n2\n3\n4\n1\n2\n"; string(got) != want || in.bytes != int64(len(want)) || in.lines != 6 {
		t.Errorf("got %q (%+v), want %q", got, in, want)
	}
	if _, err := readCorpus(t.TempDir()); err == nil {
		t.Error("no error for a folder without lines")
	}
}
