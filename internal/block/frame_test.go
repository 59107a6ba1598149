package block_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/logscribe/logscribe/internal/block"
)

// text returns about that many bytes of lines.
func text(rng *rand.Rand, size int) []byte {
	var all []byte
	for len(all) < size {
		line := make([]byte, rng.IntN(100))
		for i := range line {
			line[i] = byte('a' + rng.IntN(1+rng.IntN(26)))
		}
		all = append(append(all, line...), '\n')
	}
	return all
}

// TestPayloadsAreFrames has payloads of all sizes stand one after the other in a file, as it is read by the tools.
func TestPayloadsAreFrames(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	noise := make([]byte, 300_000) // does not shrink
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	noise[len(noise)-1] = '\n'
	var file, want []byte
	for _, raw := range [][]byte{
		[]byte("\n"), []byte("x\n"), text(rng, 100), text(rng, 255), text(rng, 300), text(rng, 1000), text(rng, 66_000),
		text(rng, 256<<10), noise, bytes.Repeat([]byte{'\n'}, 1<<20), text(rng, block.MaxRawSize-100),
	} {
		b := seal(string(raw), block.Zstd)
		if !b.IsFrame() {
			t.Errorf("the payload of %d bytes is no frame: %x", len(raw), b.Payload[:min(len(b.Payload), 20)])
		}
		if size, content, ok := block.Frame(append(bytes.Clone(b.Payload), "behind"...)); !ok || size != len(b.Payload) || content != len(raw) {
			t.Errorf("of %d bytes in %d: %d, %d, %v", len(raw), len(b.Payload), content, size, ok)
		}
		file, want = append(file, b.Payload...), append(want, raw...)
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got, err := d.DecodeAll(file, nil); err != nil || !bytes.Equal(got, want) {
		t.Errorf("all frames decode to %d bytes, %v; want %d", len(got), err, len(want))
	}
	if _, err := exec.LookPath("zstdcat"); err != nil {
		t.Skip(err)
	}
	path := filepath.Join(t.TempDir(), "a.log.zst")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := exec.Command("zstdcat", path).Output(); err != nil || !bytes.Equal(got, want) {
		t.Errorf("zstdcat reads %d bytes, %v; want %d", len(got), err, len(want))
	}
}

// TestFramesOfOtherEncoders takes frames that name their size and have a checksum, and no others.
func TestFramesOfOtherEncoders(t *testing.T) {
	raw := text(rand.New(rand.NewPCG(2, 2)), 200_000)
	for name, tc := range map[string]struct {
		options []zstd.EOption
		raw     []byte
		want    bool
	}{
		"fast":         {[]zstd.EOption{zstd.WithEncoderLevel(zstd.SpeedFastest)}, raw, true},
		"best":         {[]zstd.EOption{zstd.WithEncoderLevel(zstd.SpeedBestCompression)}, raw, true},
		"window":       {[]zstd.EOption{zstd.WithSingleSegment(false), zstd.WithWindowSize(1 << 20)}, raw, true},
		"large window": {[]zstd.EOption{zstd.WithSingleSegment(false), zstd.WithWindowSize(16 << 20)}, raw, true}, // smaller, as the text is
		"no checksum":  {[]zstd.EOption{zstd.WithEncoderCRC(false)}, raw, false},
		"no size":      {[]zstd.EOption{zstd.WithSingleSegment(false)}, []byte("a\n"), false},
		"padded":       {[]zstd.EOption{zstd.WithEncoderPadding(1 << 20)}, raw, false}, // by a frame that is skipped
	} {
		e, err := zstd.NewWriter(nil, tc.options...)
		if err != nil {
			t.Fatal(err)
		}
		b := block.Block{Codec: block.Zstd, RawSize: uint32(len(tc.raw)), Payload: e.EncodeAll(tc.raw, nil)}
		if got := b.IsFrame(); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	var streamed bytes.Buffer // whose size is not known when it begins
	e, err := zstd.NewWriter(&streamed)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := e.Write(raw); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := block.Frame(streamed.Bytes()); ok {
		t.Error("a frame without its size was taken")
	}
}

// TestFramesThatAreNot cuts frames and changes their structure.
func TestFramesThatAreNot(t *testing.T) {
	good := seal(string(text(rand.New(rand.NewPCG(3, 3)), 300_000)), block.Zstd)
	first := 9 // the first part's header, behind magic, descriptor and four bytes of size
	for name, change := range map[string]func(*block.Block){
		"empty":         func(b *block.Block) { b.Payload = nil },
		"cut":           func(b *block.Block) { b.Payload = b.Payload[:len(b.Payload)-1] },
		"cut in a part": func(b *block.Block) { b.Payload = b.Payload[:100] },
		"longer":        func(b *block.Block) { b.Payload = append(b.Payload, 0) },
		"two":           func(b *block.Block) { b.Payload = append(b.Payload, b.Payload...) },
		"magic":         func(b *block.Block) { b.Payload[0]++ },
		"skippable":     func(b *block.Block) { binary.LittleEndian.PutUint32(b.Payload, 0x184D2A50) },
		"reserved":      func(b *block.Block) { b.Payload[4] |= 8 },
		"dictionary":    func(b *block.Block) { b.Payload[4] |= 1 },
		"size":          func(b *block.Block) { b.RawSize++ },
		"no lines":      func(b *block.Block) { b.RawSize = 0 },
		"more inside":   func(b *block.Block) { b.RawSize += 1 << 20; binary.LittleEndian.PutUint32(b.Payload[5:], b.RawSize) },
		"wrong type":    func(b *block.Block) { b.Payload[first] |= 6 },
		"longer part":   func(b *block.Block) { b.Payload[first+2] = 0xff },
		"codec":         func(b *block.Block) { b.Codec = block.S2 },
	} {
		b := good
		b.Payload = bytes.Clone(good.Payload)
		change(&b)
		if b.IsFrame() {
			t.Error(name)
		}
	}
}

// TestEveryCutIsFound cuts and changes frames at random: nothing that is taken for a frame ends anywhere but at its end.
func TestEveryCutIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := strings.Repeat(rapid.StringN(0, 200, -1).Draw(t, "raw")+"\n", rapid.IntRange(1, 50).Draw(t, "times"))
		b := seal(raw, block.Zstd)
		whole := bytes.Clone(b.Payload)
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			whole[rapid.IntRange(0, len(whole)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		size, content, ok := block.Frame(whole)
		if ok && (size > len(whole) || content < 0) {
			t.Fatalf("a frame of %d bytes in %d, with a content of %d", size, len(whole), content)
		}
		for n := range size {
			if _, _, ok := block.Frame(whole[:n]); ok {
				t.Fatalf("%d of %d bytes are taken for a frame", n, size)
			}
		}
	})
}
