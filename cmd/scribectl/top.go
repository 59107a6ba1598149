package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/logscribe/logscribe/internal/cli"
)

// showTop shows all again and again, in place if stdout is a terminal, until the user or -count ends it. Once somebody has
// answered, it goes on while nobody does.
func showTop(ctx context.Context, c *config, proc *cli.Process) (err error) {
	all, err := c.dial()
	if err != nil {
		return err
	}
	defer all.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := &top{config: c, peers: all, watch: watch{peers: all, match: c.match}, proc: proc}
	if err := t.look(ctx); err != nil {
		return err
	}
	if columns, _ := terminalSize(proc.Stdout); columns > 0 && c.output == "text" {
		s, err := openScreen(proc.Stdin, proc.Stdout, cancel)
		if err != nil {
			return err
		}
		defer s.close()
		proc.IfAbandoned(s.close)
		t.screen = s
	}
	for n := 0; n != c.count; n++ {
		wait := c.every
		if n == 0 {
			wait = min(wait, sampled) // for the first rates
		}
		if err := pause(ctx, wait); err != nil {
			return nil // the user has seen enough
		}
		if err := t.look(ctx); ctx.Err() != nil {
			return nil
		} else if err != nil {
			t.trouble = err.Error()
		}
		if err := t.show(); err != nil {
			return err
		}
	}
	return nil
}

// top is what is shown.
type top struct {
	config  *config
	proc    *cli.Process
	peers   peers
	watch   watch
	screen  *screen // nil where stdout is no terminal
	before  *sample
	now     *sample
	trouble string // why the last look failed
	shown   int
}

// look looks once more. After an error what it knows is older.
func (t *top) look(ctx context.Context) error {
	now, err := t.peers.look(ctx)
	if err != nil {
		return err
	}
	t.before, t.now, t.trouble = t.now, now, ""
	_, err = t.watch.look(ctx)
	return err
}

// topView is what -o json prints at each look, in a line.
type topView struct {
	overview
	Logs  []logLine `json:"logs"`
	Error string    `json:"error,omitempty"`
}

func (t *top) show() error {
	now := time.Now()
	view := &topView{overview: *t.now.overview(t.before, now), Error: t.trouble}
	view.Logs = t.watch.lines(t.config.sort, view.Agents)
	if t.config.rows != cli.NoLimit {
		view.Logs = view.Logs[:min(len(view.Logs), t.config.rows)]
	}
	t.shown++
	if t.config.output == "json" {
		return json.NewEncoder(t.proc.Stdout).Encode(view)
	}
	head := fmt.Sprintf("%s  %s  every %v", now.Format("15:04:05"), strings.Join(t.config.mediators, ","), t.config.every)
	if t.screen == nil {
		lines := view.lines(head, 0, 0)
		if t.shown > 1 {
			lines = append([]string{""}, lines...)
		}
		return printLines(t.proc.Stdout, lines)
	}
	columns, rows := terminalSize(t.proc.Stdout)
	return t.screen.draw(view.lines(head+"  q quits", columns, rows))
}

// lines is the view as text, no wider and longer than that; 0 is no limit. The logs have what the others leave.
func (v *topView) lines(head string, columns, rows int) []string {
	lines := []string{head}
	if v.Error != "" {
		lines = append(lines, wrap(plain(v.Error), columns)...)
	}
	for _, u := range v.Unreached {
		lines = append(lines, wrap("not reached: "+u.Address+": "+u.Error, columns)...)
	}
	part := func(t *table, share int) {
		if len(t.rows) == 0 {
			return
		}
		all := t.lines(columns)
		if rows > 0 && len(all) > share {
			hidden := len(all) - max(2, share-1)
			all = append(all[:max(2, share-1)], fmt.Sprintf("… %d lines more", hidden))
		}
		if rows > 0 {
			all[0] = bold + all[0] + normal
		}
		lines = append(append(lines, ""), all...)
	}
	part(v.mediatorTable(), rows/5)
	part(v.scribeTable(), rows/4)
	part(v.agentTable(), rows/4)
	logs := logTable(v.Logs)
	if rows > 0 {
		logs.rows = logs.rows[:min(len(logs.rows), max(0, rows-len(lines)))] // not all are laid out: there may be very many
	}
	part(logs, rows-len(lines)-1)
	if rows > 0 {
		lines = lines[:min(len(lines), rows)]
	}
	return lines
}
