package scribe

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/logscribe/logscribe/internal/logname"
	"github.com/logscribe/logscribe/internal/reports"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"github.com/logscribe/logscribe/scribe/store"
)

// describer is the Status service of a Scribe.
type describer struct {
	logscribev1.UnimplementedStatusServer
	scribe  *Scribe
	began   time.Time
	reports reports.Reports
}

// Describe tells of this Scribe and of the agents that report to it.
func (d *describer) Describe(_ *logscribev1.DescribeRequest, stream grpc.ServerStreamingServer[logscribev1.DescribeResponse]) error {
	self := &logscribev1.DescribeResponse{About: &logscribev1.DescribeResponse_Scribe{Scribe: d.status()}}
	if err := stream.Send(self); err != nil {
		return err
	}
	for _, a := range d.reports.All() {
		if err := stream.Send(&logscribev1.DescribeResponse{About: &logscribev1.DescribeResponse_Agent{Agent: a}}); err != nil {
			return err
		}
	}
	return nil
}

// status is how the Scribe does. It takes a second at most, which is how long the disk may take to answer.
func (d *describer) status() *logscribev1.ScribeStatus {
	s, r := d.scribe, &d.scribe.received
	st := s.store.Stats()
	self := &logscribev1.ScribeStatus{
		Id: s.id, Address: s.advertised(), Software: s.cfg.Software, Health: logscribev1.ScribeStatus_HEALTH_UP,
		UptimeMs: d.uptime(), Root: reports.Text(s.root),
		Streams: uint64(r.streams.Load()), StreamsOpen: uint64(max(0, r.open.Load())), Calls: uint64(r.calls.Load()), Blocks: uint64(r.blocks.Load()),
		Logs: uint64(s.store.Known()), Lines: uint64(st.CommittedLines), Bytes: uint64(st.CommittedBytes), ReloadError: d.reloadError(),
	}
	if wrong := append(s.Ready(), s.Live()...); len(wrong) > 0 {
		self.Health, self.Trouble = logscribev1.ScribeStatus_HEALTH_FAILING, reports.Text(strings.Join(wrong, "; "))
	}
	if disk := s.diskSeen.Load(); disk != nil {
		self.VolumeFree, self.VolumeTotal = uint64(disk.free), uint64(disk.total)
	}
	return self
}

func (d *describer) reloadError() string {
	if d.scribe.cfg.ReloadError == nil {
		return ""
	}
	return reports.Text(d.scribe.cfg.ReloadError())
}

func (d *describer) uptime() uint64 { return uint64(time.Since(d.began).Milliseconds()) }

// Logs tells of the logs in the ledger.
func (d *describer) Logs(request *logscribev1.LogsRequest, stream grpc.ServerStreamingServer[logscribev1.LogsResponse]) error {
	match, err := logname.Matcher(request.Match)
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	send := func(part []store.LogStats) error {
		now := time.Now()
		response := &logscribev1.LogsResponse{Scribe: d.scribe.id, UptimeMs: d.uptime()}
		for _, l := range part {
			told := &logscribev1.LogStatus{
				Log: l.Name, Epoch: l.Epoch, Size: uint64(l.Size), Lines: uint64(l.Lines), Bytes: uint64(l.Bytes), Trouble: reports.Name(l.Trouble),
			}
			if !l.Written.IsZero() {
				told.WrittenMs = uint64(max(1, now.Sub(l.Written).Milliseconds())) // 0 is never
			}
			response.Logs = append(response.Logs, told)
		}
		return stream.Send(response)
	}
	if within := time.Duration(request.ActiveWithinMs) * time.Millisecond; within > 0 {
		return statusOf(d.scribe.store.EachActive(time.Now().Add(-within), match, send))
	}
	return statusOf(d.scribe.store.EachLog(match, send))
}

// Report remembers how an agent does.
func (d *describer) Report(_ context.Context, report *logscribev1.ReportRequest) (*logscribev1.ReportResponse, error) {
	return d.reports.Take(report)
}
