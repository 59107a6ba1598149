package transport

import (
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// Frame is a message in its encoded form, as it came from the wire. A relay receives into a Frame and sends the same
// Frame on: the bytes are neither decoded nor copied.
//
// A Frame owns one reference to its buffers, from the receive that filled it until Free, or until the next receive
// into the same Frame. Sending takes a reference of its own and leaves the Frame's alone, so that one Frame may be
// sent any number of times, and freed as soon as the last send has returned. A Frame is used by one goroutine at a
// time; the zero Frame is empty.
type Frame struct{ data mem.BufferSlice }

// Data returns the message. It belongs to the Frame and is valid until Free or the next receive; it must not be
// changed.
func (f *Frame) Data() mem.BufferSlice { return f.data }

// Free gives the buffers back and leaves the Frame empty. Freeing an empty Frame does nothing.
func (f *Frame) Free() {
	f.data.Free()
	f.data = nil
}

// Codec passes a *Frame through as it is and encodes all other messages as Protocol Buffers. It has the standard
// codec's name, so that the other side sees no difference. NewServer and Dial use it.
func Codec() encoding.CodecV2 { return codec{encoding.GetCodecV2(grpcproto.Name)} }

// codec is the standard one with buffers of its own.
type codec struct{ encoding.CodecV2 }

// buffers hold encoded messages. A buffer that is taken is cleared to its end, and gRPC's own pool has nothing between 32 KiB
// and 1 MiB, where messages with a block are: most of the work for one would be to clear what it does not use.
var buffers = func() mem.BufferPool {
	pool, err := mem.NewBinaryTieredBufferPool(8, 10, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23)
	if err != nil {
		panic(err) // the sizes are constant
	}
	return pool
}()

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if f, ok := v.(*Frame); ok {
		f.data.Ref() // gRPC frees what Marshal returns
		return f.data, nil
	}
	m, ok := v.(proto.Message)
	if !ok {
		return c.CodecV2.Marshal(v)
	}
	size := proto.Size(m)
	buf := buffers.Get(size)
	encoded, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend((*buf)[:0], m)
	if err != nil {
		buffers.Put(buf)
		return nil, err
	}
	*buf = encoded
	return mem.BufferSlice{mem.NewBuffer(buf, buffers)}, nil
}

func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if f, ok := v.(*Frame); ok {
		f.Free()
		data.Ref() // gRPC frees data when Unmarshal has returned
		f.data = data
		return nil
	}
	m, ok := v.(proto.Message)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	buf := data.MaterializeToBuffer(buffers)
	defer buf.Free()
	return proto.Unmarshal(buf.ReadOnlyData(), m)
}
