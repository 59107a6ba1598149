package mediator

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

// fakeStatus is the Status service of a fakeScribe.
type fakeStatus struct {
	logscribev1.UnimplementedStatusServer
	f *fakeScribe
}

func (s fakeStatus) Describe(_ *logscribev1.DescribeRequest, stream logscribev1.Status_DescribeServer) error {
	s.f.pause()
	self := &logscribev1.ScribeStatus{Id: s.f.id, Address: "elsewhere:1", Health: logscribev1.ScribeStatus_HEALTH_UP, UptimeMs: 5000, Lines: 7}
	if err := stream.Send(&logscribev1.DescribeResponse{About: &logscribev1.DescribeResponse_Scribe{Scribe: self}}); err != nil {
		return err
	}
	agent := &logscribev1.AgentStatus{Report: &logscribev1.ReportRequest{Agent: "agent of " + s.f.id}}
	return stream.Send(&logscribev1.DescribeResponse{About: &logscribev1.DescribeResponse_Agent{Agent: agent}})
}

func (s fakeStatus) Logs(_ *logscribev1.LogsRequest, stream logscribev1.Status_LogsServer) error {
	s.f.mu.Lock()
	logs := slices.Clone(s.f.listed)
	s.f.mu.Unlock()
	for _, log := range logs {
		s.f.pause()
		part := &logscribev1.LogsResponse{Scribe: s.f.id, UptimeMs: 5000, Logs: []*logscribev1.LogStatus{{Log: log, Size: 10, Epoch: 99}}}
		if err := stream.Send(part); err != nil {
			return err
		}
	}
	return nil
}

// described asks the mediator, and returns what it says of itself, of Scribes by id, and of agents by name.
func (h *harness) described() (m *logscribev1.MediatorStatus, scribes map[string]*logscribev1.ScribeStatus, agents map[string]*logscribev1.AgentStatus) {
	h.t.Helper()
	scribes, agents = map[string]*logscribev1.ScribeStatus{}, map[string]*logscribev1.AgentStatus{}
	stream, err := logscribev1.NewStatusClient(h.conn).Describe(h.t.Context(), &logscribev1.DescribeRequest{})
	for err == nil {
		var part *logscribev1.DescribeResponse
		if part, err = stream.Recv(); err != nil {
			break
		}
		if part.GetMediator() != nil {
			m = part.GetMediator()
		}
		if s := part.GetScribe(); s != nil {
			scribes[s.Id] = s
		}
		if a := part.GetAgent(); a != nil {
			agents[a.Report.Agent] = a
		}
	}
	if !errors.Is(err, io.EOF) {
		h.t.Fatal(err)
	}
	return m, scribes, agents
}

