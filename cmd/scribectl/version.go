package main

import (
	"context"
	"time"

	"github.com/logscribe/logscribe/internal/cli"
)

// versions are those of all programs, as -o json prints them.
type versions struct {
	Unreached []unreached `json:"unreached,omitempty"`
	Programs  []program   `json:"programs"`
}

type program struct {
	Program string `json:"program"`
	Name    string `json:"name,omitempty"`
	Version string `json:"version"`
}

// showVersion prints the version of this program, and that of each that is reached. The error says that none is.
func showVersion(ctx context.Context, c *config, proc *cli.Process) error {
	v := versions{Programs: []program{{"scribectl", "", cli.Version()}}}
	all, err := c.dial()
	if err != nil {
		return err
	}
	defer all.close()
	now, failed := all.look(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	o := now.overview(nil, time.Now())
	v.Unreached = o.Unreached
	for _, m := range o.Mediators {
		v.Programs = append(v.Programs, program{"scribe-mediator", m.Address, m.Version})
	}
	for _, s := range o.Scribes {
		v.Programs = append(v.Programs, program{"scribe", s.ID, s.Version})
	}
	for _, a := range o.Agents {
		v.Programs = append(v.Programs, program{"scribe-agent", a.Name, a.Version})
	}
	if c.output == "json" {
		err = printJSON(proc.Stdout, v)
	} else {
		width, _ := terminalSize(proc.Stdout)
		err = printLines(proc.Stdout, v.lines(width))
	}
	if err != nil {
		return err
	}
	return failed
}

func (v *versions) lines(width int) []string {
	t := &table{columns: []column{{title: "PROGRAM"}, {title: "NAME", least: 12}, {title: "VERSION"}}}
	for _, p := range v.Programs {
		version := p.Version
		if version == "" {
			version = "not known"
		}
		t.add([]string{p.Program, plain(p.Name), plain(version)})
	}
	lines := t.lines(width)
	lines = append(lines, notReached(v.Unreached, width)...)
	return lines
}
