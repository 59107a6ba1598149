package transport

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
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
// codec's name, so that the other side sees no difference. Use it with grpc.ForceServerCodecV2 for a server and with
// grpc.ForceCodecV2 for a call.
func Codec() encoding.CodecV2 { return codec{encoding.GetCodecV2(proto.Name)} }

type codec struct{ encoding.CodecV2 }

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	f, ok := v.(*Frame)
	if !ok {
		return c.CodecV2.Marshal(v)
	}
	f.data.Ref() // gRPC frees what Marshal returns
	return f.data, nil
}

func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*Frame)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	f.Free()
	data.Ref() // gRPC frees data when Unmarshal has returned
	f.data = data
	return nil
}
