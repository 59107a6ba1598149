package main

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

// expect compares text, and holds its lines against the width.
func expect(t *testing.T, lines []string, want string, width int) {
	t.Helper()
	if got := strings.Join(lines, "\n") + "\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, line := range lines {
		if n := utf8.RuneCountInString(line); n > width {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// samples are two looks at a mediator with Scribes and agents in every state, ten seconds apart.
func samples() (before, now *sample) {
	up, failing := logscribev1.ScribeStatus_HEALTH_UP, logscribev1.ScribeStatus_HEALTH_FAILING
	silent, down := logscribev1.ScribeStatus_HEALTH_SILENT, logscribev1.ScribeStatus_HEALTH_DOWN
	before = &sample{
		mediators: []*mediatorSample{{"logs.example.com:8000", &logscribev1.MediatorStatus{UptimeMs: 200_000_000, Streams: 900, Calls: 100, Bytes: 5_000_000}}},
		scribes: map[string]*logscribev1.ScribeStatus{
			"store-1-3f2a9c1d": {UptimeMs: 90_000_000, Streams: 1000, Calls: 50, Lines: 1_000_000, Bytes: 120_000_000},
			"store-2-77aa12cd": {UptimeMs: 90_000_000},
		},
	}
	now = &sample{
		mediators: []*mediatorSample{{"logs.example.com:8000", &logscribev1.MediatorStatus{
			Software: "v1.4.0", UptimeMs: 200_010_000, Logs: 1204, Streams: 1000, Calls: 121, Bytes: 17_300_000, Failovers: 3,
		}}},
		scribes: map[string]*logscribev1.ScribeStatus{},
		agents:  map[string]*logscribev1.AgentStatus{},
	}
	for _, s := range []*logscribev1.ScribeStatus{
		{
			Id: "store-1-3f2a9c1d", Address: "10.20.30.41:8080", Health: up, UptimeMs: 90_010_000, OwnedLogs: 604, VolumeFree: 61_000_000_000,
			VolumeTotal: 100_000_000_000, Streams: 1100, Calls: 52, Lines: 1_123_400, Bytes: 132_345_678, Software: "v1.4.0",
		},
		{
			Id: "store-2-77aa12cd", Address: "10.20.30.42:8080", Health: failing, UptimeMs: 60_000, OwnedLogs: 300, VolumeTotal: 2_000_000_000_000,
			Trouble: "can't write below /var/log/scribe: no space left on device", Software: "v1.4.0", ReloadError: "scribe.toml:3: unknown key \"sise\"",
		},
		{Id: "store-3-0badcafe", Address: "a-host-with-a-long-name.example.com:8080", Health: silent, OwnedLogs: 250, Trouble: "it does not answer", Software: "v1.3.9"},
		{
			Id: "store-4-0000aaaa", Address: "10.20.30.44:8080", Health: down, DownMs: 133_000, OwnedLogs: 50, Software: "v1.3.9",
			Trouble: `health check: rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp 10.20.30.44:8080: connect: connection refused"`,
		},
	} {
		now.scribes[s.Id] = s
	}
	for i, a := range []*logscribev1.AgentStatus{
		{
			HeardMs: 1200, Before: &logscribev1.ReportRequest{UptimeMs: 3_600_000, ReadLines: 5000, DeliveredLines: 1000},
			Report: &logscribev1.ReportRequest{
				Agent: "web-1", UptimeMs: 3_605_000, ReadLines: 50_000, DeliveredLines: 6_000, BacklogLines: 44_000, BacklogBytes: 2_345_678, BacklogAgeMs: 754_000,
				Files: 12, UnreadableFiles: 1, Losses: []*logscribev1.Loss{{Reason: "spool_full", Lines: 120}, {Reason: "truncated", Lines: 3, Bytes: 4100}, {Reason: "compressed", Times: 2}},
				Backlog: []*logscribev1.LogBacklog{{Log: "web/access", Lines: 44_000}},
			},
		},
		{HeardMs: 125_000, Report: &logscribev1.ReportRequest{Agent: "web-2.eu-central-1.compute.example.com", UptimeMs: 600_000, BacklogLines: 7, BacklogAgeMs: 900}},
		{HeardMs: 4_000, Report: &logscribev1.ReportRequest{Agent: "batch\x1b[2J", UptimeMs: 800, Stopped: true, Losses: []*logscribev1.Loss{{Reason: "spool_lost", Times: 1}}}},
		{HeardMs: 100, Report: &logscribev1.ReportRequest{Agent: "web-3", UptimeMs: 800, Trouble: "the spool's disk takes no lines: it is full, or fails"}},
	} {
		now.agents[string(rune('a'+i))] = a
	}
	return before, now
}

func TestStatusFitsTerminal(t *testing.T) {
	before, now := samples()
	now.unreached = []unreached{{"other.example.com:8000", "no answer within 5s"}}
	expect(t, now.overview(before, time.Time{}).lines(80), `MEDIATOR               VERSION    UP  LOGS  FAILOVERS  REQ/s      RATE
logs.example.com:8000  v1.4.0   2d7h  1204          3     12  1.23MB/s

SCRIBE            HEALTH      ADDRESS                FREE  LOGS  REQ/s      RATE
store-1-3f2a9c1d  up 1d1h     10.20.30.41:8080   61GB 61%   604     10  1.23MB/s
store-2-77aa12cd  FAILING     10.20.30.42:8080      0B 0%   300      -         -
  can't write below /var/log/scribe: no space left on device
  goes by older settings, as the last reload failed: scribe.toml:3: unknown key
  "sise"
store-3-0badcafe  SILENT      a-host-w…com:8080         -   250      -         -
  it does not answer
store-4-0000aaaa  DOWN 2m13s  10.20.30.44:8080          -    50      -         -
  health check: dial tcp 10.20.30.44:8080: connect: connection refused

AGENT                 STATE        WAITING   BYTES     LAG  READ/s  SENT/s  LOST
batch?[2J             stopped 4s         0      0B       -       -       -  some
  not delivered: spool_lost 1 times, it is not known how much
web-1                 up 1h          44000  2.35MB  12m34s   9.00k   1.00k   123
  1 of 12 files can't be read
  not delivered: spool_full 120 lines, truncated 3 lines 4.10KB, compressed 2
  times, it is not known how much
web-2.eu-…xample.com  SILENT 2m5s        7      0B   900ms       -       -     0
web-3                 TROUBLE            0      0B       -       -       -     0
  the spool's disk takes no lines: it is full, or fails

not reached: other.example.com:8000
  no answer within 5s
`, 80)
}

func TestHuman(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0B", 999: "999B", 1000: "1.00KB", 1999: "2.00KB", 12_345: "12.3KB", 999_499: "999KB", 999_500: "1.00MB", 2_345_678: "2.35MB", 5_000_000_000_000: "5.00TB",
	} {
		if got := sizeText(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0ms", 999 * time.Millisecond: "999ms", time.Second: "1s", 59 * time.Second: "59s", time.Minute: "1m", 61 * time.Second: "1m1s",
		time.Hour: "1h", 3*time.Hour + 59*time.Second: "3h", 3*time.Hour + 5*time.Minute: "3h5m", 76 * time.Hour: "3d4h", 400 * 24 * time.Hour: "400d",
	} {
		if got := age(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
	for n, want := range map[uint64]string{0: "0", 99_999: "99999", 100_000: "100k", 1_234_567: "1.23M"} {
		if got := number(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for rate, want := range map[float64]string{0: "0", 0.44: "0.4", 3: "3", 9.94: "9.9", 9.96: "10", 1234: "1.23k"} {
		if got := perSecond(&rate, ""); got != want {
			t.Errorf("%v: %s, want %s", rate, got, want)
		}
	}
}

// TestRates: a rate comes from one run of a program, or there is none.
func TestRates(t *testing.T) {
	for _, tc := range []struct {
		before, now, uptimeBefore, uptime uint64
		want                              string
	}{
		{100, 300, 1000, 3000, "100"},
		{100, 100, 1000, 3000, "0"},
		{100, 50, 1000, 3000, none}, // it has lost counts: another run
		{100, 300, 3000, 1000, none},
		{0, 300, 0, 3000, none}, // it was not asked before
	} {
		if got := perSecond(rate(tc.before, tc.now, tc.uptimeBefore, tc.uptime), ""); got != tc.want {
			t.Errorf("%+v: %s", tc, got)
		}
	}
}

// TestBestAnswerCounts: several mediators may know a Scribe and an agent.
func TestBestAnswerCounts(t *testing.T) {
	s := &sample{scribes: map[string]*logscribev1.ScribeStatus{}, agents: map[string]*logscribev1.AgentStatus{}}
	by := &peer{address: "10.0.0.1:8080"}
	for _, h := range []logscribev1.ScribeStatus_Health{
		logscribev1.ScribeStatus_HEALTH_DOWN, logscribev1.ScribeStatus_HEALTH_UP, logscribev1.ScribeStatus_HEALTH_SILENT, logscribev1.ScribeStatus_HEALTH_UNKNOWN,
	} {
		s.addScribe(&logscribev1.ScribeStatus{Id: "a", Health: h, Address: ":8080"}, by)
	}
	s.addScribe(nil, by)
	if got := s.scribes["a"]; got.Health != logscribev1.ScribeStatus_HEALTH_UP || got.Address != "10.0.0.1:8080" {
		t.Errorf("got %v", got)
	}
	for _, heard := range []uint64{500, 100, 300} {
		s.addAgent(&logscribev1.AgentStatus{HeardMs: heard, Report: &logscribev1.ReportRequest{Producer: []byte("p")}})
	}
	s.addAgent(&logscribev1.AgentStatus{})
	if len(s.agents) != 1 || s.agents["p"].HeardMs != 100 {
		t.Errorf("got %v", s.agents)
	}
}

// look is what a watch is told at one time.
func look(uptime uint64, logs ...*logscribev1.LogStatus) (map[string]*watched, map[string]uint64) {
	now := map[string]*watched{}
	for _, l := range logs {
		now[l.Log] = &watched{LogStatus: proto.Clone(l).(*logscribev1.LogStatus), scribe: "s", uptime: uptime}
	}
	return now, map[string]uint64{"s": uptime}
}

// TestWatchOfActiveLogs: a log that is not told of any more was not written to.
func TestWatchOfActiveLogs(t *testing.T) {
	w := &watch{}
	take := func(all bool, uptime uint64, logs ...*logscribev1.LogStatus) {
		now, uptimes := look(uptime, logs...)
		w.take(now, all, uptimes)
	}
	rates := func() (text string) {
		for _, l := range w.lines("name", nil) {
			text += l.Log + " " + perSecond(l.ByteRate, "") + "; "
		}
		return text
	}
	a, b := &logscribev1.LogStatus{Log: "a", Bytes: 100}, &logscribev1.LogStatus{Log: "b", Bytes: 100}
	take(true, 1000, a, b)
	if got := rates(); got != "a -; b -; " {
		t.Error(got)
	}
	a.Bytes = 300
	take(false, 2000, a)
	if got := rates(); got != "a 200; b -; " {
		t.Error(got)
	}
	b.Bytes = 400
	take(false, 4000, b)
	if got := rates(); got != "a 0; b 100; " { // b since it was last told of
		t.Error(got)
	}
	take(true, 5000, a)
	if got := rates(); got != "a 0; " {
		t.Error(got)
	}
	a.Bytes = 10
	take(true, 500, a) // the Scribe was restarted
	if got := rates(); got != "a -; " {
		t.Error(got)
	}
}

func TestLogOrders(t *testing.T) {
	f := func(n float64) *float64 { return &n }
	u := func(n uint64) *uint64 { return &n }
	lines := []logLine{
		{Log: "a", Size: u(1), Waiting: 3}, {Log: "b", ByteRate: f(1), Written: f(9)}, {Log: "c", ByteRate: f(2), Size: u(5), Written: f(3), Waiting: 4}, {Log: "d"},
	}
	for order, want := range map[string]string{"name": "abcd", "rate": "cbad", "size": "cabd", "waiting": "cabd", "written": "cbad"} {
		sortLogs(lines, order)
		var got string
		for _, l := range lines {
			got += l.Log
		}
		if got != want {
			t.Errorf("%s: %s, want %s", order, got, want)
		}
	}
	if len(sortings) != 5 {
		t.Error("an order is not tested")
	}
}

func TestLogsFitTerminal(t *testing.T) {
	_, now := samples()
	w := &watch{}
	for i, l := range []*logscribev1.LogStatus{
		{Log: "web/access", Owner: "store-1-3f2a9c1d", Epoch: 1, Size: 712_345, Lines: 900, Bytes: 120_000, WrittenMs: 12},
		{Log: "a/very/long/name/of/a/log/that/does/not/fit/into/a/line", Owner: "store-2-77aa12cd", Epoch: 12, Size: 12, Trouble: "no space left on device"},
	} {
		told, _ := look(5000, l)
		w.take(told, i == 0, map[string]uint64{})
	}
	w.logs["web/access"].before = &watched{LogStatus: &logscribev1.LogStatus{}, uptime: 3000}
	w.logs["gone"] = &watched{LogStatus: &logscribev1.LogStatus{Log: "gone", Owner: "store-4-0000aaaa", Epoch: 3}}
	list := &logList{Found: 4, Logs: w.lines("name", now.overview(nil, time.Time{}).Agents)}
	expect(t, list.lines(80), `LOG            OWNER           EPOCH   FILE  LINES/s      RATE  WAITING  WRITTEN
a/very…a/line  store-…7aa12cd     12    12B        -         -        0        -
  no space left on device
gone           store-…000aaaa      3      -        -         -        0        -
web/access     store-…f2a9c1d      1  712KB      450  60.0KB/s    44000     12ms
… and 1 more
`, 80)
	expect(t, (&logList{}).lines(80), "no log matches, or none was written to yet\n", 80)
}

// TestTopFitsTerminal: nothing is wider or longer than the terminal, whatever its size; what is most important stays.
func TestTopFitsTerminal(t *testing.T) {
	before, now := samples()
	view := &topView{overview: *now.overview(before, time.Time{}), Error: "no mediator or Scribe answers"}
	for n := range 1000 {
		view.Logs = append(view.Logs, logLine{Log: strings.Repeat("x", n), Owner: "store-1"})
	}
	for _, rows := range []int{10, 24, 50, 200} {
		lines := view.lines("12:00:00  a:1", 80, rows)
		if len(lines) > rows || rows >= 50 && len(lines) < rows {
			t.Errorf("%d lines of %d", len(lines), rows)
		}
		for _, line := range lines {
			if n := utf8.RuneCountInString(strings.NewReplacer(bold, "", normal, "").Replace(line)); n > 80 {
				t.Errorf("%d columns: %s", n, line)
			}
		}
		text := strings.Join(lines, "\n")
		for _, want := range []string{"no mediator or Scribe answers", "MEDIATOR", "SCRIBE"} {
			if !strings.Contains(text, want) {
				t.Errorf("%d rows lack %s:\n%s", rows, want, text)
			}
		}
		if rows >= 24 && (!strings.Contains(text, "AGENT") || !strings.Contains(text, "\nLOG") && !strings.Contains(text, bold+"LOG")) {
			t.Errorf("%d rows lack tables:\n%s", rows, text)
		}
	}
}
