package block

import "encoding/binary"

// A payload of the codec Zstd is a Zstandard frame (RFC 8878), complete in itself, and frames one after the other are what
// the tool zstd reads as one file. So a payload can stand in a file as it was sent. What follows looks at a frame's
// structure, some bytes in each 128 KiB, and never at its content.

const (
	frameMagic = 0xFD2FB528
	// maxFrameWindow is the window that every decoder takes, whatever memory it allows itself.
	maxFrameWindow = 8 << 20
	// maxFrameBlock is the largest part of a frame, encoded or decoded, in bytes.
	maxFrameBlock = 128 << 10
)

// The types of a frame's parts.
const (
	frameRaw        = 0
	frameRepeated   = 1
	frameCompressed = 2
)

// IsFrame says whether the payload is one whole frame as NewDraft makes them, of the size that the block's header says,
// so that it can stand in a file as it is. A payload of the codec Zstd that is none may be sound all the same. What is in
// the frame is not looked at: only Lines tells whether it can be decoded.
func (b *Block) IsFrame() bool {
	if b.Codec != Zstd || len(b.Payload) > MaxPayloadSize || b.RawSize > MaxRawSize || b.Count > b.RawSize {
		return false
	}
	size, content, ok := Frame(b.Payload)
	return ok && size == len(b.Payload) && content == int(b.RawSize)
}

// Frame walks through the structure of the frame that p begins with, and returns its size and that of what it decodes to,
// both in bytes. It returns false if the frame is not whole, or not of the kind that NewDraft makes: with its decoded
// size, a checksum of it, no dictionary and a small window.
func Frame(p []byte) (size, content int, ok bool) {
	size, content, ok = frameHeader(p)
	if !ok {
		return 0, 0, false
	}
	least, most := 0, 0 // what the parts may decode to
	for last := false; !last; {
		if len(p) < size+3 {
			return 0, 0, false
		}
		header := int(p[size]) | int(p[size+1])<<8 | int(p[size+2])<<16
		kind, n := header>>1&3, header>>3
		if n > maxFrameBlock {
			return 0, 0, false
		}
		last = header&1 == 1
		size += 3
		switch kind {
		case frameRaw:
			size, least, most = size+n, least+n, most+n
		case frameRepeated:
			size, least, most = size+1, least+n, most+n
		case frameCompressed:
			size, most = size+n, most+maxFrameBlock
		default:
			return 0, 0, false
		}
	}
	size += 4 // the checksum
	if size > len(p) || content < least || content > most {
		return 0, 0, false
	}
	return size, content, true
}

// frameHeader returns the size of a frame's header, and that of what the frame decodes to as the header says it.
func frameHeader(p []byte) (size, content int, ok bool) {
	if len(p) < 6 || binary.LittleEndian.Uint32(p) != frameMagic {
		return 0, 0, false
	}
	descriptor := p[4]
	single, reserved, checksum, dictionary := descriptor>>5&1 == 1, descriptor>>3&1 == 1, descriptor>>2&1 == 1, descriptor&3 != 0
	if reserved || !checksum || dictionary {
		return 0, 0, false
	}
	size = 5
	if !single {
		exponent, mantissa := int(p[5]>>3), int(p[5]&7)
		if base := int64(1) << (10 + exponent); base+base/8*int64(mantissa) > maxFrameWindow {
			return 0, 0, false
		}
		size++
	}
	width := 1 << (descriptor >> 6) // of the decoded size
	if width == 1 && !single || width == 8 || len(p) < size+width {
		return 0, 0, false
	}
	switch width {
	case 1:
		content = int(p[size])
	case 2:
		content = int(binary.LittleEndian.Uint16(p[size:])) + 256
	case 4:
		content = int(binary.LittleEndian.Uint32(p[size:]))
	}
	return size + width, content, !single || content <= maxFrameWindow
}

// AppendFrame encodes lines as a frame behind dst. It is safe for concurrent use.
func AppendFrame(dst, lines []byte) []byte { return zstdEncoder().EncodeAll(lines, dst) }
