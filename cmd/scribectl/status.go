package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/logscribe/logscribe/internal/cli"
)

// showStatus prints mediators, Scribes and agents as they are now. The error says that none of those that were asked answers.
func showStatus(ctx context.Context, c *config, proc *cli.Process) (err error) {
	all, err := c.dial()
	if err != nil {
		return err
	}
	defer all.close()
	before, now, err := all.lookTwice(ctx)
	if err != nil {
		return err
	}
	o := now.overview(before, time.Now())
	if c.output == "json" {
		return printJSON(proc.Stdout, o)
	}
	width, _ := terminalSize(proc.Stdout)
	return printLines(proc.Stdout, o.lines(width))
}

func printJSON(out io.Writer, v any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

func printLines(out io.Writer, lines []string) error {
	_, err := io.WriteString(out, strings.Join(lines, "\n")+"\n")
	return err
}

// lines is the overview as text, no wider than width unless that is 0.
func (o *overview) lines(width int) []string {
	var lines []string
	part := func(t *table) {
		if len(t.rows) == 0 {
			return
		}
		if len(lines) > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, t.lines(width)...)
	}
	part(o.mediatorTable())
	part(o.scribeTable())
	part(o.agentTable())
	lines = append(lines, notReached(o.Unreached, width)...)
	if len(o.Mediators) > 0 && len(o.Scribes) == 0 {
		lines = append(lines, "", "no Scribe has registered")
	}
	if len(o.Agents) == 0 {
		lines = append(lines, "", "no agent has reported in the last minutes")
	}
	return lines
}

func (o *overview) mediatorTable() *table {
	t := &table{columns: []column{
		{title: "MEDIATOR", least: 14}, {title: "VERSION", least: 8}, {title: "UP", right: true}, {title: "LOGS", right: true}, {title: "FAILOVERS", right: true},
		{title: "REQ/s", right: true}, {title: "RATE", right: true},
	}}
	for _, m := range o.Mediators {
		t.add([]string{
			plain(m.Address), plain(m.Version), ageOf(m.Uptime), number(m.Logs), number(m.Failovers), perSecond(m.RequestRate, ""), perSecond(m.ByteRate, "B"),
		}, notes("", m.ReloadError)...)
	}
	return t
}

func (o *overview) scribeTable() *table {
	t := &table{columns: []column{
		{title: "SCRIBE", least: 10}, {title: "HEALTH"}, {title: "ADDRESS", least: 12}, {title: "FREE", right: true}, {title: "LOGS", right: true},
		{title: "REQ/s", right: true}, {title: "RATE", right: true},
	}}
	for _, s := range o.Scribes {
		logs := s.Owned
		if len(o.Mediators) == 0 {
			logs = s.Logs
		}
		t.add([]string{
			plain(s.ID), s.healthText(), plain(s.Address), s.freeText(), number(logs),
			perSecond(s.RequestRate, ""), perSecond(s.ByteRate, "B"),
		}, notes(s.Trouble, s.ReloadError)...)
	}
	return t
}

// healthText is "up 3d4h", or in capitals what is wrong.
func (s *scribeView) healthText() string {
	switch s.Health {
	case "up":
		return "up " + ageOf(s.Uptime)
	case "down":
		return "DOWN " + ageOf(s.Down)
	}
	return strings.ToUpper(s.Health)
}

func (s *scribeView) freeText() string {
	if s.VolumeTotal == 0 {
		return none
	}
	return fmt.Sprintf("%s %d%%", roundSize(s.VolumeFree), int(100*float64(s.VolumeFree)/float64(s.VolumeTotal)))
}

func (o *overview) agentTable() *table {
	t := &table{columns: []column{
		{title: "AGENT", least: 10}, {title: "STATE"}, {title: "WAITING", right: true}, {title: "BYTES", right: true}, {title: "LAG", right: true},
		{title: "READ/s", right: true}, {title: "SENT/s", right: true}, {title: "LOST", right: true},
	}}
	for _, a := range o.Agents {
		lag := none
		if a.Backlog > 0 {
			lag = ageOf(a.Lag)
		}
		below := notes(a.Trouble, a.ReloadError)
		if a.Unreadable > 0 {
			below = append(below, fmt.Sprintf("%d of %d files can't be read", a.Unreadable, a.Files))
		}
		if len(a.Losses) > 0 {
			below = append(below, a.lossText())
		}
		t.add([]string{
			plain(a.Name), a.stateText(), number(a.Backlog), sizeText(a.BacklogBytes), lag, perSecond(a.ReadRate, ""), perSecond(a.DeliveredRate, ""), a.lostText(),
		}, below...)
	}
	return t
}

func (a *agentView) stateText() string {
	switch a.State {
	case "ok":
		return "up " + ageOf(a.Uptime)
	case "stopped":
		return "stopped " + ageOf(a.Heard)
	case "silent":
		return "SILENT " + ageOf(a.Heard)
	}
	return strings.ToUpper(a.State)
}

// lostText is how many lines were not delivered, as far as that is known: 0 is none.
func (a *agentView) lostText() string {
	if a.Lost == 0 && len(a.Losses) > 0 {
		return "some"
	}
	return number(a.Lost)
}

// lossText says why lines were not delivered.
func (a *agentView) lossText() string {
	var reasons []string
	for _, l := range a.Losses {
		text := plain(l.Reason)
		if l.Lines > 0 {
			text += " " + number(l.Lines) + " lines"
		}
		if l.Bytes > 0 {
			text += " " + sizeText(l.Bytes)
		}
		if l.Lines == 0 && l.Bytes == 0 {
			text += fmt.Sprintf(" %s times, it is not known how much", number(l.Times))
		}
		reasons = append(reasons, text)
	}
	return "not delivered: " + strings.Join(reasons, ", ")
}

// notes are what stands below a program that has trouble.
func notes(trouble, reloadError string) []string {
	var notes []string
	if trouble != "" {
		notes = append(notes, readable(trouble))
	}
	if reloadError != "" {
		notes = append(notes, "goes by older settings, as the last reload failed: "+plain(reloadError))
	}
	return notes
}
