package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"sync"
	"time"

	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

// logLine is one log, as -o json prints it.
type logLine struct {
	Log      string   `json:"log"`
	Owner    string   `json:"owner"` // or the Scribe that has it, where there is no mediator
	Epoch    uint64   `json:"epoch"`
	Size     *uint64  `json:"active_file_bytes,omitempty"` // missing if the owner does not answer
	Lines    uint64   `json:"lines"`                       // since the Scribe's start
	LineRate *float64 `json:"lines_per_second,omitempty"`
	Bytes    uint64   `json:"bytes"`
	ByteRate *float64 `json:"bytes_per_second,omitempty"`
	Written  *float64 `json:"written_seconds_ago,omitempty"` // missing if nothing was since the Scribe's start
	Waiting  uint64   `json:"waiting_lines"`                 // in those agents in which it is one of the ten with the most
	Trouble  string   `json:"trouble,omitempty"`
}

// watch follows the logs. It lists all of them at first, and later those that were written to, unless they are few or that was
// long ago.
type watch struct {
	peers  peers
	match  string
	logs   map[string]*watched
	listed time.Time // when all were listed
	asked  time.Time // when it last listed some
}

// watched is what is known of a log.
type watched struct {
	*logscribev1.LogStatus
	scribe string    // that told of it
	uptime uint64    // of that Scribe then
	at     time.Time // when
	before *watched  // at the look before, if that is a look at the same run of that Scribe
}

const (
	// listAll is how many logs are listed at each look.
	listAll = 5000
	// listEvery is how old the list of more logs may become.
	listEvery = 30 * time.Second
	// overlap is how much further back than the last look it is asked for what was written.
	overlap = 5 * time.Second
)

// look lists the logs and keeps what was known of them before.
func (w *watch) look(ctx context.Context) ([]unreached, error) {
	began := time.Now()
	all := w.listed.IsZero() || len(w.logs) <= listAll || began.Sub(w.listed) >= listEvery
	request := &logscribev1.LogsRequest{Match: w.match}
	if !all {
		request.ActiveWithinMs = uint64((began.Sub(w.asked) + overlap).Milliseconds())
	}
	now := map[string]*watched{}
	uptimes := map[string]uint64{} // of the Scribes that told something
	var mu sync.Mutex
	missing, err := w.peers.each(ctx, func(ctx context.Context, one *peer, heard func()) error {
		stream, err := one.client.Logs(ctx, request)
		for err == nil {
			var part *logscribev1.LogsResponse
			if part, err = stream.Recv(); err != nil {
				break
			}
			heard()
			mu.Lock()
			for _, told := range part.Logs {
				if told.Owner == "" {
					told.Owner = part.Scribe
				}
				if other := now[told.Log]; other == nil || other.scribe == "" && part.Scribe != "" || other.Epoch < told.Epoch {
					now[told.Log] = &watched{LogStatus: told, scribe: part.Scribe, uptime: part.UptimeMs, at: began}
				}
			}
			uptimes[part.Scribe] = max(uptimes[part.Scribe], part.UptimeMs)
			mu.Unlock()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	})
	if err != nil {
		return missing, err
	}
	w.take(now, all, uptimes)
	w.asked = began
	if all {
		w.listed = began
	}
	return missing, nil
}

// take puts what was told now in the place of what was told before.
func (w *watch) take(now map[string]*watched, all bool, uptimes map[string]uint64) {
	for log, fresh := range now {
		if old := w.logs[log]; old != nil && old.scribe == fresh.scribe && old.uptime < fresh.uptime && old.Bytes <= fresh.Bytes {
			old.before = nil
			fresh.before = old
		}
	}
	if all {
		w.logs = now
		return
	}
	for log, old := range w.logs { // what was not told of was not written to
		if now[log] == nil && old.before != nil && uptimes[old.scribe] > old.uptime {
			old.before = &watched{LogStatus: old.LogStatus, scribe: old.scribe, uptime: old.uptime}
			old.uptime = uptimes[old.scribe]
		}
	}
	for log, fresh := range now {
		w.logs[log] = fresh
	}
}

// lines returns the logs in that order. Agents say what waits.
func (w *watch) lines(order string, agents []agentView) []logLine {
	waiting := map[string]uint64{}
	for _, a := range agents {
		if a.State == "stopped" {
			continue
		}
		for _, l := range a.Waiting {
			waiting[l.Log] += l.Lines
		}
	}
	lines := make([]logLine, 0, len(w.logs))
	for log, l := range w.logs {
		line := logLine{
			Log: log, Owner: l.Owner, Epoch: l.Epoch, Lines: l.Lines, Bytes: l.Bytes, Waiting: waiting[log], Trouble: l.Trouble,
		}
		if l.scribe != "" {
			line.Size = &l.Size
		}
		if l.before != nil {
			line.LineRate = rate(l.before.Lines, l.Lines, l.before.uptime, l.uptime)
			line.ByteRate = rate(l.before.Bytes, l.Bytes, l.before.uptime, l.uptime)
		}
		if l.WrittenMs > 0 {
			ago := seconds(l.WrittenMs) + w.asked.Sub(l.at).Seconds()
			line.Written = &ago
		}
		lines = append(lines, line)
	}
	sortLogs(lines, order)
	return lines
}

// sortings are the orders of logs. All but that by name begin with the largest, or latest.
var sortings = []string{"name", "rate", "size", "waiting", "written"}

func sortLogs(lines []logLine, order string) {
	slices.SortFunc(lines, func(a, b logLine) int {
		by := 0
		switch order {
		case "rate":
			by = cmp.Compare(known(b.ByteRate, 0), known(a.ByteRate, 0))
		case "size":
			by = cmp.Compare(known(b.Size, 0), known(a.Size, 0))
		case "waiting":
			by = cmp.Compare(b.Waiting, a.Waiting)
		case "written":
			by = cmp.Compare(known(a.Written, math.Inf(1)), known(b.Written, math.Inf(1)))
		}
		return cmp.Or(by, cmp.Compare(a.Log, b.Log))
	})
}

// known returns the figure, or the other if it is not known.
func known[N any](figure *N, other N) N {
	if figure == nil {
		return other
	}
	return *figure
}

func logTable(lines []logLine) *table {
	t := &table{columns: []column{
		{title: "LOG", least: 12}, {title: "OWNER", least: 8}, {title: "EPOCH", right: true}, {title: "FILE", right: true}, {title: "LINES/s", right: true},
		{title: "RATE", right: true}, {title: "WAITING", right: true}, {title: "WRITTEN", right: true},
	}}
	for _, l := range lines {
		epoch, size, written := none, none, none
		if l.Size != nil {
			size = sizeText(*l.Size)
		}
		if l.Epoch > 0 {
			epoch = number(l.Epoch)
		}
		if l.Written != nil {
			written = ageOf(*l.Written)
		}
		t.add([]string{
			plain(l.Log), plain(l.Owner), epoch, size, perSecond(l.LineRate, ""), perSecond(l.ByteRate, "B"), number(l.Waiting), written,
		}, notes(l.Trouble, "")...)
	}
	return t
}
