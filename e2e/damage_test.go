package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDamagedBlockInTheSpool flips a byte of a line in a spool with a backlog.
func TestDamagedBlockInTheSpool(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	spool, input := c.path("spool.db"), c.tagged("line", 20_000)
	text, err := os.ReadFile(input)
	if err != nil {
		t.Fatal(err)
	}
	const mark = "MARK,as-nothing-else"
	text = bytes.Replace(text, []byte("line 12345 "), []byte("line 12345 "+mark), 1)
	if err := os.WriteFile(input, text, 0o600); err != nil {
		t.Fatal(err)
	}
	first := c.other("scribe-agent", "first", "-mediator", freeAddr(t), "-log", "web/access", "-spool", spool, "-drain-timeout", "1ms")
	pipe(t, first, input)
	first.start()
	if code := first.wait(20 * time.Second); code != 1 {
		t.Fatalf("exit code %d\n%s", code, first.tail())
	}
	file, err := os.ReadFile(spool)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.ReplaceAll(file, []byte(mark), []byte(strings.ToLower(mark)))
	if bytes.Equal(damaged, file) {
		t.Fatal("the spool holds no such line")
	}
	if err := os.WriteFile(spool, damaged, 0o600); err != nil {
		t.Fatal(err)
	}

	scribe, root := c.addScribe("")
	second := c.other("scribe-agent", "second", "-mediator", scribe, "-log", "web/access", "-spool", spool)
	second.start()
	if code := second.wait(30 * time.Second); code != 1 || !second.saw(spool+".quarantine") {
		t.Errorf("exit code %d\n%s", code, second.tail())
	}
	files, err := filepath.Glob(spool + ".quarantine/*")
	if err != nil || len(files) != 1 {
		t.Errorf("in quarantine are %v", files)
	}
	got := output(t, []string{root}, "web/access")
	before := commonPrefix(got, text)
	if !bytes.HasSuffix(text, got[before:]) || len(text)-len(got) > 300<<10 || bytes.Contains(got, []byte("line 12345 ")) {
		t.Errorf("of %d bytes %d arrived, which are not all but one block", len(text), len(got))
	}

	third := c.other("scribe-agent", "third", "-mediator", scribe, "-log", "web/access", "-spool", spool)
	third.start()
	if code := third.wait(20 * time.Second); code != 0 {
		t.Errorf("later: exit code %d\n%s", code, third.tail())
	}
}

// commonPrefix returns how many whole lines' bytes both begin with.
func commonPrefix(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return bytes.LastIndexByte(a[:n], '\n') + 1
}
