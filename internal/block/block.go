// Package block is the shared vocabulary of what travels from agent to Scribe: the block, an immutable run of whole
// lines of one log from one producer.
//
// # Invariants
//
//   - A block is made once, in the agent; its bytes never change after that. Spool, wire and Scribe carry it as it is.
//   - The decoded payload is Count lines, each ended by a newline, and RawSize bytes long.
//   - The checksum covers all that gives the lines their place: payload, log, producer, sequence, count, codec, size.
//
// # Checksum
//
// CRC is the CRC-32C (Castagnoli, RFC 3720 appendix B.4) of the payload as carried, followed by this header, big-endian:
//
//	offset  width  meaning
//	0       1      version of this layout, 1
//	1       1      codec
//	2       16     producer
//	18      8      sequence of the first line
//	26      4      number of lines
//	30      4      size of the decoded payload in bytes
//	34      n      the log's name, UTF-8
//
// A block that carries a checkpoint has version 2 there, and this after the log's name:
//
//	offset  width  meaning
//	34+n    2      n, the length of the log's name in bytes
//	36+n    2      length of the checkpoint's source in bytes
//	38+n    s      the checkpoint's source, UTF-8
//	38+n+s  v      the checkpoint's value
//
// The payload comes first so that its part of the sum can be computed before the sequence is known (see Draft).
package block

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/google/uuid"
)

// Limits that every part keeps, in bytes.
const (
	// TargetRawSize is the decoded size at which a source closes a block while more lines wait.
	TargetRawSize = 256 << 10
	// MaxRawSize is the largest decoded payload that a receiver accepts.
	MaxRawSize = 4 << 20
	// MaxPayloadSize is the largest encoded payload that a receiver accepts: a codec may enlarge what it can't shrink.
	MaxPayloadSize = MaxRawSize + MaxRawSize/8
	// MaxCheckpointSize is the largest checkpoint that a receiver accepts, source and value together.
	MaxCheckpointSize = 8 << 10
)

// Versions of the header that the checksum covers.
const (
	headerVersion           = 1
	headerVersionCheckpoint = 2
)

// ErrChecksum says that a block's checksum does not fit its content: it was damaged on its way or in storage.
var ErrChecksum = errors.New("block checksum mismatch")

// Producer is the durable identity of the spool that numbered a block's lines.
type Producer = uuid.UUID

// Block is an immutable run of whole lines. Its fields and its payload's bytes must not be changed.
type Block struct {
	Log      string
	Producer Producer
	First    uint64 // sequence of the first line
	Count    uint32 // number of lines, at least 1
	Codec    Codec
	RawSize  uint32 // of the decoded payload, in bytes
	CRC      uint32
	Payload  []byte
	// Reached is the checkpoint of the source that the block's last line was read from, right behind that line.
	Reached Checkpoint
}

// Checkpoint is how far a source has been read. Source names it; only the source itself understands the value. The zero
// Checkpoint is none: not every source can be read again from a place.
type Checkpoint struct {
	Source string // UTF-8
	Value  []byte
}

// Size returns the checkpoint's length in bytes.
func (c *Checkpoint) Size() int { return len(c.Source) + len(c.Value) }

// Last returns the sequence of the block's last line.
func (b *Block) Last() uint64 { return b.First + uint64(b.Count) - 1 }

// Verify returns an error that wraps ErrChecksum if the block is damaged.
func (b *Block) Verify() error { return b.verify(crc32.Checksum(b.Payload, castagnoli)) }

func (b *Block) verify(payload uint32) error {
	if sum := b.sum(payload); sum != b.CRC {
		return fmt.Errorf("%w: log %q, lines %d to %d: is %08x, want %08x", ErrChecksum, b.Log, b.First, b.Last(), sum, b.CRC)
	}
	return nil
}

// Reseal verifies the block, as Verify does, and returns it in another place: of that producer, from that sequence on.
// It is for lines that were never sent as they were sealed. The result shares the block's memory.
func (b *Block) Reseal(producer Producer, first uint64) (Block, error) {
	payload := crc32.Checksum(b.Payload, castagnoli)
	if err := b.verify(payload); err != nil {
		return Block{}, err
	}
	moved := *b
	moved.Producer, moved.First = producer, first
	moved.CRC = moved.sum(payload)
	return moved, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum extends the payload's checksum over the header.
func (b *Block) sum(payload uint32) uint32 {
	var buf [34 + 256 + 4 + 512]byte
	version := byte(headerVersion)
	if b.Reached.Size() > 0 {
		version = headerVersionCheckpoint
	}
	h := append(buf[:0], version, byte(b.Codec))
	h = append(h, b.Producer[:]...)
	h = binary.BigEndian.AppendUint64(h, b.First)
	h = binary.BigEndian.AppendUint32(h, b.Count)
	h = binary.BigEndian.AppendUint32(h, b.RawSize)
	h = append(h, b.Log...)
	if version == headerVersionCheckpoint {
		h = binary.BigEndian.AppendUint16(h, uint16(len(b.Log)))
		h = binary.BigEndian.AppendUint16(h, uint16(len(b.Reached.Source)))
		h = append(h, b.Reached.Source...)
		h = append(h, b.Reached.Value...)
	}
	return crc32.Update(payload, castagnoli, h)
}

// Draft is a block that has its lines but not yet its place: the spool seals it with the producer and the sequence.
type Draft struct {
	Log     string
	Count   uint32
	Codec   Codec
	RawSize uint32
	Payload []byte
	Reached Checkpoint // as in Block

	payloadSum uint32
}

// Seal gives the draft its place and returns the finished block, which shares the draft's payload.
func (d *Draft) Seal(producer Producer, first uint64) Block {
	b := Block{
		Log: d.Log, Producer: producer, First: first, Count: d.Count,
		Codec: d.Codec, RawSize: d.RawSize, Payload: d.Payload, Reached: d.Reached,
	}
	b.CRC = b.sum(d.payloadSum)
	return b
}
