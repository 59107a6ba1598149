package spool_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/bolttree"
	"github.com/logscribe/logscribe/internal/bolttree/damagetest"
	"github.com/logscribe/logscribe/spool"
)

var damages = flag.Int("damages", 500, "number of random damages")

// victim is a spool that is to be damaged.
type victim struct {
	content     []byte
	lines       map[string][]string // by log, all lines ever appended
	settled     map[string]uint64
	checkpoints map[string]string
	blocks      []victimBlock
	records     map[string][]byte // of the logs
}

// victimBlock is where a block stands in the file: its key and its record.
type victimBlock struct {
	log         string
	first, last uint64
	from, to    int
}

// newVictim makes a spool of several logs by random batches and settlements.
func newVictim(t testing.TB, seed uint64) *victim {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 7))
	path := filepath.Join(damagetest.Dir(t), "spool.db")
	s := open(t, path, spool.Options{})
	v := &victim{lines: map[string][]string{}, settled: map[string]uint64{}, checkpoints: map[string]string{}, records: map[string][]byte{}}
	for i := range 60 {
		var batch spool.Batch
		for range 1 + random.IntN(3) {
			batch.Drafts = append(batch.Drafts, v.draft(random))
		}
		key := fmt.Sprintf("file/%d", random.IntN(40))
		v.checkpoints[key] = fmt.Sprintf("%08d", i)
		batch.Checkpoints = []spool.Checkpoint{{Key: key, Value: []byte(v.checkpoints[key])}}
		if err := s.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if log := fmt.Sprintf("web/%d", random.IntN(5)); random.IntN(2) == 0 && len(v.lines[log]) > 0 {
			s.Settle(log, uint64(random.IntN(len(v.lines[log]))/2))
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var err error
	if v.content, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	v.find(t, path)
	return v
}

// draft makes a block of random lines, small or large.
func (v *victim) draft(random *rand.Rand) block.Draft {
	log := fmt.Sprintf("web/%d", random.IntN(5))
	width := 1 << random.IntN(13)
	var raw []byte
	for range 1 + random.IntN(4) {
		noise := make([]byte, random.IntN(width)+1)
		for i := range noise {
			noise[i] = byte('a' + random.IntN(26))
		}
		line := fmt.Sprintf("%s %d %s", log, len(v.lines[log])+1, noise)
		v.lines[log] = append(v.lines[log], line)
		raw = append(append(raw, line...), '\n')
	}
	d := block.NewDraft(nil, log, raw, block.Codec(random.IntN(3)))
	if random.IntN(2) == 0 {
		d.Reached = block.Checkpoint{Source: log, Value: []byte("there")}
	}
	return d
}

// find notes where the blocks stand.
func (v *victim) find(t testing.TB, path string) {
	t.Helper()
	s := open(t, path, spool.Options{})
	for log, lines := range v.lines {
		q := s.Queue(log)
		v.settled[log] = q.Oldest - 1
		if int(q.Next)-1 != len(lines) {
			t.Fatalf("%+v, want %d lines", q, len(lines))
		}
		blocks, _, err := s.Read(nil, nil, log, q.Oldest, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks {
			v.blocks = append(v.blocks, victimBlock{log: log, first: b.First, last: b.Last()})
		}
	}
	s.Close()
	if report, err := spool.Verify(path); err != nil || len(report.Problems) > 0 {
		t.Fatalf("before any damage: %v, %+v", err, report)
	}
	tree, err := bolttree.Open(bytes.NewReader(v.content), int64(len(v.content)))
	if err != nil {
		t.Fatal(err)
	}
	numbers := map[uint32]string{}
	tree.Walk(func(_ string, e bolttree.Element) {
		value, _ := e.Value()
		v.records[string(e.Key)] = value
		numbers[binary.BigEndian.Uint32(value[1:])] = string(e.Key)
	}, func(_ string, err error) { t.Error(err) }, "queues")
	tree.Walk(func(_ string, e bolttree.Element) {
		log, first := numbers[binary.BigEndian.Uint32(e.Key)], binary.BigEndian.Uint64(e.Key[4:])
		i := slices.IndexFunc(v.blocks, func(b victimBlock) bool { return b.log == log && b.first == first })
		v.blocks[i].from, v.blocks[i].to = int(e.At)-len(e.Key), int(e.At+e.Size)
	}, func(_ string, err error) { t.Error(err) }, "blocks")
}

// whole says whether the bytes of the block are undamaged.
func (v *victim) whole(b victimBlock, damaged []byte) bool {
	return b.to <= len(damaged) && bytes.Equal(v.content[b.from:b.to], damaged[b.from:b.to])
}

func (v *victim) anyWhole(damaged []byte) bool {
	return slices.ContainsFunc(v.blocks, func(b victimBlock) bool { return v.whole(b, damaged) })
}

// TestDamagedSpool damages copies of a spool at random. Open must refuse, or all must go on; what Repair makes of a
// refused one must hold each block whose bytes are sound.
func TestDamagedSpool(t *testing.T) {
	t.Parallel()
	v := newVictim(t, 1)
	refused := 0
	defer func() { t.Logf("%d of %d were refused", refused, *damages) }()
	dir := damagetest.Dir(t)
	for seed := range uint64(*damages) {
		damaged, what := damagetest.Damage(v.content, seed)
		path := filepath.Join(dir, fmt.Sprintf("%d.db", seed))
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := spool.Open(path, spool.Options{})
		if err != nil {
			refused++
			if !errors.Is(err, spool.ErrDamaged) && !errors.Is(err, spool.ErrVersion) {
				t.Fatalf("%s: %v", what, err)
			}
			report, err := spool.Repair(path)
			if errors.Is(err, spool.ErrDamaged) && !v.anyWhole(damaged) {
				continue // nothing is left
			}
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			kept, err := os.ReadFile(report.SetAside)
			if err != nil || !bytes.Equal(kept, damaged) {
				t.Fatalf("%s: the damaged file was not kept: %v", what, err)
			}
			again, e := spool.Open(path, spool.Options{})
			if e != nil {
				t.Fatalf("%s: opening what was repaired: %v", what, e)
			}
			s = again
		}
		v.check(t, what, s, damaged, err != nil)
		if err := s.Close(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if report, err := spool.Verify(path); err != nil || len(report.Problems) > 0 {
			t.Errorf("%s: in the end: %v, %+v", what, err, report)
		}
		os.Remove(path)
		if t.Failed() {
			v.keep(t, damaged)
			t.FailNow()
		}
	}
}

// keep keeps the files of a failure: where pages lie in a spool is not the same twice.
func (v *victim) keep(t *testing.T, damaged []byte) {
	dir, err := os.MkdirTemp("", "damaged-spool-")
	err = errors.Join(err, os.WriteFile(filepath.Join(dir, "sound.db"), v.content, 0o600),
		os.WriteFile(filepath.Join(dir, "damaged.db"), damaged, 0o600))
	t.Logf("the files are kept in %s (%v)", dir, err)
}

// check holds what a spool has against what was in it, and appends and settles.
func (v *victim) check(t *testing.T, what string, s *spool.Spool, damaged []byte, repaired bool) {
	t.Helper()
	got := map[string]map[uint64]error{} // by log and first sequence
	for log := range v.lines {
		got[log] = v.readAll(t, what, s, log)
	}
	for _, b := range v.blocks {
		err, tried := got[b.log][b.first]
		if v.whole(b, damaged) && (!tried || err != nil && repaired) { // a sound block of a wrong length is damaged too
			t.Errorf("%s: log %s lacks the block of lines %d to %d, which is sound", what, b.log, b.first, b.last)
		}
	}
	before := map[string]spool.Queue{}
	var more spool.Batch
	for log := range v.lines {
		before[log] = s.Queue(log)
		more.Drafts = append(more.Drafts, draft(log, "new"))
		if before[log].Next <= uint64(len(v.lines[log])) && bytes.Contains(damaged, v.records[log]) {
			t.Errorf("%s: log %s goes on at line %d after %d", what, log, before[log].Next, len(v.lines[log]))
		}
	}
	if err := s.Append(t.Context(), more); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	for log, q := range before {
		s.Settle(log, q.Next)
	}
	if err := s.WaitEmpty(t.Context()); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if err := s.Append(t.Context(), spool.Batch{Drafts: []block.Draft{draft("after", "all")}}); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	for log := range v.lines {
		if q := s.Queue(log); q.Oldest != q.Next {
			t.Errorf("%s: log %s keeps what is settled: %+v", what, log, q)
		}
	}
}

// readAll reads all that a spool has of the log, block by block and behind damaged ones, and returns where blocks begin,
// or errors do.
func (v *victim) readAll(t *testing.T, what string, s *spool.Spool, log string) map[uint64]error {
	t.Helper()
	firsts := map[uint64]error{}
	q := s.Queue(log)
	for from := q.Oldest; from < q.Next; {
		blocks, _, err := s.Read(nil, nil, log, from, 1)
		if _, bad := errors.AsType[*spool.BlockError](err); err != nil && !bad {
			t.Fatalf("%s: %v", what, err)
		}
		for _, b := range blocks {
			raw, err := b.Lines(nil)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			for i, line := range strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n") {
				if at := int(b.First) - 1 + i; at >= len(v.lines[log]) || v.lines[log][at] != line {
					t.Fatalf("%s: log %s, line %d was invented: %q", what, log, at+1, line)
				}
			}
			if _, twice := firsts[b.First]; twice {
				t.Fatalf("%s: log %s has block %d twice", what, log, b.First)
			}
			firsts[b.First] = nil
			from = b.Last() + 1
		}
		if len(blocks) == 0 {
			firsts[from] = err
			from++
		}
	}
	return firsts
}

// TestDamagedWhileOpen damages spools that are open. What is read and written goes well or says so, and Close returns.
func TestDamagedWhileOpen(t *testing.T) {
	v := newVictim(t, 2)
	dir := damagetest.Dir(t)
	failed := 0
	for seed := range uint64(60) {
		path := filepath.Join(dir, fmt.Sprintf("%d.db", seed))
		if err := os.WriteFile(path, v.content, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, path, spool.Options{})
		what := damageInPlace(t, path, seed)
		for log := range v.lines {
			for from, q := uint64(1), s.Queue(log); from < q.Next; from++ {
				s.Read(nil, nil, log, from, 1) // it may say what it likes
			}
			err := s.Append(t.Context(), spool.Batch{Drafts: []block.Draft{draft(log, "new")}})
			if err != nil && (!errors.Is(err, spool.ErrDamaged) || s.Err() == nil) {
				t.Errorf("%s: %v", what, err)
			}
			s.Settle(log, 10)
		}
		select {
		case <-s.Failed():
			if failed++; !strings.Contains(s.Err().Error(), "spool repair "+path) {
				t.Errorf("%s: %v", what, s.Err())
			}
		default:
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if failed == 0 {
		t.Error("no damage was met: the test tests nothing")
	}
}

// damageInPlace damages a file that may be mapped: it is never shorter than it will be.
func damageInPlace(t *testing.T, path string, seed uint64) (what string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged, what := damagetest.Damage(content, seed)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(damaged, 0)
	if err := errors.Join(err, f.Truncate(int64(len(damaged))), f.Close()); err != nil {
		t.Fatal(err)
	}
	return what
}
