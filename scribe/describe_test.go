package scribe

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

// described returns what the Scribe says of itself and of agents.
func described(t *testing.T, conn *grpc.ClientConn) (self *logscribev1.ScribeStatus, agents []*logscribev1.AgentStatus) {
	t.Helper()
	stream, err := logscribev1.NewStatusClient(conn).Describe(t.Context(), &logscribev1.DescribeRequest{})
	for err == nil {
		var part *logscribev1.DescribeResponse
		if part, err = stream.Recv(); err == nil && part.GetScribe() != nil {
			self = part.GetScribe()
		} else if err == nil {
			agents = append(agents, part.GetAgent())
		}
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return self, agents
}

func TestDescribe(t *testing.T) {
	root := t.TempDir()
	s, conn := start(t, Config{Path: root, Software: "v3", ReloadError: func() string { return "bad\xfc" }})
	if _, err := send(t, conn, hello(), open("web/a", 1, 4), blockOf("web/a", 1, "1\n2\n"), open("b", 1, 0), blockOf("b", 1, "1\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := logscribev1.NewScribeClient(conn).Log(t.Context(), &logscribev1.LogRequest{Log: "c", Lines: []byte("1\n2\n")}); err != nil {
		t.Fatal(err)
	}
	client := logscribev1.NewStatusClient(conn)
	if _, err := client.Report(t.Context(), &logscribev1.ReportRequest{Producer: producer[:], Agent: "web-1"}); err != nil {
		t.Fatal(err)
	}
	self, agents := described(t, conn)
	if self.Id != "test" || self.Address != s.Addr().String() || self.Software != "v3" || self.Health != logscribev1.ScribeStatus_HEALTH_UP || self.Trouble != "" ||
		self.Root != root || self.VolumeTotal < self.VolumeFree || self.VolumeFree == 0 || self.Streams != 1 || self.Calls != 1 || self.Blocks != 2 ||
		self.Lines != 5 || self.Bytes != 10 || self.Logs != 3 || self.ReloadError != "bad?" {
		t.Errorf("got %v", self)
	}
	if len(agents) != 1 || agents[0].Report.Agent != "web-1" {
		t.Errorf("got %v", agents)
	}

	stream, err := client.Logs(t.Context(), &logscribev1.LogsRequest{Match: "**/a"})
	if err != nil {
		t.Fatal(err)
	}
	part, err := stream.Recv()
	if err != nil || part.Scribe != "test" || len(part.Logs) != 1 {
		t.Fatalf("got %v, %v", part, err)
	}
	if l := part.Logs[0]; l.Log != "web/a" || l.Epoch != 4 || l.Size != 4 || l.Lines != 2 || l.Bytes != 4 || l.WrittenMs == 0 || l.Trouble != "" || l.Owner != "" {
		t.Errorf("got %v", l)
	}
	stream, err = client.Logs(t.Context(), &logscribev1.LogsRequest{Match: "[a"})
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("got %v", err)
	}
}

// TestDescribeOnLostDisk: what is wrong is said, and the rest too.
func TestDescribeOnLostDisk(t *testing.T) {
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		e, err := NewEmbedded(Config{Path: root, ID: "test"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		if self := e.describer.status(); self.Health != logscribev1.ScribeStatus_HEALTH_UP {
			t.Errorf("got %v", self)
		}
		if err := os.RemoveAll(root); err != nil {
			t.Fatal(err)
		}
		time.Sleep(tryEvery) // of the bubble
		if self := e.describer.status(); self.Health != logscribev1.ScribeStatus_HEALTH_FAILING || self.Trouble == "" || self.VolumeTotal == 0 {
			t.Errorf("got %v", self)
		}
		cancel()
		if err := <-done; err != nil {
			t.Logf("it ended with %v", err)
		}
	})
}
