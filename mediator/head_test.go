package mediator

import (
	"errors"
	"strings"
	"testing"

	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

// pieces cuts a message as the network may.
func pieces(t *rapid.T, b []byte) mem.BufferSlice {
	var s mem.BufferSlice
	for len(b) > 0 {
		n := rapid.IntRange(0, min(len(b), 20)).Draw(t, "piece")
		if rapid.Bool().Draw(t, "large") {
			n = len(b)
		}
		s, b = append(s, mem.SliceBuffer(b[:n])), b[n:]
	}
	return s
}

// However a message is cut, its head is what a full decoder finds.
func TestReadHead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.StringN(0, 50, 60), rapid.Just(strings.Repeat("long/", 300))).Draw(t, "name")
		m, want := new(logscribev1.AppendRequest), blockField
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			m.Message, want = &logscribev1.AppendRequest_Hello{Hello: &logscribev1.Hello{Protocol: 1, Agent: name}}, helloField
		case 1:
			m.Message, want = &logscribev1.AppendRequest_Open{Open: &logscribev1.Open{Log: name}}, openField
		default:
			m.Message = &logscribev1.AppendRequest_Block{Block: &logscribev1.Block{
				Log: name, First: rapid.Uint64().Draw(t, "first"), Count: 3, Crc: 4,
				Payload: rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "payload"),
			}}
		}
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		kind, log, err := readHead(pieces(t, b), make([]byte, 0, 100))
		if err != nil || kind != want {
			t.Fatalf("kind %d, %v", kind, err)
		}
		if want == blockField && string(log) != name {
			t.Fatalf("log %q, want %q", log, name)
		}
	})
}

// The log is found wherever an encoder puts it.
func TestReadHeadOfOddEncoding(t *testing.T) {
	var b []byte
	b = protowire.AppendTag(b, 2, protowire.VarintType)
	b = protowire.AppendVarint(b, 1<<60)
	b = protowire.AppendTag(b, 6, protowire.Fixed32Type)
	b = protowire.AppendFixed32(b, 7)
	b = protowire.AppendTag(b, 99, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, 7)
	b = protowire.AppendTag(b, 7, protowire.BytesType)
	b = protowire.AppendBytes(b, []byte("payload"))
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	b = protowire.AppendBytes(b, []byte("web/access"))
	m := protowire.AppendBytes(protowire.AppendTag(nil, blockField, protowire.BytesType), b)
	for cut := range len(m) {
		kind, log, err := readHead(mem.BufferSlice{mem.SliceBuffer(m[:cut]), mem.SliceBuffer(m[cut:])}, nil)
		if err != nil || kind != blockField || string(log) != "web/access" {
			t.Fatalf("cut at %d: %d %q %v", cut, kind, log, err)
		}
	}
}

// No input makes it panic or read on, and what it accepts, a decoder that accepts it too reads likewise.
func FuzzReadHead(f *testing.F) {
	for _, m := range []*logscribev1.AppendRequest{hello(), open("web/access"), blockOf("web/access", 1, "x")} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint(3))
	}
	f.Add([]byte("\x1a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), uint(1))
	f.Add([]byte("\x1a\x02\x3b\x3c"), uint(0))
	f.Fuzz(func(t *testing.T, b []byte, cut uint) {
		at := min(cut, uint(len(b)))
		kind, log, err := readHead(mem.BufferSlice{mem.SliceBuffer(b[:at]), mem.SliceBuffer(b[at:])}, nil)
		if err != nil {
			if !errors.Is(err, errMalformed) && !errors.Is(err, errUnknown) {
				t.Errorf("error %v is neither", err)
			}
			return
		}
		m := new(logscribev1.AppendRequest)
		if proto.Unmarshal(b, m) != nil {
			return
		}
		switch kind {
		case helloField:
			if m.GetHello() == nil {
				t.Error("no Hello")
			}
		case openField:
			if m.GetOpen() == nil {
				t.Error("no Open")
			}
		case blockField:
			// A decoder takes the last of several names, which a Scribe's checksum then refuses.
			if m.GetBlock() == nil || names(b) == 1 && m.GetBlock().Log != string(log) {
				t.Errorf("a Block of %q read as one of %q", m.GetBlock().GetLog(), log)
			}
		}
	})
}

// names returns how many names an encoded AppendRequest with a Block holds.
func names(b []byte) int {
	n := 0
	_, _, skip := protowire.ConsumeTag(b)
	b, _ = protowire.ConsumeBytes(b[skip:])
	for len(b) > 0 {
		field, typ, tag := protowire.ConsumeTag(b)
		if field == blockLogField && typ == protowire.BytesType {
			n++
		}
		b = b[tag+protowire.ConsumeFieldValue(field, typ, b[tag:]):]
	}
	return n
}
