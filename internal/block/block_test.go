package block_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/logscribe/logscribe/internal/block"
)

var producer = uuid.MustParse("6ba7b810-9dad-41d1-80b4-00c04fd430c8")

func seal(raw string, codec block.Codec) block.Block {
	d := block.NewDraft(nil, "web/access", []byte(raw), codec)
	return d.Seal(producer, 41)
}

// sealReached returns a block that carries a checkpoint.
func sealReached() block.Block {
	d := block.NewDraft(nil, "web/access", []byte("one\ntwo\n"), block.None)
	d.Reached = block.Checkpoint{Source: "file/1-2", Value: []byte{1, 2, 3}}
	return d.Seal(producer, 41)
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := append(rapid.SliceOf(rapid.Byte()).Draw(t, "raw"), '\n')
		codec := block.Codec(rapid.IntRange(0, 2).Draw(t, "codec"))
		dst := make([]byte, rapid.IntRange(0, 50).Draw(t, "used"), 200)
		before := bytes.Clone(dst)
		d := block.NewDraft(dst, "a", raw, codec)
		if !bytes.Equal(dst, before) {
			t.Fatal("NewDraft overwrote what stood in its buffer")
		}
		b := d.Seal(producer, 7)
		if err := b.Verify(); err != nil {
			t.Fatal(err)
		}
		lines, err := b.Lines(nil)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(lines, raw) || int(b.Count) != bytes.Count(raw, []byte{'\n'}) || b.Last() != 6+uint64(b.Count) {
			t.Fatalf("%+v gave %q for %q", b, lines, raw)
		}
	})
}

// TestChecksumIsStable holds the checksum against bytes that stored blocks have: it must never change.
func TestChecksumIsStable(t *testing.T) {
	b := seal("one\ntwo\n", block.None)
	if b.CRC != 0xc908e837 {
		t.Errorf("checksum %08x", b.CRC)
	}
	if b = sealReached(); b.CRC != 0xbe082944 {
		t.Errorf("with a checkpoint: %08x", b.CRC)
	}
}

func TestEveryFieldIsCovered(t *testing.T) {
	for name, damage := range map[string]func(*block.Block){
		"log":      func(b *block.Block) { b.Log = "web/acces5" },
		"producer": func(b *block.Block) { b.Producer[3] ^= 1 },
		"first":    func(b *block.Block) { b.First++ },
		"count":    func(b *block.Block) { b.Count++ },
		"codec":    func(b *block.Block) { b.Codec = block.Zstd },
		"size":     func(b *block.Block) { b.RawSize++ },
		"payload":  func(b *block.Block) { b.Payload[0] ^= 0x80 },
		"crc":      func(b *block.Block) { b.CRC ^= 1 },
	} {
		b := seal("one\ntwo\n", block.S2)
		damage(&b)
		if err := b.Verify(); !errors.Is(err, block.ErrChecksum) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryPartOfACheckpointIsCovered(t *testing.T) {
	for name, damage := range map[string]func(*block.Checkpoint){
		"source":  func(c *block.Checkpoint) { c.Source = "file/1-3" },
		"value":   func(c *block.Checkpoint) { c.Value = []byte{1, 2, 4} },
		"border":  func(c *block.Checkpoint) { c.Source, c.Value = c.Source+"\x01", []byte{2, 3} },
		"missing": func(c *block.Checkpoint) { *c = block.Checkpoint{} },
	} {
		b := sealReached()
		damage(&b.Reached)
		if err := b.Verify(); !errors.Is(err, block.ErrChecksum) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestResealMovesSoundBlocksAlone compares with what the draft gives when it is sealed there at once.
func TestResealMovesSoundBlocksAlone(t *testing.T) {
	other := uuid.MustParse("6ba7b811-9dad-41d1-80b4-00c04fd430c8")
	for _, reached := range []block.Checkpoint{{}, {Source: "file/1-2", Value: []byte{1, 2, 3}}} {
		d := block.NewDraft(nil, "web/access", []byte("one\ntwo\n"), block.S2)
		d.Reached = reached
		old, want := d.Seal(producer, 41), d.Seal(other, 1)
		got, err := old.Reseal(other, 1)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
		old.Producer[3] ^= 1
		if _, err := old.Reseal(other, 1); !errors.Is(err, block.ErrChecksum) {
			t.Errorf("a damaged block: %v", err)
		}
	}
}

func TestLinesRefusesWhatIsNotAsItsHeaderSays(t *testing.T) {
	for name, change := range map[string]func(*block.Block){
		"cut":       func(b *block.Block) { b.Payload = b.Payload[:3] },
		"garbage":   func(b *block.Block) { b.Payload = bytes.Repeat([]byte{0xff}, 20) },
		"longer":    func(b *block.Block) { b.RawSize++ },
		"too large": func(b *block.Block) { b.RawSize = block.MaxRawSize + 1 },
		"count":     func(b *block.Block) { b.Count = 3 },
		"codec":     func(b *block.Block) { b.Codec = 9 },
		"empty":     func(b *block.Block) { b.Payload, b.RawSize = nil, 0 },
	} {
		for _, codec := range []block.Codec{block.None, block.S2, block.Zstd} {
			b := seal("one\ntwo\n", codec)
			change(&b)
			if _, err := b.Lines(nil); !errors.Is(err, block.ErrPayload) {
				t.Errorf("%s, %v: %v", name, codec, err)
			}
		}
	}
}

// TestZstdBombIsRefused decodes a small payload that claims little and holds much.
func TestZstdBombIsRefused(t *testing.T) {
	d := block.NewDraft(nil, "a", append(bytes.Repeat([]byte{'x'}, 64<<20), '\n'), block.Zstd)
	d.RawSize = 100
	b := d.Seal(producer, 1)
	if _, err := b.Lines(nil); !errors.Is(err, block.ErrPayload) {
		t.Error(err)
	}
}

func TestParseCodec(t *testing.T) {
	for _, c := range []block.Codec{block.None, block.S2, block.Zstd} {
		if got, err := block.ParseCodec(c.String()); got != c || err != nil {
			t.Errorf("%v: %v, %v", c, got, err)
		}
	}
	if _, err := block.ParseCodec("gzip"); err == nil || !strings.Contains(err.Error(), `"gzip"`) {
		t.Error(err)
	}
}