// TestDescribe: whoever does not answer is told of all the same, and holds nobody up for long.
func TestDescribe(t *testing.T) {
	h := startMediator(t, Config{Software: "v9", HealthInterval: time.Hour, ReloadError: func() string { return "bad key\xfc" }})
	up, hung, old, dead := startScribe(t, "up"), startScribe(t, "hung"), startOldScribe(t, "old"), startScribe(t, "dead")
	h.register(up, hung, old, dead)
	for _, id := range []string{"up", "hung", "old", "dead"} {
		h.waitUp(id, true)
	}
	log := h.logOf("up")
	if _, err := logscribev1.NewStatusClient(h.conn).Report(t.Context(), &logscribev1.ReportRequest{Producer: producer, Agent: "web-1", ReadLines: 3}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.client.Log(t.Context(), &logscribev1.LogRequest{Log: log, Lines: []byte("line")}); err != nil {
		t.Fatal(err)
	}
	hung.hang()
	dead.kill()
	h.waitUp("dead", true)

	began := time.Now()
	m, scribes, agents := h.described()
	if took := time.Since(began); took > 2*askTimeout {
		t.Errorf("it took %v", took)
	}
	if m.Software != "v9" || m.Calls != 1 || m.Logs != uint64(h.Stats().Logs) || m.Logs == 0 || m.ReloadError != "bad key?" {
		t.Errorf("mediator: %v", m)
	}
	if s := scribes["up"]; s.Health != logscribev1.ScribeStatus_HEALTH_UP || s.Lines != 7 || s.Address != up.addr || s.OwnedLogs == 0 || s.Software != "test" {
		t.Errorf("up: %v", s)
	}
	if s := scribes["hung"]; s.Health != logscribev1.ScribeStatus_HEALTH_SILENT || s.Trouble != "it does not answer" || s.Address != hung.addr {
		t.Errorf("hung: %v", s)
	}
	if s := scribes["old"]; s.Health != logscribev1.ScribeStatus_HEALTH_SILENT || s.Trouble != "its release can't tell how it does" || s.Software != "test" {
		t.Errorf("old: %v", s)
	}
	if s := scribes["dead"]; s.Health == logscribev1.ScribeStatus_HEALTH_UP || !strings.Contains(s.Trouble, "refused") {
		t.Errorf("dead: %v", s)
	}
	if len(agents) != 2 || agents["web-1"].Report.ReadLines != 3 || agents["agent of up"] == nil {
		t.Errorf("agents: %v", agents)
	}

	// The question has made the mediator look: it knows now that one is down, and since when.
	h.waitUp("dead", false)
	time.Sleep(2 * time.Millisecond)
	_, scribes, _ = h.described()
	if s := scribes["dead"]; s.Health != logscribev1.ScribeStatus_HEALTH_DOWN || s.DownMs == 0 || s.DownMs > 60_000 || !strings.Contains(s.Trouble, "refused") {
		t.Errorf("dead: %v", s)
	}
	if _, err := logscribev1.NewStatusClient(h.conn).Report(t.Context(), &logscribev1.ReportRequest{}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a report without a producer: %v", err)
	}
}

// listed asks the mediator for logs, and returns them by name.
func (h *harness) listed(request *logscribev1.LogsRequest) map[string]*logscribev1.LogStatus {
	h.t.Helper()
	all := map[string]*logscribev1.LogStatus{}
	stream, err := logscribev1.NewStatusClient(h.conn).Logs(h.t.Context(), request)
	for err == nil {
		var part *logscribev1.LogsResponse
		if part, err = stream.Recv(); err != nil {
			break
		}
		for _, l := range part.Logs {
			if all[l.Log] != nil {
				h.t.Errorf("%s comes twice", l.Log)
			}
			if (part.Scribe == "") != (l.Size == 0) {
				h.t.Errorf("%s is told of by %q", l.Log, part.Scribe)
			}
			all[l.Log] = l
		}
	}
	if !errors.Is(err, io.EOF) {
		h.t.Fatal(err)
	}
	return all
}

// TestFewListAllLogsAtOnce: each list takes memory for all of them.
func TestFewListAllLogsAtOnce(t *testing.T) {
	h := startMediator(t, Config{HealthInterval: time.Hour})
	a := startScribe(t, "a")
	h.register(a)
	h.waitUp("a", true)
	log := h.logOf("a")
	a.set(func() { a.listed = []string{log} })
	h.Mediator.describer.listings.Store(maxListings)
	stream, err := logscribev1.NewStatusClient(h.conn).Logs(t.Context(), &logscribev1.LogsRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("got %v", err)
	}
	if some := h.listed(&logscribev1.LogsRequest{ActiveWithinMs: 1000}); len(some) != 1 {
		t.Errorf("got %v", some)
	}
	h.Mediator.describer.listings.Store(maxListings - 1)
	for range 2 {
		if all := h.listed(&logscribev1.LogsRequest{}); all[log] == nil {
			t.Errorf("got %v", all)
		}
	}
}

// TestLogsHaveOneOwner: each log is told of once, by its owner, or by the mediator if that one does not answer.
func TestLogsHaveOneOwner(t *testing.T) {
	h := startMediator(t, Config{HealthInterval: time.Hour})
	a, b := startScribe(t, "a"), startScribe(t, "b")
	h.register(a, b)
	h.waitUp("a", true)
	h.waitUp("b", true)
	ofA, ofB := h.logOf("a"), h.logOf("b")
	a.set(func() { a.listed = []string{ofA, ofB, "nobody/knows", ofA} }) // it was the owner of ofB once
	b.set(func() { b.listed = []string{ofB} })
	all := h.listed(&logscribev1.LogsRequest{})
	if l := all[ofA]; l == nil || l.Owner != "a" || l.Size != 10 || l.Epoch != 1 {
		t.Errorf("got %v", l)
	}
	if l := all[ofB]; l == nil || l.Owner != "b" || l.Size != 10 {
		t.Errorf("got %v", l)
	}
	if n := h.Stats().Logs; len(all) != n || all["nobody/knows"] != nil {
		t.Errorf("%d logs of %d", len(all), n)
	}
	if some := h.listed(&logscribev1.LogsRequest{Match: ofA}); len(some) != 1 || some[ofA] == nil {
		t.Errorf("got %v", some)
	}
	if some := h.listed(&logscribev1.LogsRequest{ActiveWithinMs: 1000}); len(some) != 2 {
		t.Errorf("got %v", some)
	}
	b.hang()
	began := time.Now()
	if l := h.listed(&logscribev1.LogsRequest{})[ofB]; l == nil || l.Owner != "b" || l.Size != 0 {
		t.Errorf("got %v", l)
	}
	if took := time.Since(began); took > 2*askTimeout {
		t.Errorf("it took %v", took)
	}
	stream, err := logscribev1.NewStatusClient(h.conn).Logs(context.Background(), &logscribev1.LogsRequest{Match: "[a"})
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("got %v", err)
	}
}
