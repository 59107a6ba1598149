package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/logscribe/logscribe/agent/line"
	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/internal/size"
)

// linesTable is what is done to lines, [file.lines] or [stdin.lines].
type linesTable struct {
	include, exclude []string
	redact           []*redactTable
	start, follow    string
	maxLines         int
	maxBytes         int64
	timeout          time.Duration
	prefix           string

	from  struct{ start, follow *cli.Setting } // for errors
	about []*cli.Setting                       // what only goes with one of them
}

// redactTable is a [[file.lines.redact]] table.
type redactTable struct{ where, pattern, with string }

func (c *config) registerLines(p *cli.Program) {
	p.Group("Lines")
	p.Size(&c.maxLine, "max-line", "1MiB", "deliver a line that is longer in pieces").Check(checkMaxLine)
	p.String(&c.cutMark, "cut-mark", "", "put this text behind each piece but the last").Check(line.CheckCutMark)
}

// register registers the keys of the table within that of its source.
func (l *linesTable) register(t *cli.Settings, checkPrefix func(string) error) {
	key := func(s *cli.Setting, name string) *cli.Setting { return s.Key("lines." + name) }
	key(t.Strings(&l.include, "include", "forward only what matches one of these"), "include").Check(line.CheckPattern)
	key(t.Strings(&l.exclude, "exclude", "don't forward what matches one of these"), "exclude").Check(line.CheckPattern)
	key(t.String(&l.prefix, "prefix", "", "put this before each line"), "prefix").Check(checkPrefix)
	l.from.start = key(t.String(&l.start, "start", "", "a line that matches begins an event"), "multiline.start").
		NotEmpty().Check(line.CheckPattern)
	l.from.follow = key(t.String(&l.follow, "continue", "", "a line that matches belongs to the one before it"), "multiline.continue").
		NotEmpty().Check(line.CheckPattern)
	l.about = []*cli.Setting{
		key(t.Count(&l.maxLines, "max-lines", strconv.Itoa(line.DefaultMaxLines), "lines of an event"), "multiline.max_lines"),
		key(t.Size(&l.maxBytes, "max-bytes", size.Format(line.DefaultMaxBytes), "bytes of an event"), "multiline.max_bytes").Check(checkMaxLine),
		key(t.Duration(&l.timeout, "timeout", line.DefaultTimeout.String(), "how long the last event waits for its next line"), "multiline.timeout"),
	}
	t.Table("lines.redact", func(t *cli.Settings) {
		r := &redactTable{where: t.Where()}
		l.redact = append(l.redact, r)
		t.String(&r.pattern, "pattern", "", "what is replaced").Required().Check(line.CheckPattern)
		t.String(&r.with, "with", "", "by this text")
	})
}

func checkMaxLine(text string) error {
	n, err := size.Parse(text)
	if err != nil {
		return err
	}
	return line.CheckMaxLine(n)
}

// checkLines checks what concerns several settings of one table.
func (c *config) checkLines() error {
	var tables []*linesTable
	for _, f := range c.files {
		tables = append(tables, &f.lines)
	}
	for _, s := range c.stdins {
		tables = append(tables, &s.lines)
	}
	for _, l := range tables {
		if l.start != "" && l.follow != "" {
			return fmt.Errorf("%s and %s don't go together: choose one", l.from.start.From(), l.from.follow.From())
		}
		for _, s := range l.about {
			if s.From() != "" && l.start == "" && l.follow == "" {
				return fmt.Errorf("%s has no meaning without lines.multiline.start or lines.multiline.continue", s.From())
			}
		}
		for _, r := range l.redact {
			if err := (line.Redaction{Pattern: r.pattern, With: r.with}).Check(); err != nil {
				return fmt.Errorf("%s: redact: %w", r.where, err)
			}
		}
	}
	return nil
}

// rules returns the table in the form that package line takes.
func (l *linesTable) rules() line.Rules {
	r := line.Rules{Include: l.include, Exclude: l.exclude, Prefix: l.prefix}
	for _, t := range l.redact {
		r.Redact = append(r.Redact, line.Redaction{Pattern: t.pattern, With: t.with})
	}
	if l.start != "" || l.follow != "" {
		r.Multiline = line.Multiline{
			Start: l.start, Continue: l.follow, MaxLines: l.maxLines, MaxBytes: int(l.maxBytes), Timeout: l.timeout,
		}
	}
	return r
}

// String says what is done, for people; "" if nothing is.
func (l *linesTable) String() string {
	var steps []string
	add := func(name string, patterns ...string) {
		if text := strings.Join(patterns, " or "); text != "" {
			steps = append(steps, name+" "+text)
		}
	}
	add("events begin with", l.start)
	add("events continue with", l.follow)
	add("include", l.include...)
	add("exclude", l.exclude...)
	for _, r := range l.redact {
		add("redact", r.pattern)
	}
	if l.prefix != "" {
		add("prefix", strconv.Quote(l.prefix))
	}
	return strings.Join(steps, "; ")
}
