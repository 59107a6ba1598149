package scribe

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

// TestReadBlock: what is read of a block by hand is what Unmarshal reads, of sound messages and of damaged ones.
func TestReadBlock(t *testing.T) {
	read := 0
	rapid.Check(t, func(t *rapid.T) {
		data, err := proto.Marshal(blockAppend(&logscribev1.Block{
			Log: rapid.String().Draw(t, "log"), First: rapid.Uint64().Draw(t, "first"), Count: rapid.Uint32().Draw(t, "count"),
			Codec: logscribev1.Codec(rapid.Int32().Draw(t, "codec")), RawSize: rapid.Uint32().Draw(t, "raw size"),
			Crc: rapid.Uint32().Draw(t, "crc"), Payload: rapid.SliceOf(rapid.Byte()).Draw(t, "payload"),
			Source: rapid.String().Draw(t, "source"), Checkpoint: rapid.SliceOf(rapid.Byte()).Draw(t, "checkpoint"),
		}))
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(0, 3).Draw(t, "damages") {
			if len(data) > 0 {
				data[rapid.IntRange(0, len(data)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
			}
		}
		data = data[:rapid.IntRange(len(data)-min(1, len(data)), len(data)).Draw(t, "length")]
		var r receiver
		message, ok := blockMessage(data)
		if !ok || !r.readBlock(message) {
			return // Unmarshal's
		}
		read++
		var want logscribev1.AppendRequest
		if err := proto.Unmarshal(data, &want); err != nil {
			t.Fatalf("Unmarshal refuses what was read as %v: %v", &r.block.request, err)
		}
		if diff := cmp.Diff(&want, &r.block.request, protocmp.Transform(), protocmp.IgnoreEmptyMessages()); diff != "" {
			t.Error(diff)
		}
	})
	if read == 0 {
		t.Error("no block was read")
	}
}

func blockAppend(b *logscribev1.Block) *logscribev1.AppendRequest {
	return &logscribev1.AppendRequest{Message: &logscribev1.AppendRequest_Block{Block: b}}
}

// TestOnlyThePayloadIsShared: what is kept of a block does not change when the next message comes.
func TestOnlyThePayloadIsShared(t *testing.T) {
	data, err := proto.Marshal(blockAppend(&logscribev1.Block{Log: "web/a", Payload: []byte("payload"), Source: "source", Checkpoint: []byte("checkpoint")}))
	if err != nil {
		t.Fatal(err)
	}
	var r receiver
	message, _ := blockMessage(data)
	if !r.readBlock(message) {
		t.Fatal("it was not read")
	}
	for i := range data {
		data[i] = 'x'
	}
	b := r.block.request.GetBlock()
	if b.Log != "web/a" || b.Source != "source" || string(b.Checkpoint) != "checkpoint" {
		t.Errorf("%v", b)
	}
	if !bytes.Equal(b.Payload, bytes.Repeat([]byte("x"), len("payload"))) {
		t.Errorf("the payload was copied: %q", b.Payload)
	}
}
