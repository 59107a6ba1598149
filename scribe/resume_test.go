package scribe

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/logscribe/logscribe/internal/block"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

// helloOf is the Hello of a spool of that generation of the identity.
func helloOf(identity string, generation uint64) *logscribev1.AppendRequest {
	h := hello()
	h.GetHello().Identity, h.GetHello().Generation = identity, generation
	return h
}

// blockAt makes a block that reaches a checkpoint.
func blockAt(log string, first uint64, raw, source, checkpoint string) *logscribev1.AppendRequest {
	m := blockOf(log, first, raw, func(d *block.Draft) { d.Reached = block.Checkpoint{Source: source, Value: []byte(checkpoint)} })
	m.GetBlock().Source, m.GetBlock().Checkpoint = source, []byte(checkpoint)
	return m
}

// resume asks the Scribe and returns its answer, put together.
func resume(t *testing.T, conn *grpc.ClientConn, identity string, spool []byte) (*logscribev1.ResumeResponse, error) {
	t.Helper()
	stream, err := logscribev1.NewScribeClient(conn).Resume(t.Context(), &logscribev1.ResumeRequest{Identity: identity, Spool: spool, NowMs: 77})
	if err != nil {
		t.Fatal(err)
	}
	all := &logscribev1.ResumeResponse{}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all.Checkpoints = append(all.Checkpoints, part.Checkpoints...)
		all.Generation, all.SinceMs = max(all.Generation, part.Generation), max(all.SinceMs, part.SinceMs)
	}
}

func wantResume(t *testing.T, conn *grpc.ClientConn, identity string, spool uuid.UUID, want *logscribev1.ResumeResponse) {
	t.Helper()
	got, err := resume(t, conn, identity, spool[:])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func TestResumeTellsWhatIsCommitted(t *testing.T) {
	root := t.TempDir()
	_, conn := start(t, Config{Path: root})
	spool := uuid.New()
	wantResume(t, conn, "web-7", spool, &logscribev1.ResumeResponse{Generation: 1, SinceMs: 77})
	_, err := send(t, conn, helloOf("web-7", 1), open("a", 1, 0), blockAt("a", 1, "1\n", "x", "at 1"), blockAt("a", 2, "2\n", "x", "at 2"),
		open("b", 1, 0), blockAt("b", 1, "1\n", "y", "at y"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := send(t, conn, hello(), open("c", 1, 0), blockAt("c", 1, "1\n", "x", "of no identity")); err != nil {
		t.Fatal(err)
	}
	want := &logscribev1.ResumeResponse{Generation: 2, SinceMs: 77, Checkpoints: []*logscribev1.SourceCheckpoint{
		{Log: "a", Source: "x", Checkpoint: []byte("at 2")}, {Log: "b", Source: "y", Checkpoint: []byte("at y")},
	}}
	next := uuid.New()
	wantResume(t, conn, "web-7", next, want)
	wantResume(t, conn, "web-7", next, want) // the answer was lost
	wantResume(t, conn, "web", uuid.New(), &logscribev1.ResumeResponse{Generation: 1, SinceMs: 77})

	_, err = send(t, conn, helloOf("web-7", 1), open("a", 1, 0), blockAt("a", 3, "3\n", "x", "at 3"))
	if status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "generation 2 has begun") {
		t.Errorf("the spool of before: %v", err)
	}
	wantFile(t, root+"/a.log", "1\n2\n")
}

// TestResumeEndsOlderStreams resumes while streams of the identity, and others, are open. What they brought counts, and
// what they still bring is refused.
func TestResumeEndsOlderStreams(t *testing.T) {
	root := t.TempDir()
	_, conn := start(t, Config{Path: root})
	streams := map[string]grpc.ClientStreamingClient[logscribev1.AppendRequest, logscribev1.AppendResponse]{}
	for log, h := range map[string]*logscribev1.AppendRequest{
		"older": helloOf("web-7", 0), "other": helloOf("web-8", 0), "none": hello(),
	} {
		stream, err := logscribev1.NewScribeClient(conn).Append(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []*logscribev1.AppendRequest{h, open(log, 1, 0), blockAt(log, 1, "1\n", "x", "at 1")} {
			if err := stream.Send(m); err != nil {
				t.Fatal(err)
			}
		}
		streams[log] = stream
	}
	written := func(log string) bool {
		info, err := os.Stat(filepath.Join(root, log+".log"))
		return err == nil && info.Size() == 2
	}
	for deadline := time.Now().Add(10 * time.Second); !written("older") || !written("other") || !written("none"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the blocks were not written")
		}
	}
	wantResume(t, conn, "web-7", uuid.New(), &logscribev1.ResumeResponse{Generation: 1, Checkpoints: []*logscribev1.SourceCheckpoint{
		{Log: "older", Source: "x", Checkpoint: []byte("at 1")},
	}})
	for log, stream := range streams {
		if err := stream.Send(blockAt(log, 2, "2\n", "x", "at 2")); err != nil {
			t.Fatal(err)
		}
		_, err := stream.CloseAndRecv()
		if ended := status.Code(err) == codes.FailedPrecondition; ended != (log == "older") || !ended && err != nil {
			t.Errorf("stream %s: %v", log, err)
		}
	}
	wantFile(t, root+"/older.log", "1\n")
	wantFile(t, root+"/other.log", "1\n2\n")
	wantResume(t, conn, "web-7", uuid.New(), &logscribev1.ResumeResponse{Generation: 2, Checkpoints: []*logscribev1.SourceCheckpoint{
		{Log: "older", Source: "x", Checkpoint: []byte("at 1")},
	}})
}

// TestResumeWaitsForABlockThatIsBeingWritten holds a stream's turn, as an append does.
func TestResumeWaitsForABlockThatIsBeingWritten(t *testing.T) {
	s, _ := start(t, Config{Path: t.TempDir()})
	m, err := s.identities.join(helloOf("web-7", 0).GetHello())
	if err != nil || !m.begin() {
		t.Fatal(err)
	}
	spool := uuid.New()
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.identities.succeed(short, "web-7", spool, 1); status.Code(err) != codes.Unavailable {
		t.Errorf("while it is written: %v", err)
	}
	m.end()
	if _, err := s.identities.succeed(t.Context(), "web-7", spool, 1); err != nil {
		t.Error(err)
	}
	if m.begin() {
		t.Error("the stream may write on")
	}
	m.leave()
	if n := len(s.identities.streams); n != 0 {
		t.Errorf("%d identities have streams", n)
	}
}

func TestResumeOfABadIdentity(t *testing.T) {
	_, conn := start(t, Config{Path: t.TempDir()})
	spool := uuid.New()
	for name, c := range map[string]struct {
		identity string
		spool    []byte
		want     string
	}{
		"none":          {"", spool[:], "it is empty"},
		"control":       {"a\nb", spool[:], "control character"},
		"long":          {strings.Repeat("x", 201), spool[:], "longer than 200 bytes"},
		"a short spool": {"a", spool[:3], "3 bytes"},
	} {
		if _, err := resume(t, conn, c.identity, c.spool); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := send(t, conn, helloOf("a\nb", 0)); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a stream: %v", err)
	}
}
