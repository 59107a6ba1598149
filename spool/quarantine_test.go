package spool_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/spool"
)

// damaged returns the path of a spool with the blocks "line 1" to "line n" of log "web/a", after the damage to its file.
func damaged(t *testing.T, n int, damage func(file []byte) []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "spool.db")
	s := open(t, path, spool.Options{})
	for i := range n {
		add(t, s, block.NewDraft(nil, "web/a", fmt.Appendf(nil, "line %d\nand its end\n", i+1), block.None))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, damage(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// flip changes a byte of a block's payload wherever it stands in the file.
func flip(block int) func([]byte) []byte {
	return func(file []byte) []byte {
		sound := fmt.Appendf(nil, "line %d\nand", block)
		return bytes.ReplaceAll(file, sound, bytes.ToUpper(sound))
	}
}

// zeroHeader zeroes what stands before a block's payload.
func zeroHeader(block int) func([]byte) []byte {
	return func(file []byte) []byte {
		payload := fmt.Appendf(nil, "line %d\nand", block)
		for at := 0; ; {
			i := bytes.Index(file[at:], payload)
			if i < 0 {
				return file
			}
			clear(file[at+i-22 : at+i])
			at += i + 1
		}
	}
}

// deliver reads and settles a log as a shipper does, and returns its lines.
func deliver(t *testing.T, s *spool.Spool, log string) string {
	t.Helper()
	var lines bytes.Buffer
	for s.Lines() > 0 {
		q := s.Queue(log)
		blocks, _, err := s.Read(nil, nil, log, q.Oldest, 1)
		if bad, ok := errors.AsType[*spool.BlockError](err); ok {
			s.SetAside(log, q.Oldest, bad)
			for s.Queue(log).Held {
				<-s.Appended()
			}
			continue
		}
		if err != nil || len(blocks) != 1 {
			t.Fatalf("%d blocks, %v", len(blocks), err)
		}
		raw, err := blocks[0].Lines(nil)
		if err != nil {
			t.Fatal(err)
		}
		lines.Write(raw)
		s.Settle(log, q.Oldest+uint64(blocks[0].Count)-1)
	}
	return lines.String()
}

func textLogger(b *strings.Builder) *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

// quarantine returns the content of the quarantine's files by their names.
func quarantine(t *testing.T, path string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(path + ".quarantine")
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(path+".quarantine", e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(text)
	}
	return files
}

func TestDamagedBlockCostsItselfAlone(t *testing.T) {
	const n = 5
	for k := 1; k <= n; k++ {
		for name, damage := range map[string]func([]byte) []byte{"payload": flip(k), "header": zeroHeader(k)} {
			t.Run(fmt.Sprintf("%s of %d", name, k), func(t *testing.T) {
				path := damaged(t, n, damage)
				said := &strings.Builder{}
				s := open(t, path, spool.Options{Logger: textLogger(said)})
				producer := s.Producer()
				var want strings.Builder
				for i := 1; i <= n; i++ {
					if i != k {
						fmt.Fprintf(&want, "line %d\nand its end\n", i)
					}
				}
				if got := deliver(t, s, "web/a"); got != want.String() {
					t.Errorf("got %q", got)
				}
				add(t, s, draft("web/a", "later"))
				if got := deliver(t, s, "web/a"); got != "later\n" {
					t.Errorf("then %q", got)
				}
				s.Close()
				if n := strings.Count(said.String(), "is set aside"); n != 1 {
					t.Errorf("it was said %d times:\n%s", n, said)
				}
				files := quarantine(t, path)
				file := files[fmt.Sprintf("web%%2Fa_%s_%d-%d", producer, 2*k-1, 2*k)]
				if len(files) != 1 || !strings.Contains(strings.ToLower(file), fmt.Sprintf("line %d\nand its end", k)) ||
					!strings.HasPrefix(file, "log: web/a\n") || !strings.Contains(file, "\ncontent: record\n\n") {
					t.Errorf("the quarantine holds %q", files)
				}
				if q := open(t, path, spool.Options{}).Queue("web/a"); q.AsideBlocks != 1 || q.AsideLines != 2 || q.Refused != 0 {
					t.Errorf("it was not counted for good: %+v", q)
				}
			})
		}
	}
}

// TestRefusedBlockIsSetAsideReadable is about a block that is sound, but that no Scribe takes.
func TestRefusedBlockIsSetAsideReadable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s := open(t, path, spool.Options{})
	add(t, s, draft("a", "one", "two"), draft("a", "three"))
	s.Settle("a", 1) // in the middle of the block
	s.SetAside("a", 3, errors.New("not the oldest"))
	s.SetAside("a", 2, errors.New("it is\nnot liked"))
	for s.Queue("a").Held {
		<-s.Appended()
	}
	want(t, content(t, s, "a", 3), "3:three")
	for name, text := range quarantine(t, path) {
		if !strings.HasSuffix(name, "_1-2") || !strings.HasSuffix(text, "\nreason: it is not liked\ncontent: lines\n\none\ntwo\n") {
			t.Errorf("%s holds %q", name, text)
		}
	}
	if q := s.Queue("a"); q.AsideBlocks != 1 || q.Oldest != 3 {
		t.Errorf("%+v", q)
	}
	empty := make(chan error)
	go func() { empty <- s.WaitEmpty(t.Context()) }()
	s.SetAside("a", 3, errors.New("x"))
	if err := <-empty; err != nil {
		t.Error(err)
	}
}

// TestQuarantineThatCantBeWritten keeps the block until it can.
func TestQuarantineThatCantBeWritten(t *testing.T) {
	path := damaged(t, 3, flip(1))
	if err := os.WriteFile(path+".quarantine", nil, 0o600); err != nil { // a file where the folder should be
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var said journal
		s := open(t, path, spool.Options{Logger: said.logger()})
		s.SetAside("web/a", 1, errors.New("x"))
		add(t, s, draft("other", "1")) // which does not wait for it
		time.Sleep(25 * time.Second)
		if q := s.Queue("web/a"); !q.Held || q.Oldest != 1 {
			t.Errorf("%+v", q)
		}
		if n := strings.Count(said.String(), "can't be set aside"); n != 3 {
			t.Errorf("said %d times in 25 s:\n%s", n, said.String())
		}
		if err := os.Remove(path + ".quarantine"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if q := s.Queue("web/a"); q.Held || q.Oldest != 3 {
			t.Errorf("%+v", q)
		}
		s.Close()
	})
}

// TestLostRecordsHoldNothingUp deletes records, as a repair of a damaged file may.
func TestLostRecordsHoldNothingUp(t *testing.T) {
	for name, lost := range map[string][]int{"first": {1}, "middle": {2, 3}, "last": {5}, "all": {1, 2, 3, 4, 5}} {
		t.Run(name, func(t *testing.T) {
			path := damaged(t, 5, func(file []byte) []byte { return file })
			spool.DeleteRecords(t, path, lost)
			s := open(t, path, spool.Options{})
			got := deliver(t, s, "web/a")
			if n := strings.Count(got, "line "); n != 5-len(lost) {
				t.Errorf("got %q", got)
			}
			if q := s.Queue("web/a"); q.AsideLines != 2*uint64(len(lost)) {
				t.Errorf("%+v", q)
			}
		})
	}
}
