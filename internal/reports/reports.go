// Package reports remembers what agents have told of themselves, for those who look.
//
// # Invariants
//
//   - What it holds is bounded in number, size and time, whoever reports.
//   - Nothing of it is on disk, and no line waits for it.
package reports

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/logscribe/logscribe/internal/block"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

const (
	// Every is the time between two reports of an agent.
	Every = 5 * time.Second
	// keep is how long an agent is remembered that has not reported again.
	keep = 10 * time.Minute
	// maxAgents bounds the agents that are remembered. Of more, a tenth is forgotten, that which was heard of longest ago.
	maxAgents = 4096
	// maxSize bounds one report, in bytes.
	maxSize = 16 << 10
)

// Reports are what agents have reported. The zero value is empty; all methods are safe for concurrent use.
type Reports struct {
	// Now is the clock; nil is time.Now. It is set before the first use.
	Now func() time.Time

	mu      sync.Mutex
	agents  map[block.Producer]agent
	sweptAt time.Time
}

type agent struct {
	last, before *logscribev1.ReportRequest // before is nil after the first
	heard        time.Time
}

// Take remembers a report, and returns the answer to it. The error is a status.
func (r *Reports) Take(report *logscribev1.ReportRequest) (*logscribev1.ReportResponse, error) {
	if size := proto.Size(report); size > maxSize {
		return nil, status.Errorf(codes.InvalidArgument, "a report of %d bytes, %d are allowed", size, maxSize)
	}
	if len(report.Producer) != len(block.Producer{}) {
		return nil, status.Errorf(codes.InvalidArgument, "the producer has %d bytes, a UUID has %d", len(report.Producer), len(block.Producer{}))
	}
	producer, now := block.Producer(report.Producer), r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.agents == nil {
		r.agents = map[block.Producer]agent{}
	}
	a := agent{last: report, heard: now}
	if old, ok := r.agents[producer]; ok && report.UptimeMs > old.last.UptimeMs { // else it has begun anew
		a.before = counts(old.last)
	}
	r.agents[producer] = a
	r.sweepLocked(now)
	return &logscribev1.ReportResponse{AgainAfterMs: uint32(Every.Milliseconds())}, nil
}

// counts returns what of a report counts.
func counts(r *logscribev1.ReportRequest) *logscribev1.ReportRequest {
	return &logscribev1.ReportRequest{
		UptimeMs: r.UptimeMs, ReadLines: r.ReadLines, ReadBytes: r.ReadBytes, DeliveredLines: r.DeliveredLines, DeliveredBytes: r.DeliveredBytes,
	}
}

// sweepLocked forgets, now and then, agents that are not heard of any more, and at once those that are too many.
func (r *Reports) sweepLocked(now time.Time) {
	if now.Sub(r.sweptAt) >= keep/10 {
		r.sweptAt = now
		for producer, a := range r.agents {
			if now.Sub(a.heard) >= keep {
				delete(r.agents, producer)
			}
		}
	}
	if len(r.agents) <= maxAgents {
		return
	}
	oldest := slices.SortedFunc(maps.Keys(r.agents), func(a, b block.Producer) int { return r.agents[a].heard.Compare(r.agents[b].heard) })
	for _, producer := range oldest[:maxAgents/10] { // not one alone, or each report of a new agent would look at all
		delete(r.agents, producer)
	}
}

// All returns what is known of each agent, in the order of names. Its messages are shared, and must not be changed.
func (r *Reports) All() []*logscribev1.AgentStatus {
	now := r.now()
	r.mu.Lock()
	var all []*logscribev1.AgentStatus
	for _, a := range r.agents {
		if silent := now.Sub(a.heard); silent < keep {
			all = append(all, &logscribev1.AgentStatus{Report: a.last, Before: a.before, HeardMs: uint64(max(0, silent.Milliseconds()))})
		}
	}
	r.mu.Unlock()
	slices.SortFunc(all, func(a, b *logscribev1.AgentStatus) int {
		return cmp.Or(cmp.Compare(a.Report.Agent, b.Report.Agent), slices.Compare(a.Report.Producer, b.Report.Producer))
	})
	return all
}

func (r *Reports) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

// Name returns the text as a report may have it, in which it is one of many: of a long one only the beginning.
func Name(text string) string { return cut(text, 200) }

// Text is Name for what is told once, as trouble is.
func Text(text string) string { return cut(text, 2000) }

// cut returns what gRPC can send, which refuses all of a message with a text that is no UTF-8. Names, folders and what is
// quoted from files need not be.
func cut(text string, longest int) string {
	text = strings.ToValidUTF8(text, "?")
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "…"
}
