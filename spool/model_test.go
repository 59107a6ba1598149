package spool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/bolttree/damagetest"
	"github.com/logscribe/logscribe/spool"
)

// model is what a spool should be: by log, all lines ever appended, and how many of them are settled.
type model struct {
	lines       map[string][]string
	settled     map[string]int
	checkpoints map[string]string
	firsts      map[identity]uint64 // the position before a producer's first line in a log
	lost        map[string]uint64   // bytes by file
}

// identity is that of a log's lines.
type identity struct {
	log      string
	producer block.Producer
}

// TestModel drives a spool with random appends, settlements, clean stops and crashes, and holds it against slices of
// lines. A crash is a copy of the file as it stands while the spool is open, so that new lines get a new producer; what a
// line was named once, it is always named. A file that is lost is written anew at the stop. A failing run prints the flag
// that repeats it.
func TestModel(t *testing.T) {
	t.Parallel()
	memory := damagetest.Dir(t) // each run syncs hundreds of times
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(memory, "run-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, "0.db")
		s, err := spool.Open(path, spool.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { s.Close() }()
		reopen := func(t *rapid.T) {
			if s, err = spool.Open(path, spool.Options{}); err != nil {
				t.Fatal(err)
			}
		}
		m := model{lines: map[string][]string{}, settled: map[string]int{}, checkpoints: map[string]string{}, firsts: map[identity]uint64{}, lost: map[string]uint64{}}
		crashes := 0
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) { m.append(t, s) },
			"settle": func(t *rapid.T) { m.settle(t, s) },
			"stop": func(t *rapid.T) {
				s.Close()
				reopen(t)
			},
			"lose": func(t *rapid.T) {
				os.Remove(path)
				s.Close()
				reopen(t)
			},
			"crash": func(t *rapid.T) {
				crashes++
				copied := filepath.Join(dir, fmt.Sprintf("%d.db", crashes))
				content, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				s.Close()
				if err := os.WriteFile(copied, content, 0o600); err != nil {
					t.Fatal(err)
				}
				path = copied
				reopen(t)
				m.crash(s)
			},
			"": func(t *rapid.T) { m.check(t, s) },
		})
	})
}

func (m *model) append(t *rapid.T, s *spool.Spool) {
	var batch spool.Batch
	for range rapid.IntRange(0, 3).Draw(t, "blocks") {
		log := rapid.SampledFrom([]string{"a", "b", "c/d"}).Draw(t, "log")
		var raw []byte
		for range rapid.IntRange(1, 4).Draw(t, "lines") {
			line := fmt.Sprintf("%s %d %s", log, len(m.lines[log])+1, strings.Repeat("x", rapid.IntRange(0, 3000).Draw(t, "width")))
			m.lines[log] = append(m.lines[log], line)
			raw = append(append(raw, line...), '\n')
		}
		d := block.NewDraft(nil, log, raw, block.None)
		if rapid.Bool().Draw(t, "reached") {
			d.Reached = block.Checkpoint{Source: log, Value: reached(len(m.lines[log]))}
		}
		batch.Drafts = append(batch.Drafts, d)
	}
	key, value := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "key"), rapid.String().Draw(t, "value")
	batch.Checkpoints = append(batch.Checkpoints, spool.Checkpoint{Key: key, Value: []byte(value)})
	m.checkpoints[key] = value
	if n := rapid.IntRange(0, 3).Draw(t, "lost"); n > 0 {
		file := rapid.SampledFrom([]string{"/a", "/b"}).Draw(t, "file")
		batch.Losses = append(batch.Losses, spool.Loss{Log: "a", File: file, Reason: spool.Truncated, Bytes: uint64(n)})
		m.lost[file] += uint64(n)
	}
	if err := s.Append(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
}

// reached is the checkpoint after n lines.
func reached(n int) []byte { return fmt.Append(nil, n) }

func (m *model) settle(t *rapid.T, s *spool.Spool) {
	log := rapid.SampledFrom([]string{"a", "b", "c/d"}).Draw(t, "log")
	through := rapid.IntRange(0, len(m.lines[log])).Draw(t, "through")
	s.Settle(log, uint64(through))
	m.settled[log] = max(m.settled[log], through)
}

// crash takes what the spool says of settled lines: it may have forgotten some, but not more than it was told.
func (m *model) crash(s *spool.Spool) {
	for log := range m.settled {
		m.settled[log] = min(m.settled[log], int(s.Queue(log).Oldest)-1)
	}
}

func (m *model) check(t *rapid.T, s *spool.Spool) {
	for log, all := range m.lines {
		q := s.Queue(log)
		// A reopened spool knows of whole blocks only: a block that was settled in part is held as a whole.
		if int(q.Oldest)-1 > m.settled[log] || int(q.Next)-1 != len(all) {
			t.Fatalf("log %s: %+v, want %d settled of %d", log, q, m.settled[log], len(all))
		}
		blocks, _, err := s.Read(nil, nil, log, q.Oldest, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		next := q.Oldest
		for i, b := range blocks {
			if i == 0 {
				next -= q.Sequence - b.First
			}
			raw, err := b.Lines(nil)
			if err := errors.Join(err, b.Verify()); err != nil {
				t.Fatalf("log %s, line %d: %v", log, next, err)
			}
			id := identity{log, b.Producer}
			if first, ok := m.firsts[id]; ok && first != next-b.First || b.First == 0 {
				t.Fatalf("log %s: line %d is number %d of %v, whose first line was %d", log, next, b.First, b.Producer, first+1)
			}
			m.firsts[id] = next - b.First
			for line := range bytes.Lines(raw) {
				if want := all[next-1] + "\n"; string(line) != want {
					t.Fatalf("log %s, line %d: %.50q, want %.50q", log, next, line, want)
				}
				next++
			}
			if r := b.Reached; r.Size() > 0 && (r.Source != log || !bytes.Equal(r.Value, reached(int(next)-1))) {
				t.Fatalf("log %s, line %d: the checkpoint %+v", log, next-1, r)
			}
		}
		if int(next)-1 != len(all) && q.Lines() > 0 {
			t.Fatalf("log %s: read up to line %d of %d", log, next-1, len(all))
		}
	}
	list, _ := s.Losses()
	if len(list) != len(m.lost) {
		t.Fatalf("losses are %+v, want %v", list, m.lost)
	}
	for _, l := range list {
		if l.Bytes != m.lost[l.File] {
			t.Fatalf("losses are %+v, want %v", list, m.lost)
		}
	}
	checkpoints, err := s.Checkpoints("")
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range m.checkpoints {
		if got := string(checkpoints[key]); got != want {
			t.Fatalf("checkpoint %s is %q, want %q", key, got, want)
		}
	}
}
