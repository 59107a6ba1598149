package main

import (
	"context"
	"fmt"
	"time"

	"github.com/logscribe/logscribe/internal/cli"
)

// logList is what -o json prints of logs.
type logList struct {
	Unreached []unreached `json:"unreached,omitempty"`
	Found     int         `json:"found"` // logs that match; Logs are the first of them
	Logs      []logLine   `json:"logs"`
}

// showLogs prints the logs with their owners and what comes to them. The error says that none of those that were asked answers.
func showLogs(ctx context.Context, c *config, proc *cli.Process) error {
	all, err := c.dial()
	if err != nil {
		return err
	}
	defer all.close()
	w := &watch{peers: all, match: c.match}
	if _, err := w.look(ctx); err != nil {
		return err
	}
	if err := pause(ctx, sampled); err != nil {
		return err
	}
	now, err := all.look(ctx)
	if err != nil {
		return err
	}
	missing, err := w.look(ctx)
	if err != nil {
		return err
	}
	lines := w.lines(c.sort, now.overview(nil, time.Now()).Agents)
	list := logList{missing, len(lines), lines}
	if c.rows != cli.NoLimit {
		list.Logs = lines[:min(len(lines), c.rows)]
	}
	if c.output == "json" {
		return printJSON(proc.Stdout, list)
	}
	width, _ := terminalSize(proc.Stdout)
	return printLines(proc.Stdout, list.lines(width))
}

func (l *logList) lines(width int) []string {
	lines := logTable(l.Logs).lines(width)
	if left := l.Found - len(l.Logs); left > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more", left))
	}
	if l.Found == 0 {
		lines = []string{"no log matches, or none was written to yet"}
	}
	lines = append(lines, notReached(l.Unreached, width)...)
	return lines
}
