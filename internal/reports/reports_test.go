package reports

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

func report(n int, uptime time.Duration, read uint64) *logscribev1.ReportRequest {
	producer := make([]byte, 16)
	binary.BigEndian.PutUint64(producer, uint64(n))
	return &logscribev1.ReportRequest{Producer: producer, Agent: fmt.Sprintf("web-%04d", n), UptimeMs: uint64(uptime.Milliseconds()), ReadLines: read}
}

func take(t *testing.T, r *Reports, report *logscribev1.ReportRequest) {
	t.Helper()
	if answer, err := r.Take(report); err != nil || answer.AgainAfterMs != 5000 {
		t.Fatalf("got %v, %v", answer, err)
	}
}

func TestLastReportCounts(t *testing.T) {
	c := &clock{time.Now()}
	r := &Reports{Now: c.now}
	take(t, r, report(2, time.Second, 10))
	take(t, r, report(1, time.Second, 1))
	c.Time = c.Add(5 * time.Second)
	take(t, r, report(2, 6*time.Second, 60))
	c.Time = c.Add(time.Second)
	all := r.All()
	if len(all) != 2 || all[0].Report.Agent != "web-0001" || all[0].Before != nil || all[0].HeardMs != 6000 {
		t.Errorf("got %v", all)
	}
	if b := all[1].Before; all[1].Report.ReadLines != 60 || b.GetReadLines() != 10 || b.GetUptimeMs() != 1000 || all[1].HeardMs != 1000 {
		t.Errorf("got %v", all[1])
	}
	take(t, r, report(2, time.Second, 3)) // it was restarted
	if a := r.All()[1]; a.Before != nil || a.Report.ReadLines != 3 {
		t.Errorf("got %v", a)
	}
}

func TestSilentAgentsAreForgotten(t *testing.T) {
	c := &clock{time.Now()}
	r := &Reports{Now: c.now}
	take(t, r, report(1, 0, 0))
	c.Time = c.Add(keep - time.Second)
	if n := len(r.All()); n != 1 {
		t.Errorf("%d agents are known", n)
	}
	c.Time = c.Add(time.Second)
	if n := len(r.All()); n != 0 {
		t.Errorf("%d agents are known", n)
	}
	take(t, r, report(2, 0, 0))
	if n := len(r.agents); n != 1 {
		t.Errorf("%d agents are held", n)
	}
}

func TestOldestOfTooManyIsForgotten(t *testing.T) {
	c := &clock{time.Now()}
	r := &Reports{Now: c.now}
	for n := range maxAgents + 10 {
		c.Time = c.Add(time.Millisecond)
		take(t, r, report(n, 0, 0))
	}
	all := r.All()
	if forgotten := maxAgents / 10; len(all) != maxAgents+10-forgotten || all[0].Report.Agent != fmt.Sprintf("web-%04d", forgotten) {
		t.Errorf("%d agents are known, the first is %s", len(all), all[0].Report.Agent)
	}
}

func TestRefusedReports(t *testing.T) {
	r := &Reports{}
	long := report(1, 0, 0)
	long.Trouble = strings.Repeat("x", maxSize)
	for _, bad := range []*logscribev1.ReportRequest{{}, {Producer: []byte("short")}, long} {
		if _, err := r.Take(bad); status.Code(err) != codes.InvalidArgument {
			t.Errorf("got %v", err)
		}
	}
	if all := r.All(); len(all) != 0 {
		t.Errorf("got %v", all)
	}
	if got := Text("/srv/b\xfccher"); got != "/srv/b?cher" {
		t.Errorf("got %q", got)
	}
	if name := Name("x" + strings.Repeat("ä", 300)); len(name) > 210 || !utf8.ValidString(name) {
		t.Errorf("got %q", name)
	}
}
