package agent

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/logscribe/logscribe/agent/line"
	"github.com/logscribe/logscribe/internal/reports"
	"github.com/logscribe/logscribe/internal/size"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"github.com/logscribe/logscribe/spool"
)

// An agent tells the mediator or Scribe that it is connected to how it does, every few seconds. Nothing waits for that, and
// if nobody takes the report, nothing is lost with it.

const (
	reportTimeout = 2 * time.Second
	// firstPause is that behind the first report: an agent that has just been started is looked at.
	firstPause = time.Second
	// lastReportTimeout bounds how much longer a stop may take because of the last report.
	lastReportTimeout = 250 * time.Millisecond
	// reportAgain is the pause after a mediator has said that it takes no reports; another release may run there later.
	reportAgain = time.Minute
	// reportShare is the ratio of the pauses to the time that it takes to make a report, which grows with the number of logs; but
	// none is longer than longestPause for that, so that nobody takes the agent for silent.
	reportShare  = 500
	longestPause = 15 * time.Second
	// mostWaiting is how many logs a report names.
	mostWaiting = 10
)

// report reports until ctx ends, and then once more.
func (a *Agent) report(ctx context.Context) {
	for soon := firstPause; ; soon = min(2*soon, reportAgain) {
		began := time.Now()
		report := a.status()
		took := time.Since(began)
		answer, err := a.sendReport(ctx, report, reportTimeout)
		if err != nil && status.Code(err) != codes.Unimplemented {
			a.logger.Debug("can't tell how this agent does", "error", err)
		}
		select {
		case <-time.After(max(reportPause(answer, err, soon), min(reportShare*took, longestPause))):
			continue
		case <-ctx.Done():
		}
		if a.spool.Err() == nil && a.state() == connectivity.Ready { // else a stop would take longer for nothing
			report := a.status()
			report.Stopped = true
			if _, err := a.sendReport(context.WithoutCancel(ctx), report, lastReportTimeout); err != nil {
				a.logger.Debug("can't tell that this agent stops", "error", err)
			}
		}
		return
	}
}

// reportPause returns how long to wait after a report with that answer; soon is the most that it is shortly after the start.
func reportPause(answer *logscribev1.ReportResponse, err error, soon time.Duration) time.Duration {
	switch {
	case status.Code(err) == codes.Unimplemented:
		return reportAgain
	case err != nil || answer.AgainAfterMs == 0:
		return reports.Every
	}
	return min(soon, max(firstPause, time.Duration(answer.AgainAfterMs)*time.Millisecond))
}

func (a *Agent) sendReport(ctx context.Context, report *logscribev1.ReportRequest, timeout time.Duration) (*logscribev1.ReportResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	a.mu.Lock()
	conn := a.conn
	a.mu.Unlock()
	return logscribev1.NewStatusClient(conn).Report(ctx, report)
}

// status is how the agent does.
func (a *Agent) status() *logscribev1.ReportRequest {
	producer := a.spool.Producer()
	r := &logscribev1.ReportRequest{
		Producer: producer[:], Agent: reports.Name(a.cfg.Name), Software: reports.Name(a.cfg.Software),
		UptimeMs: uint64(time.Since(a.began).Milliseconds()),
		Trouble:  reports.Name(strings.Join(append(a.Ready(), a.Live()...), "; ")),
	}
	if a.cfg.ReloadError != nil {
		r.ReloadError = reports.Name(a.cfg.ReloadError())
	}
	b := a.spool.Brief(mostWaiting)
	if r.BacklogLines = b.Lines; b.Lines > 0 { // blocks leave the file a moment after their receipts came
		r.BacklogBytes, r.BacklogAgeMs = uint64(b.BlockBytes), uint64(a.backlogAge().Milliseconds())
	}
	for _, w := range b.Most {
		r.Backlog = append(r.Backlog, &logscribev1.LogBacklog{Log: w.Log, Lines: w.Lines})
	}
	r.DeliveredLines, r.SpoolUsed = b.SettledLines, uint64(b.UsedBytes)
	if b.FreeBytes != size.Unlimited {
		free := uint64(max(0, b.FreeBytes))
		r.SpoolFree = &free
	}
	a.addSources(r)
	r.Losses = a.losses()
	return r
}

// addSources adds what was read, and what has arrived of it.
func (a *Agent) addSources(r *logscribev1.ReportRequest) {
	add := func(lines, bytes int64, rules line.Counts) {
		r.ReadLines += uint64(lines + rules.NotIncluded + rules.Excluded)
		r.ReadBytes += uint64(bytes)
	}
	if a.stdin != nil {
		st := a.stdin.Stats()
		add(st.Lines, st.Bytes, a.stdin.Filtered())
	}
	if !a.isPrepared() {
		return
	}
	r.DeliveredBytes = a.shipper.Stats().ShippedBytes
	if a.tail != nil {
		st := a.tail.Stats()
		add(st.Lines, st.Bytes, sum(a.tail.Filtered()))
		r.Files, r.UnreadableFiles = uint64(st.Tailed), uint64(st.Unreadable)
	}
}

// losses are the lines that will not be delivered, by reason.
func (a *Agent) losses() (losses []*logscribev1.Loss) {
	sums := a.spool.LossSums()
	for _, reason := range spool.Reasons {
		if sum := sums[reason]; reason.Lost() && sum.Times > 0 {
			losses = append(losses, &logscribev1.Loss{Reason: string(reason), Lines: sum.Lines, Bytes: sum.Bytes, Times: sum.Times})
		}
	}
	return losses
}
