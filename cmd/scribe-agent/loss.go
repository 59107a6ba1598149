package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/internal/logname"
	"github.com/logscribe/logscribe/internal/size"
	"github.com/logscribe/logscribe/spool"
)

// lossReport is what scribe-agent loss prints as JSON.
type lossReport struct {
	Spool  string       `json:"spool"`
	InUse  bool         `json:"in_use"`         // an agent has it open: the figures may be of a moment ago
	Since  time.Time    `json:"since,omitzero"` // when counting began; absent where it has not
	Lost   lossSum      `json:"lost"`           // what is known not to have arrived
	Losses []spool.Loss `json:"losses"`         // these and the others
}

type lossSum struct {
	Lines uint64 `json:"lines"` // as far as they could be counted, as the bytes
	Bytes uint64 `json:"bytes"`
	Times uint64 `json:"times"`
}

// checkLossCommand checks the arguments of scribe-agent loss, and finds the spool.
func (c *config) checkLossCommand() error {
	words := c.cli.Operands()
	switch {
	case c.to != "":
		return fmt.Errorf("%s goes with spool export only", c.from.to.From())
	case len(words) > 1:
		return fmt.Errorf("loss: unexpected argument %q after the spool", words[1])
	case !doublestar.ValidatePattern(c.log):
		return fmt.Errorf("%s: bad glob %q", c.from.log.From(), c.log)
	case len(words) == 1:
		c.spool = words[0]
	case c.spool == "" && len(c.files)+len(c.stdins) == 0:
		if strings.ContainsAny(c.log, `*?[{\`) || logname.Check(c.log) != nil {
			return errors.New("loss: of which spool? give its path, the agent's settings with -config FILE, or the -log of its standard input")
		}
		c.stdins = []*stdinTable{{log: c.log}}
	}
	c.spoolFound = c.spool == "" && c.local == ""
	return c.findSpool()
}

// noSpool is the error where there is no file at the spool's path. Who asks has not the variables of a service.
func (c *config) noSpool() error {
	if !c.spoolFound {
		return fmt.Errorf("there is no spool %s: no agent has run with it yet", c.spool)
	}
	return fmt.Errorf("there is no spool %s; that of a systemd service is %s: give its path", c.spool, filepath.Join("/var/lib/scribe-agent", filepath.Base(c.spool)))
}

// lossCommand does scribe-agent loss. The error says that something was lost only if the user has asked for that.
func (c *config) lossCommand(out io.Writer) error {
	r, err := spool.Inspect(c.spool)
	if errors.Is(err, fs.ErrNotExist) {
		return c.noSpool()
	}
	if err != nil {
		return err
	}
	report := c.lossReport(r)
	if c.json {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(report)
	} else {
		_, err = io.WriteString(out, report.text())
	}
	switch {
	case err != nil:
		return err
	case len(r.Problems) > 0:
		return fmt.Errorf("spool %s is damaged: this is what can be read of its losses; to mend it: scribe-agent spool repair %[1]s", c.spool)
	case c.failOnLoss && report.Since.IsZero():
		return fmt.Errorf("spool %s: losses are not counted yet", c.spool)
	case c.failOnLoss && report.Lost.Times > 0:
		return fmt.Errorf("spool %s: lines were lost", c.spool)
	}
	return nil
}

// lossReport leaves out the logs that were not asked for.
func (c *config) lossReport(r *spool.Report) *lossReport {
	report := &lossReport{Spool: cli.Absolute(r.Path), InUse: r.InUse, Since: r.Since, Losses: []spool.Loss{}}
	for _, l := range r.Losses {
		if c.log != "" && l.Log != "" && !doublestar.MatchUnvalidated(c.log, l.Log) {
			continue
		}
		report.Losses = append(report.Losses, l)
	}
	report.Lost = lostOf(report.Losses)
	return report
}

// lostOf adds up what is known to be lost.
func lostOf(losses []spool.Loss) (sum lossSum) {
	for reason, l := range spool.Sums(losses) {
		if reason.Lost() {
			sum = lossSum{sum.Lines + l.Lines, sum.Bytes + l.Bytes, sum.Times + l.Times}
		}
	}
	return sum
}

func (r *lossReport) text() string {
	var b strings.Builder
	lost := slices.DeleteFunc(slices.Clone(r.Losses), func(l spool.Loss) bool { return !l.Reason.Lost() })
	rest := slices.DeleteFunc(slices.Clone(r.Losses), func(l spool.Loss) bool { return l.Reason.Lost() })
	since := " since " + r.Since.Format(time.RFC3339)
	if r.Since.IsZero() {
		since = ""
		b.WriteString("losses are not counted yet: no agent of this release has used the spool\n")
	}
	switch {
	case len(lost) > 0:
		writeLosses(&b, lost)
		fmt.Fprintf(&b, "\nlost: %s%s, as far as it could be counted\n", r.Lost, since)
	case since != "":
		fmt.Fprintf(&b, "nothing was lost%s\n", since)
	}
	if len(rest) > 0 {
		b.WriteString("\nnot lost, but delivered in another form, or not known:\n")
		writeLosses(&b, rest)
	}
	return b.String()
}

func (s lossSum) String() string {
	return fmt.Sprintf("%d lines, %s, %d times", s.Lines, size.Format(int64(s.Bytes)), s.Times)
}

// writeLosses writes a table. A number that could not be counted is a dash.
func writeLosses(b *strings.Builder, losses []spool.Loss) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "log\tfile\treason\tlines\tbytes\ttimes\tsince\tlast")
	for _, l := range losses {
		file := l.File
		if file == spool.OtherFiles {
			file = "(other files)"
		}
		lines, bytes := "-", "-"
		if l.Lines > 0 {
			lines = fmt.Sprint(l.Lines)
		}
		if l.Bytes > 0 {
			bytes = size.Format(int64(l.Bytes))
		}
		first := "-"
		if !l.First.IsZero() {
			first = l.First.Format(time.RFC3339)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", orDash(l.Log), orDash(file), l.Reason, lines, bytes, l.Times, first, l.Last.Format(time.RFC3339))
	}
	t.Flush() // to memory
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
