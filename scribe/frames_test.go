package scribe

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/logscribe/logscribe/internal/block"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"github.com/logscribe/logscribe/scribe/store"
)

// zstdBlock makes a block whose payload is said to be lines compressed with zstd, with a checksum that fits whatever it is.
func zstdBlock(log string, first uint64, lines string, payload []byte) *logscribev1.AppendRequest {
	d := block.NewDraft(nil, log, payload, block.None)
	d.Count, d.RawSize, d.Codec = uint32(strings.Count(lines, "\n")), uint32(len(lines)), block.Zstd
	b := d.Seal(producer, first)
	return &logscribev1.AppendRequest{Message: &logscribev1.AppendRequest_Block{Block: &logscribev1.Block{
		Log: log, First: first, Count: b.Count, Codec: logscribev1.Codec(b.Codec), RawSize: b.RawSize, Crc: b.CRC, Payload: b.Payload,
	}}}
}

// TestFramesPassThroughTheScribe sends blocks compressed with zstd to Scribes that store frames: sound ones, and some of a
// client that errs or means harm.
func TestFramesPassThroughTheScribe(t *testing.T) {
	good := strings.Repeat("some lines\n", 1000)
	frame := block.AppendFrame(nil, []byte(good))
	spoilt := bytes.Clone(frame) // its structure is sound, its content is not
	spoilt[len(spoilt)-1] ^= 1
	for name, tc := range map[string]struct {
		payload []byte
		console bool
		want    codes.Code
	}{
		"sound":                   {frame, false, codes.OK},
		"sound, shown":            {frame, true, codes.OK},
		"garbage":                 {[]byte("garbage"), false, codes.InvalidArgument},
		"cut":                     {frame[:len(frame)-1], false, codes.InvalidArgument},
		"of another size":         {block.AppendFrame(nil, []byte("1\n")), false, codes.InvalidArgument},
		"spoilt inside, unseen":   {spoilt, false, codes.OK},
		"spoilt inside, as shown": {spoilt, true, codes.InvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			cfg := Config{Path: root, Policy: store.Policy{Form: store.Frames}}
			if tc.console {
				cfg.Console = io.Discard
			}
			_, conn := start(t, cfg)
			response, err := send(t, conn, hello(), open("bad", 1, 0), open("good", 1, 0),
				zstdBlock("bad", 1, good, tc.payload), zstdBlock("good", 1, good, frame))
			if err != nil {
				t.Fatal(err)
			}
			if r := response.Receipts[0]; codes.Code(r.Code) != tc.want || (r.Committed == 1000) != (tc.want == codes.OK) {
				t.Errorf("got %v", r)
			}
			if r := response.Receipts[1]; r.Code != 0 || r.Committed != 1000 {
				t.Errorf("the other log: %v", r)
			}
			wantFile(t, filepath.Join(root, "good.log.zst"), string(frame))
			got, err := os.ReadFile(filepath.Join(root, "bad.log.zst"))
			if want := tc.payload; err != nil || tc.want == codes.OK && !bytes.Equal(got, want) || tc.want != codes.OK && len(got) > 0 {
				t.Errorf("the log of the block holds %d bytes, %v", len(got), err)
			}
		})
	}
}
