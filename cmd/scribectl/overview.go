package main

import (
	"cmp"
	"encoding/hex"
	"slices"
	"time"

	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

// overview is how all do, as -o json prints it. Times are in seconds, sizes in bytes; a rate that is not known is missing.
// Counts begin with the start of the program that they are of.
type overview struct {
	At        time.Time      `json:"at"`
	Unreached []unreached    `json:"unreached,omitempty"`
	Mediators []mediatorView `json:"mediators"`
	Scribes   []scribeView   `json:"scribes"`
	Agents    []agentView    `json:"agents"`
}

// unreached is one that was asked and did not answer.
type unreached struct {
	Address string `json:"address"`
	Error   string `json:"error"`
}

// notReached is what stands below that which others have told.
func notReached(all []unreached, width int) (lines []string) {
	for _, u := range all {
		lines = append(lines, "", "not reached: "+u.Address)
		lines = append(lines, wrap(u.Error, width)...)
	}
	return lines
}

type mediatorView struct {
	Address     string   `json:"address"`
	Version     string   `json:"version"`
	Uptime      float64  `json:"uptime_seconds"`
	Logs        uint64   `json:"logs"`
	Failovers   uint64   `json:"failovers"`
	Requests    uint64   `json:"requests"` // streams and direct calls
	RequestRate *float64 `json:"requests_per_second,omitempty"`
	Bytes       uint64   `json:"bytes"` // relayed, as they were sent
	ByteRate    *float64 `json:"bytes_per_second,omitempty"`
	ReloadError string   `json:"reload_error,omitempty"`
}

type scribeView struct {
	ID          string   `json:"id"`
	Address     string   `json:"address"`
	Health      string   `json:"health"` // up, failing, silent, down or unknown
	Trouble     string   `json:"trouble,omitempty"`
	Down        float64  `json:"down_seconds,omitempty"`
	Version     string   `json:"version"`
	Uptime      float64  `json:"uptime_seconds"`
	Root        string   `json:"root"`
	VolumeFree  uint64   `json:"volume_free_bytes"`
	VolumeTotal uint64   `json:"volume_total_bytes"`
	Owned       uint64   `json:"owned_logs"`
	Logs        uint64   `json:"logs"` // in its ledger
	Streams     uint64   `json:"open_streams"`
	Requests    uint64   `json:"requests"`
	RequestRate *float64 `json:"requests_per_second,omitempty"`
	Lines       uint64   `json:"lines"` // committed
	LineRate    *float64 `json:"lines_per_second,omitempty"`
	Bytes       uint64   `json:"bytes"`
	ByteRate    *float64 `json:"bytes_per_second,omitempty"`
	ReloadError string   `json:"reload_error,omitempty"`
}

type agentView struct {
	Name          string    `json:"name"`
	Producer      string    `json:"producer"`
	State         string    `json:"state"` // ok, trouble, stopped or silent
	Trouble       string    `json:"trouble,omitempty"`
	Heard         float64   `json:"heard_seconds_ago"`
	Version       string    `json:"version"`
	Uptime        float64   `json:"uptime_seconds"`
	ReadLines     uint64    `json:"read_lines"`
	ReadRate      *float64  `json:"read_lines_per_second,omitempty"`
	ReadBytes     uint64    `json:"read_bytes"`
	Delivered     uint64    `json:"delivered_lines"`
	DeliveredRate *float64  `json:"delivered_lines_per_second,omitempty"`
	Bytes         uint64    `json:"delivered_bytes"`
	ByteRate      *float64  `json:"delivered_bytes_per_second,omitempty"`
	Backlog       uint64    `json:"backlog_lines"`
	BacklogBytes  uint64    `json:"backlog_bytes"`
	Lag           float64   `json:"backlog_age_seconds"`
	Waiting       []waiting `json:"backlog_logs"` // of which the most lines wait
	SpoolUsed     uint64    `json:"spool_used_bytes"`
	SpoolFree     *uint64   `json:"spool_free_bytes,omitempty"` // missing without a limit
	Lost          uint64    `json:"not_delivered_lines"`
	LostBytes     uint64    `json:"not_delivered_bytes"`
	Losses        []loss    `json:"not_delivered"`
	Files         uint64    `json:"files"`
	Unreadable    uint64    `json:"unreadable_files"`
	ReloadError   string    `json:"reload_error,omitempty"`
}

type waiting struct {
	Log   string `json:"log"`
	Lines uint64 `json:"lines"`
}

type loss struct {
	Reason string `json:"reason"`
	Lines  uint64 `json:"lines"`
	Bytes  uint64 `json:"bytes"`
	Times  uint64 `json:"times"` // how often; the lines may be unknown
}

// silentAfter is how long an agent may say nothing. It reports every five seconds, or less often if it has very many logs.
const silentAfter = 30 * time.Second

var healths = map[logscribev1.ScribeStatus_Health]string{
	logscribev1.ScribeStatus_HEALTH_UP: "up", logscribev1.ScribeStatus_HEALTH_FAILING: "failing",
	logscribev1.ScribeStatus_HEALTH_SILENT: "silent", logscribev1.ScribeStatus_HEALTH_DOWN: "down",
}

// rate returns what a count has grown by each second; nil if that can't be told, as there is no earlier count of the same run.
func rate(before, now, uptimeBefore, uptime uint64) *float64 {
	if uptime <= uptimeBefore || now < before || uptimeBefore == 0 {
		return nil
	}
	r := float64(now-before) / seconds(uptime-uptimeBefore)
	return &r
}

// overview puts a sample in order. The one before, which may be nil, tells the rates.
func (s *sample) overview(before *sample, at time.Time) *overview {
	if before == nil {
		before = &sample{}
	}
	o := &overview{At: at, Unreached: s.unreached, Mediators: []mediatorView{}, Scribes: []scribeView{}, Agents: []agentView{}}
	for _, m := range s.mediators {
		was := &logscribev1.MediatorStatus{}
		for _, b := range before.mediators {
			if b.address == m.address {
				was = b.MediatorStatus
			}
		}
		o.Mediators = append(o.Mediators, mediatorOf(m, was))
	}
	for id, told := range s.scribes {
		o.Scribes = append(o.Scribes, scribeOf(told, before.scribes[id]))
	}
	for _, told := range s.agents {
		o.Agents = append(o.Agents, agentOf(told))
	}
	slices.SortFunc(o.Scribes, func(a, b scribeView) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(o.Agents, func(a, b agentView) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Producer, b.Producer))
	})
	return o
}

