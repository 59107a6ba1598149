package tail

import (
	"bytes"
	"strings"
	"testing"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/spool"
)

// TestBlocksCarryCheckpoints starts a source with nothing but the checkpoint of one block, for each block: it must go on
// right behind the block's last line.
func TestBlocksCarryCheckpoints(t *testing.T) {
	f := newFixture(t, "app.log")
	f.cfg.CarryCheckpoints = true
	text := "a\nhead grows\n"
	f.write("app.log", text)
	f.up()
	f.wants("app", text)
	more := lines("short", 0, 10) + strings.Repeat(lines("many", 0, 1000), 40) + lines("last", 0, 10)
	f.write("app.log", more)
	text += more
	f.wants("app", text)
	f.down()

	all := f.spool.reached
	if len(all) < 4 {
		t.Fatalf("%d blocks, want one for each block.TargetRawSize of %d bytes", len(all), len(text))
	}
	for i, r := range all {
		if r.checkpoint.Size() > block.MaxCheckpointSize {
			t.Errorf("a checkpoint of %d bytes", r.checkpoint.Size())
		}
		f.spool, f.cfg.Spool = alone(r)
		f.up()
		if rest := text[r.bytes:]; rest != "" {
			f.wants("app", rest)
		} else {
			f.scans(2)
			f.wants("app", "")
		}
		if n := f.source.Stats().Truncations; n > 0 {
			t.Errorf("block %d of %d: the file was taken for another, and read anew", i+1, len(all))
		}
		f.down()
	}
}

// alone returns a spool in which there is nothing but the checkpoint that a block carries.
func alone(r reached) (*fakeSpool, Spool) {
	s := newSpool()
	s.checkpoints[startedKey] = []byte{1}
	s.checkpoints[r.checkpoint.Source] = bytes.Clone(r.checkpoint.Value)
	return s, s
}

func TestBlocksCarryNoCheckpointsUnlessAsked(t *testing.T) {
	f := newFixture(t, "app.log")
	f.write("app.log", "one\n")
	f.up()
	f.wants("app", "one\n")
	f.down()
	if got := f.spool.reached[0].checkpoint; got.Size() != 0 {
		t.Errorf("a block carries %q", got.Source)
	}
}

// TestCarryAllocatesNoMore than the checkpoint itself for each block.
func TestCarryAllocatesNoMore(t *testing.T) {
	g := &generation{id: identity{inode: inode{1, 2}}, path: "/var/log/app.log", log: "app", tail: probe{size: tailSize}}
	raw := bytes.Repeat([]byte("0123456789abcde\n"), 1000)
	r := &reader{source: &Source{}}
	copy(r.room(tailSize + len(raw))[tailSize:], raw)
	g.position, g.head = 1<<20, probe{size: headSize}
	b := &batch{Batch: spool.Batch{Drafts: make([]block.Draft, 1)}, source: "file/1-2"}
	c := g.checkpointLocked()
	if n := testing.AllocsPerRun(100, func() {
		head, tail, _ := r.probes(nil, g, r.buffer[tailSize:tailSize+len(raw)], 160)
		b.reach(c, 1, head, tail)
	}); n > 1 {
		t.Errorf("%v allocations a block, want one: the value", n)
	}
}
