package transport

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// strictPool overwrites what is given back to it and counts what is not.
type strictPool struct{ out atomic.Int64 }

func (p *strictPool) Get(n int) *[]byte {
	p.out.Add(1)
	b := make([]byte, n)
	return &b
}

func (p *strictPool) Put(b *[]byte) {
	p.out.Add(-1)
	full := (*b)[:cap(*b)]
	for i := range full {
		full[i] = 0xDD
	}
}

func TestFrameOwnership(t *testing.T) {
	pool := new(strictPool)
	data := func() mem.BufferSlice {
		b := pool.Get(4096)
		copy(*b, "content")
		return mem.BufferSlice{mem.NewBuffer(b, pool)}
	}
	c := Codec()
	if c.Name() != "proto" {
		t.Errorf("the codec's name is %q", c.Name())
	}
	var f Frame
	f.Free()      // of an empty frame
	for range 2 { // the second receive frees what the first left
		in := data()
		if err := c.Unmarshal(in, &f); err != nil {
			t.Fatal(err)
		}
		in.Free()
	}
	for range 2 {
		out, err := c.Marshal(&f)
		if err != nil || !bytes.HasPrefix(out.Materialize(), []byte("content")) {
			t.Fatalf("%q, %v", out.Materialize(), err)
		}
		out.Free()
	}
	if n := pool.out.Load(); n != 1 {
		t.Errorf("%d buffers are in use, want the frame's one", n)
	}
	f.Free()
	f.Free()
	if n := pool.out.Load(); n != 0 {
		t.Errorf("%d buffers are in use after Free", n)
	}
	if out, err := c.Marshal(&f); err != nil || out.Len() != 0 {
		t.Errorf("an empty frame is %d bytes, %v", out.Len(), err)
	}
}

// Messages of all sizes pass through a relay unharmed, in both directions, with a pool that spoils freed buffers.
func TestFramePassesThrough(t *testing.T) {
	pool := new(strictPool)
	back := NewServer(nil, experimental.BufferPool(pool))
	back.RegisterService(streamer(func(s grpc.ServerStream) error {
		m := new(wrapperspb.BytesValue)
		for {
			if err := s.RecvMsg(m); err != nil {
				return ignoreEOF(err)
			}
			if err := s.SendMsg(m); err != nil {
				return err
			}
		}
	}), struct{}{})
	up, err := Dial([]string{start(t, back)}, nil, experimental.WithBufferPool(pool))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { up.Close() })

	front := NewServer(nil, grpc.ForceServerCodecV2(Codec()), experimental.BufferPool(pool))
	front.RegisterService(streamer(func(s grpc.ServerStream) error {
		out, err := up.NewStream(s.Context(), bidi, "/test.Streamer/Stream", grpc.ForceCodecV2(Codec()))
		if err != nil {
			return err
		}
		var f Frame
		defer f.Free()
		for {
			if err := s.RecvMsg(&f); err != nil {
				return ignoreEOF(err)
			}
			if err := out.SendMsg(&f); err != nil {
				return err
			}
			if err := out.RecvMsg(&f); err != nil {
				return err
			}
			if err := s.SendMsg(&f); err != nil {
				return err
			}
		}
	}), struct{}{})
	conn := dial(t, nil, start(t, front))

	var all sync.WaitGroup
	for seed := range uint64(4) {
		all.Go(func() {
			if err := echoRandom(t.Context(), conn, seed); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func echoRandom(ctx context.Context, conn *grpc.ClientConn, seed uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := conn.NewStream(ctx, bidi, "/test.Streamer/Stream")
	if err != nil {
		return err
	}
	rnd := rand.New(rand.NewPCG(seed, 0))
	for i := range 100 {
		sent := make([]byte, rnd.IntN(1<<(i%18)))
		for j := range sent {
			sent[j] = byte(rnd.Uint32())
		}
		if err := stream.SendMsg(&wrapperspb.BytesValue{Value: sent}); err != nil {
			return err
		}
		got := new(wrapperspb.BytesValue)
		if err := stream.RecvMsg(got); err != nil {
			return err
		}
		if !bytes.Equal(got.Value, sent) {
			return io.ErrUnexpectedEOF
		}
	}
	return stream.CloseSend()
}

func ignoreEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// TestBuffersFitMessages encodes and decodes messages of the size of a block: no buffer is much larger than what is in it.
func TestBuffersFitMessages(t *testing.T) {
	for _, size := range []int{0, 10, 900, 50_000, 300_000, 4 << 20} {
		want := wrapperspb.Bytes(bytes.Repeat([]byte("x"), size))
		data, err := Codec().Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if got := cap(data[0].ReadOnlyData()); got > 2*size+300 {
			t.Errorf("a buffer of %d bytes for %d", got, size)
		}
		got := &wrapperspb.BytesValue{}
		if err := Codec().Unmarshal(data, got); err != nil || !bytes.Equal(got.Value, want.Value) {
			t.Errorf("%d bytes became %d, %v", size, len(got.Value), err)
		}
		data.Free()
	}
}
