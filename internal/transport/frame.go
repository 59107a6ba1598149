package transport

import (
	"math/bits"
	"sync"

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

// buffers hold encoded messages.
var buffers mem.BufferPool = new(bufferPool)

// bufferPool keeps buffers by their size, in powers of two. Those of gRPC are cleared whenever they are taken, and there are
// none between 32 KiB and 1 MiB, where messages with a block are: most of the work for one would be to clear what is
// written over at once.
type bufferPool [maxBuffer + 1]sync.Pool

// minBuffer and maxBuffer are the logarithms of the smallest and of the largest size that is kept.
const minBuffer, maxBuffer = 8, 23

// Get returns a buffer of that length, with any content.
func (p *bufferPool) Get(length int) *[]byte {
	class := max(minBuffer, bits.Len(uint(max(length, 1)-1)))
	if class > maxBuffer {
		buf := make([]byte, length)
		return &buf
	}
	buf, ok := p[class].Get().(*[]byte)
	if !ok {
		b := make([]byte, 1<<class)
		buf = &b
	}
	*buf = (*buf)[:length]
	return buf
}

// Put takes a buffer back that Get returned, or drops it.
func (p *bufferPool) Put(buf *[]byte) {
	class := bits.Len(uint(cap(*buf))) - 1
	if class >= minBuffer && class <= maxBuffer && cap(*buf) == 1<<class {
		p[class].Put(buf)
	}
}

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
