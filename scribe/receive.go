package scribe

import (
	"bytes"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/logscribe/logscribe/internal/transport"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

// receiver receives the messages of an Append stream. It reads blocks by itself, so that their payloads are not copied:
// a message is valid until the next one is received, and so is the memory of a block's payload.
type receiver struct {
	frame transport.Frame
	flat  []byte // a copy of the frame, if that lies in several pieces
	block struct {
		request logscribev1.AppendRequest
		wrapper logscribev1.AppendRequest_Block
		message logscribev1.Block
	}
}

// next receives a message. The error is the stream's, io.EOF at its end.
func (r *receiver) next(stream grpc.ServerStream) (*logscribev1.AppendRequest, error) {
	if err := stream.RecvMsg(&r.frame); err != nil {
		return nil, err
	}
	data := r.data()
	if message, ok := blockMessage(data); ok && r.readBlock(message) {
		return &r.block.request, nil
	}
	request := new(logscribev1.AppendRequest)
	if err := proto.Unmarshal(data, request); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "malformed message: %v", err)
	}
	return request, nil
}

// release gives the memory of the last message back.
func (r *receiver) release() {
	r.frame.Free()
	r.block.message.Payload = nil
}

// data returns the frame's bytes in one piece.
func (r *receiver) data() []byte {
	pieces := r.frame.Data()
	if len(pieces) == 1 {
		return pieces[0].ReadOnlyData()
	}
	r.flat = r.flat[:0]
	for _, piece := range pieces {
		r.flat = append(r.flat, piece.ReadOnlyData()...)
	}
	return r.flat
}

// The fields of AppendRequest and Block that are read here.
const (
	blockField      protowire.Number = 3
	logField        protowire.Number = 1
	firstField      protowire.Number = 2
	countField      protowire.Number = 3
	codecField      protowire.Number = 4
	rawSizeField    protowire.Number = 5
	crcField        protowire.Number = 6
	payloadField    protowire.Number = 7
	sourceField     protowire.Number = 8
	checkpointField protowire.Number = 9
)

// blockMessage returns the Block in an encoded AppendRequest that holds one and nothing else.
func blockMessage(data []byte) (message []byte, ok bool) {
	field, typ, n := protowire.ConsumeTag(data)
	if n < 0 || field != blockField || typ != protowire.BytesType {
		return nil, false
	}
	message, m := protowire.ConsumeBytes(data[n:])
	return message, m >= 0 && n+m == len(data)
}

// readBlock reads an encoded Block. It returns false for one that has other fields than those it knows, or that is
// malformed: Unmarshal knows what to do with it.
func (r *receiver) readBlock(data []byte) bool {
	b := &r.block.message
	b.Log, b.First, b.Count, b.Codec, b.RawSize, b.Crc, b.Payload, b.Source, b.Checkpoint = "", 0, 0, 0, 0, 0, nil, "", nil
	for len(data) > 0 {
		field, typ, n := protowire.ConsumeTag(data)
		if n < 0 {
			return false
		}
		data = data[n:]
		switch typ {
		case protowire.VarintType:
			var v uint64
			v, n = protowire.ConsumeVarint(data)
			if n < 0 || !setNumber(b, field, v) {
				return false
			}
		case protowire.Fixed32Type:
			b.Crc, n = protowire.ConsumeFixed32(data)
			if n < 0 || field != crcField {
				return false
			}
		case protowire.BytesType:
			var v []byte
			v, n = protowire.ConsumeBytes(data)
			if n < 0 || !setBytes(b, field, v) {
				return false
			}
		default:
			return false
		}
		data = data[n:]
	}
	r.block.wrapper.Block, r.block.request.Message = b, &r.block.wrapper
	return true
}

func setNumber(b *logscribev1.Block, field protowire.Number, v uint64) bool {
	switch field {
	case firstField:
		b.First = v
	case countField:
		b.Count = uint32(v)
	case codecField:
		b.Codec = logscribev1.Codec(v)
	case rawSizeField:
		b.RawSize = uint32(v)
	default:
		return false
	}
	return true
}

// setBytes sets a field of bytes. All but the payload is copied: some of it is kept until it is committed.
func setBytes(b *logscribev1.Block, field protowire.Number, v []byte) bool {
	switch field {
	case logField:
		b.Log = string(v)
		return utf8.Valid(v)
	case payloadField:
		b.Payload = v
	case sourceField:
		b.Source = string(v)
		return utf8.Valid(v)
	case checkpointField:
		b.Checkpoint = bytes.Clone(v)
	default:
		return false
	}
	return true
}