func mediatorOf(m *mediatorSample, was *logscribev1.MediatorStatus) mediatorView {
	return mediatorView{
		Address: m.address, Version: m.Software, Uptime: seconds(m.UptimeMs), Logs: m.Logs, Failovers: m.Failovers,
		Requests: m.Streams + m.Calls, RequestRate: rate(was.Streams+was.Calls, m.Streams+m.Calls, was.UptimeMs, m.UptimeMs),
		Bytes: m.Bytes, ByteRate: rate(was.Bytes, m.Bytes, was.UptimeMs, m.UptimeMs), ReloadError: m.ReloadError,
	}
}

func scribeOf(told, was *logscribev1.ScribeStatus) scribeView {
	s := scribeView{
		ID: told.Id, Address: told.Address, Health: cmp.Or(healths[told.Health], "unknown"), Trouble: told.Trouble, Down: seconds(told.DownMs),
		Version: told.Software, Uptime: seconds(told.UptimeMs), Root: told.Root, VolumeFree: told.VolumeFree, VolumeTotal: told.VolumeTotal,
		Owned: told.OwnedLogs, Logs: told.Logs, Streams: told.StreamsOpen, Requests: told.Streams + told.Calls, Lines: told.Lines, Bytes: told.Bytes,
		ReloadError: told.ReloadError,
	}
	if was != nil && told.UptimeMs > 0 {
		s.RequestRate = rate(was.Streams+was.Calls, s.Requests, was.UptimeMs, told.UptimeMs)
		s.LineRate = rate(was.Lines, told.Lines, was.UptimeMs, told.UptimeMs)
		s.ByteRate = rate(was.Bytes, told.Bytes, was.UptimeMs, told.UptimeMs)
	}
	return s
}

func agentOf(told *logscribev1.AgentStatus) agentView {
	r := told.Report
	a := agentView{
		Name: r.Agent, Producer: hex.EncodeToString(r.Producer), State: "ok", Trouble: r.Trouble, Heard: seconds(told.HeardMs), Version: r.Software,
		Uptime: seconds(r.UptimeMs), ReadLines: r.ReadLines, ReadBytes: r.ReadBytes, Delivered: r.DeliveredLines, Bytes: r.DeliveredBytes,
		Backlog: r.BacklogLines, BacklogBytes: r.BacklogBytes, Lag: seconds(r.BacklogAgeMs), Waiting: []waiting{}, SpoolUsed: r.SpoolUsed, SpoolFree: r.SpoolFree,
		Losses: []loss{}, Files: r.Files, Unreadable: r.UnreadableFiles, ReloadError: r.ReloadError,
	}
	switch {
	case r.Stopped:
		a.State = "stopped"
	case time.Duration(told.HeardMs)*time.Millisecond > silentAfter:
		a.State = "silent"
	case r.Trouble != "":
		a.State = "trouble"
	}
	if was := told.Before; was != nil && a.State != "stopped" && a.State != "silent" {
		a.ReadRate = rate(was.ReadLines, r.ReadLines, was.UptimeMs, r.UptimeMs)
		a.DeliveredRate = rate(was.DeliveredLines, r.DeliveredLines, was.UptimeMs, r.UptimeMs)
		a.ByteRate = rate(was.DeliveredBytes, r.DeliveredBytes, was.UptimeMs, r.UptimeMs)
	}
	for _, w := range r.Backlog {
		a.Waiting = append(a.Waiting, waiting{w.Log, w.Lines})
	}
	for _, l := range r.Losses {
		a.Losses = append(a.Losses, loss{l.Reason, l.Lines, l.Bytes, l.Times})
		a.Lost += l.Lines
		a.LostBytes += l.Bytes
	}
	return a
}
