package mediator

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// The fields of AppendRequest, and of Block the one that is read.
const (
	helloField    protowire.Number = 1
	openField     protowire.Number = 2
	blockField    protowire.Number = 3
	blockLogField protowire.Number = 1
)

// What is wrong with a message that can't be relayed.
var (
	errMalformed = errors.New("malformed message")
	errUnknown   = errors.New("unknown message")
)

// readHead returns which message an encoded AppendRequest is: helloField, openField or blockField. Of a block it also
// returns the log's name, which is read in place, or from scratch where it does not lie in one piece, and is valid as
// long as both. The payload is not looked at. The error wraps errMalformed or errUnknown.
//
// An AppendRequest must be the one message and nothing else. That is how all senders encode it, and it leaves no room
// for a second message that the Scribe would read differently.
func readHead(data mem.BufferSlice, scratch []byte) (kind protowire.Number, log []byte, err error) {
	c := cursor{rest: data, left: data.Len()}
	if c.left == 0 {
		return 0, nil, fmt.Errorf("%w: it is empty", errMalformed)
	}
	kind, typ, ok := c.tag()
	switch {
	case !ok:
		return 0, nil, fmt.Errorf("%w: it is not an AppendRequest", errMalformed)
	case typ != protowire.BytesType:
		return 0, nil, fmt.Errorf("%w: field %d of an AppendRequest has wire type %d", errMalformed, kind, typ)
	case kind > blockField:
		return 0, nil, fmt.Errorf("%w: protocol version %d has no field %d in an AppendRequest", errUnknown, protocolVersion, kind)
	}
	if n, ok := c.varint(); !ok || n != uint64(c.left) {
		return 0, nil, fmt.Errorf("%w: an AppendRequest must hold one message and nothing else", errMalformed)
	}
	if kind != blockField {
		return kind, nil, nil
	}
	if log, ok = c.blockLog(scratch); !ok {
		return 0, nil, fmt.Errorf("%w: a Block can't be decoded", errMalformed)
	}
	return kind, log, nil
}

// cursor reads Protocol Buffers wire format from a message that may lie in several pieces.
type cursor struct {
	rest mem.BufferSlice // pieces behind b
	b    []byte          // what is left of the current piece
	left int             // in all
}

// blockLog returns the log of a Block; without the field it is empty.
func (c *cursor) blockLog(scratch []byte) ([]byte, bool) {
	for c.left > 0 {
		field, typ, ok := c.tag()
		if !ok {
			return nil, false
		}
		if field == blockLogField && typ == protowire.BytesType {
			n, ok := c.varint()
			if !ok || n > uint64(c.left) {
				return nil, false
			}
			return c.take(int(n), scratch), true
		}
		if !c.skipValue(typ) {
			return nil, false
		}
	}
	return nil, true
}

func (c *cursor) tag() (protowire.Number, protowire.Type, bool) {
	v, ok := c.varint()
	if !ok {
		return 0, 0, false
	}
	field, typ := protowire.DecodeTag(v)
	return field, typ, field >= protowire.MinValidNumber
}

func (c *cursor) varint() (uint64, bool) {
	if v, n := protowire.ConsumeVarint(c.b); n > 0 {
		c.b, c.left = c.b[n:], c.left-n
		return v, true
	}
	var buf [10]byte // it may lie across pieces
	for i := range buf {
		if !c.fill() {
			return 0, false
		}
		buf[i], c.b, c.left = c.b[0], c.b[1:], c.left-1
		if buf[i] < 0x80 {
			v, n := protowire.ConsumeVarint(buf[:i+1])
			return v, n > 0
		}
	}
	return 0, false
}

// skipValue skips a field's value. Groups, which no message of ours has, are not understood.
func (c *cursor) skipValue(typ protowire.Type) bool {
	switch typ {
	case protowire.VarintType:
		_, ok := c.varint()
		return ok
	case protowire.Fixed32Type:
		return c.skip(4)
	case protowire.Fixed64Type:
		return c.skip(8)
	case protowire.BytesType:
		n, ok := c.varint()
		return ok && c.skip(n)
	}
	return false
}

func (c *cursor) skip(n uint64) bool {
	if n > uint64(c.left) {
		return false
	}
	c.left -= int(n)
	for n > 0 && c.fill() {
		k := min(n, uint64(len(c.b)))
		c.b, n = c.b[k:], n-k
	}
	return true
}

// take returns the next n bytes, of which there must be as many.
func (c *cursor) take(n int, scratch []byte) []byte {
	c.left -= n
	if n == 0 || !c.fill() {
		return nil
	}
	if n <= len(c.b) {
		out := c.b[:n]
		c.b = c.b[n:]
		return out
	}
	out := scratch[:0]
	for len(out) < n && c.fill() {
		k := min(n-len(out), len(c.b))
		out, c.b = append(out, c.b[:k]...), c.b[k:]
	}
	return out
}

// fill makes the current piece one that is not empty, if there is one.
func (c *cursor) fill() bool {
	for len(c.b) == 0 {
		if len(c.rest) == 0 {
			return false
		}
		c.b, c.rest = c.rest[0].ReadOnlyData(), c.rest[1:]
	}
	return true
}
