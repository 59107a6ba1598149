package spool_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/bolttree"
	"github.com/logscribe/logscribe/internal/bolttree/damagetest"
	"github.com/logscribe/logscribe/spool"
)

// beforeRecord is how many bytes of a block's pages stand before its record: a header, an element, and the key.
const beforeRecord = 16 + 16 + 12

// largeBlock returns a line that takes several pages.
func largeBlock(i int) string {
	return fmt.Sprintf("line %d %s\n", i, bytes.Repeat([]byte{'x'}, 20_000))
}

// damagePages changes the first page of the block that begins at the line of log "web/a", the spool's only one.
func damagePages(t *testing.T, path string, line int, damage func(page []byte)) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := bolttree.Open(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	key := binary.BigEndian.AppendUint64([]byte{0, 0, 0, 1}, uint64(line))
	e, ok := tree.Get("blocks", key)
	if !ok {
		t.Fatalf("there is no block of line %d", line)
	}
	damage(content[e.At-beforeRecord:][:4096])
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if report, err := spool.Verify(path); err != nil || len(report.Problems) == 0 {
		t.Fatalf("it is not damaged: %v", err)
	}
}

// TestDamagedPageCostsItsBlockAtMost damages the first page of a block. Where only what bbolt keeps there is damaged, nothing
// is lost.
func TestDamagedPageCostsItsBlockAtMost(t *testing.T) {
	const n = 5
	damages := map[string]func(page []byte){
		"zeroed":       func(page []byte) { clear(page) },
		"all bits set": func(page []byte) { copy(page, bytes.Repeat([]byte{0xFF}, len(page))) },
		"head zeroed":  func(page []byte) { clear(page[:beforeRecord]) },
	}
	for at := range beforeRecord {
		damages[fmt.Sprintf("a bit of byte %d", at)] = func(page []byte) { page[at] ^= 1 << (at % 8) }
	}
	for name, damage := range damages {
		for k := 1; k <= n; k += 2 {
			t.Run(fmt.Sprint(name, " of block ", k), func(t *testing.T) {
				path := filepath.Join(damagetest.Dir(t), "spool.db")
				s := open(t, path, spool.Options{})
				want := ""
				for i := 1; i <= n; i++ {
					add(t, s, block.NewDraft(nil, "web/a", []byte(largeBlock(i)), block.None))
					if i != k || strings.Contains(name, "bit of") || strings.Contains(name, "head") {
						want += largeBlock(i)
					}
				}
				s.Close()
				damagePages(t, path, k, damage)

				s = open(t, path, spool.Options{})
				if got := deliver(t, s, "web/a"); got != want {
					t.Errorf("got %d bytes of %d", len(got), len(want))
				}
				add(t, s, draft("web/a", "later"))
				if got := deliver(t, s, "web/a"); got != "later\n" {
					t.Errorf("then %q", got)
				}
				if lost := (len(largeBlock(1))*n - len(want)) / len(largeBlock(1)); int(s.Queue("web/a").AsideLines) != lost {
					t.Errorf("%+v, want %d lines set aside", s.Queue("web/a"), lost)
				}
				s.Close()
				if report, err := spool.Verify(path); err != nil || len(report.Problems) > 0 {
					t.Errorf("in the end: %v, %+v", err, report)
				}
			})
		}
	}
}

// TestPagesOfBlocksAreMended: while much is free, the pages of blocks are looked at though no block is read, as bbolt may
// look at all of them when a transaction fails.
func TestPagesOfBlocksAreMended(t *testing.T) {
	path := filepath.Join(damagetest.Dir(t), "spool.db")
	s := open(t, path, spool.Options{MaxSize: 1 << 30}) // so that a page has 4 KiB
	var batch spool.Batch
	for i := 1; i <= 400; i++ {
		batch.Drafts = append(batch.Drafts, block.NewDraft(nil, "web/a", []byte(largeBlock(i)), block.None))
	}
	add(t, s, batch.Drafts...)
	for range 20 {
		add(t, s, incompressible("other", 1_000_000))
	}
	s.Settle("other", 20)
	s.Close()
	damagePages(t, path, 399, func(page []byte) { clear(page[:beforeRecord]) })
	synctest.Test(t, func(t *testing.T) {
		var said journal
		s := open(t, path, spool.Options{Logger: said.logger()})
		time.Sleep(time.Second)
		s.Close()
		if n := strings.Count(said.String(), "pages of the spool were damaged"); n != 1 {
			t.Errorf("it was said %d times:\n%s", n, said.String())
		}
	})
	if report, err := spool.Verify(path); err != nil || len(report.Problems) > 0 {
		t.Errorf("in the end: %v, %+v", err, report)
	}
}
