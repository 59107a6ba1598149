package block

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"runtime"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Codec says how a payload is encoded. The numbers are stored and sent; they never change their meaning.
type Codec uint8

// The codecs.
const (
	None Codec = 0
	S2   Codec = 1
	Zstd Codec = 2
)

var codecNames = [...]string{None: "none", S2: "s2", Zstd: "zstd"}

// ErrPayload says that a payload can't be decoded, or is not what the block's header says.
var ErrPayload = errors.New("bad block payload")

// ParseCodec returns the codec of that name: none, s2 or zstd.
func ParseCodec(name string) (Codec, error) {
	for c, n := range codecNames {
		if n == name {
			return Codec(c), nil
		}
	}
	return 0, fmt.Errorf("unknown compression %q: use s2, zstd or none", name)
}

func (c Codec) String() string {
	if c.Known() {
		return codecNames[c]
	}
	return fmt.Sprintf("codec %d", uint8(c))
}

// Known says whether this version can decode the codec.
func (c Codec) Known() bool { return int(c) < len(codecNames) }

// maxEncoders bounds what is encoded with zstd at the same time: each encoder takes some MiB.
const maxEncoders = 4

// The zstd coders are safe for concurrent use by EncodeAll and DecodeAll; both are made on first use, because most
// processes never need them and they are not small.
var (
	zstdEncoder = sync.OnceValue(func() *zstd.Encoder {
		// In a single segment each frame says the size of what it decodes to; see Frame. Of logs the fastest level makes 5 % more
		// than the default one, in two thirds of the time.
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(min(maxEncoders, runtime.GOMAXPROCS(0))),
			zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithSingleSegment(true))
		if err != nil {
			panic(err) // the options are constant
		}
		return e
	})
	zstdDecoder = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(MaxRawSize))
		if err != nil {
			panic(err)
		}
		return d
	})
)

// NewDraft encodes raw, which is whole lines each ended by a newline, for the log. The draft's payload is appended to
// dst and shares no memory with raw. NewDraft is safe for concurrent use.
func NewDraft(dst []byte, log string, raw []byte, codec Codec) Draft {
	at := len(dst)
	switch codec {
	case None:
		dst = append(dst, raw...)
	case S2:
		dst = append(dst, s2.Encode(dst[at:cap(dst)], raw)...) // in place where dst has the room
	case Zstd:
		dst = AppendFrame(dst, raw)
	default:
		panic("block: unknown " + codec.String())
	}
	payload := dst[at:]
	return Draft{
		Log: log, Count: uint32(CountLines(raw)), Codec: codec, RawSize: uint32(len(raw)), Payload: payload,
		payloadSum: crc32.Checksum(payload, castagnoli),
	}
}

// Lines decodes the block's payload and checks it against the header. The result is valid until buf is used again; it
// may be the payload itself, so it must not be changed. The error wraps ErrPayload. Lines does not verify the checksum.
func (b *Block) Lines(buf []byte) ([]byte, error) {
	if b.RawSize > MaxRawSize || len(b.Payload) > MaxPayloadSize {
		return nil, b.bad("it is larger than %d bytes", MaxRawSize)
	}
	var raw []byte
	var err error
	switch b.Codec {
	case None:
		raw = b.Payload
	case S2:
		if n, e := s2.DecodedLen(b.Payload); e != nil || n != int(b.RawSize) {
			return nil, b.bad("its s2 header does not fit its size")
		}
		raw, err = s2.Decode(buf[:cap(buf)], b.Payload)
	case Zstd:
		raw, err = zstdDecoder().DecodeAll(b.Payload, buf[:0])
	default:
		return nil, b.bad("unknown %s", b.Codec)
	}
	switch {
	case err != nil:
		return nil, b.bad("%v", err)
	case len(raw) != int(b.RawSize):
		return nil, b.bad("it is %d bytes, not %d", len(raw), b.RawSize)
	case len(raw) == 0 || raw[len(raw)-1] != '\n':
		return nil, b.bad("its last line does not end in a newline")
	case CountLines(raw) != int(b.Count):
		return nil, b.bad("it has %d lines, not %d", CountLines(raw), b.Count)
	}
	return raw, nil
}

func (b *Block) bad(format string, args ...any) error {
	return fmt.Errorf("%w: log %q, lines %d to %d: %s", ErrPayload, b.Log, b.First, b.Last(), fmt.Sprintf(format, args...))
}

// CountLines returns the number of newlines in p.
func CountLines(p []byte) int { return bytes.Count(p, newline) }

var newline = []byte{'\n'}

// FindEnd cuts what follows on the payload, if it is not known where that ends: the first end at which the checksum fits
// and the payload can be decoded. It returns false, and leaves the block as it is, if there is none.
func (b *Block) FindEnd() bool {
	whole, sum := b.Payload, uint32(0)
	from := 1
	if b.Codec == None { // it ends where its header says
		from = int(b.RawSize)
		sum = crc32.Checksum(whole[:min(max(from-1, 0), len(whole))], castagnoli)
	}
	for end := max(from, 1); end <= min(len(whole), MaxPayloadSize); end++ {
		sum = crc32.Update(sum, castagnoli, whole[end-1:end])
		if b.sum(sum) == b.CRC {
			b.Payload = whole[:end]
			if _, err := b.Lines(nil); err == nil {
				return true
			}
		}
		if b.Codec == None {
			break
		}
	}
	b.Payload = whole
	return false
}
