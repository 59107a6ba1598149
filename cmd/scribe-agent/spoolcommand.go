package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/internal/size"
	"github.com/logscribe/logscribe/spool"
)

// spoolVerbs are what scribe-agent spool can do with a file.
var spoolVerbs = []string{"inspect", "verify", "repair", "export"}

// checkSpoolCommand checks what follows scribe-agent spool.
func (c *config) checkSpoolCommand() error {
	words := c.cli.Operands()
	switch {
	case !slices.Contains(spoolVerbs, words[0]):
		return fmt.Errorf("spool %s: use spool inspect, verify, repair or export", words[0])
	case len(words) == 1:
		return fmt.Errorf("spool %s: which file? give the spool's path", words[0])
	case len(words) > 2:
		return fmt.Errorf("spool %s: unexpected argument %q after the file", words[0], words[2])
	case words[0] == "export" && c.json:
		return fmt.Errorf("%s does not go with export, which writes lines", c.from.json.From())
	case words[0] != "export" && c.to != "":
		return fmt.Errorf("%s goes with export only", c.from.to.From())
	case words[0] != "export" && c.log != "":
		return fmt.Errorf("%s goes with export only", c.from.log.From())
	}
	return nil
}

// spoolCommand does scribe-agent spool.
func (c *config) spoolCommand(ctx context.Context, proc *cli.Process) error {
	out := proc.Stdout
	verb, path := c.cli.Operands()[0], c.cli.Operands()[1]
	var report *spool.Report
	var err error
	switch verb {
	case "inspect":
		report, err = spool.Inspect(path)
	case "verify":
		report, err = spool.Verify(path)
	case "repair":
		err = spool.AwaitReaders(ctx, path, proc.Logger, func() error { report, err = spool.Repair(path); return err })
		if errors.Is(err, context.Canceled) {
			return fmt.Errorf("spool %s: stopped before it was repaired: others read it still", path) // no clean end of a repair
		}
	case "export":
		return c.export(path, out)
	}
	if err != nil {
		return err
	}
	if err := c.print(out, verb, report); err != nil {
		return err
	}
	if verb == "verify" && len(report.Problems) > 0 {
		return fmt.Errorf("spool %s is damaged; to keep what can be read of it: scribe-agent spool repair %[1]s", path)
	}
	return nil
}

func (c *config) print(out io.Writer, verb string, r *spool.Report) error {
	if c.json {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	var b strings.Builder
	if verb == "inspect" {
		writeReport(&b, r)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "damaged: %s\n", p)
	}
	switch {
	case r.SetAside != "":
		writeLogs(&b, r)
		fmt.Fprintf(&b, "repaired; the damaged file is %s\n", r.SetAside)
	case len(r.Problems) == 0 && verb != "inspect":
		fmt.Fprintf(&b, "sound: %d lines of %d logs wait in it\n", waiting(r), len(r.Logs))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func waiting(r *spool.Report) (lines uint64) {
	for _, l := range r.Logs {
		lines += l.Lines
	}
	return lines
}

func writeReport(b *strings.Builder, r *spool.Report) {
	if r.InUse {
		fmt.Fprintf(b, "in use: %s has it open, the figures may be of a moment ago\n", r.InUseBy)
	}
	fmt.Fprintf(b, "file         %s, layout %d\n", cli.Absolute(r.Path), r.Layout)
	fmt.Fprintf(b, "producer     %s\n", r.Producer)
	fmt.Fprintf(b, "size         %s, %s of it in blocks that wait\n", size.Format(r.FileBytes), size.Format(r.UsedBytes))
	fmt.Fprintf(b, "checkpoints  %d\n", r.Checkpoints)
	fmt.Fprintf(b, "lines        %d of %d logs\n", waiting(r), len(r.Logs))
	if sum := lostOf(r.Losses); sum.Times > 0 {
		since := ""
		if !r.Since.IsZero() {
			since = " since " + r.Since.Format(time.RFC3339)
		}
		fmt.Fprintf(b, "lost         %s%s; scribe-agent loss %s lists them\n", sum, since, r.Path)
	}
	writeLogs(b, r)
}

// writeLogs writes a table of the logs.
func writeLogs(b *strings.Builder, r *spool.Report) {
	if len(r.Logs) == 0 {
		return
	}
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nlog\tlines\tbytes\toldest line\tnext line\tsince\tdropped\tdamaged\trefused\tlost")
	for _, l := range r.Logs {
		since := "-"
		if l.Stored != nil {
			since = l.Stored.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%d\t%d\t%s\t%d\t%d\t%d\t%d\n", l.Log, l.Lines, size.Format(int64(l.Bytes)), l.Oldest, l.Next, since, l.Dropped, l.Damaged, l.Refused, l.Lost)
	}
	t.Flush() // to memory
	b.WriteByte('\n')
}

// export writes lines to out, or to files in a folder.
func (c *config) export(path string, out io.Writer) error {
	open := func(string) (io.WriteCloser, error) { return unclosed{out}, nil }
	if c.to != "" {
		open = c.exportFile
	}
	report, err := spool.Export(path, c.log, open)
	if err != nil {
		return err
	}
	var lost uint64
	for _, l := range report.Logs {
		if c.log == "" || c.log == l.Log {
			lost += l.Lost
		}
	}
	if lost > 0 {
		return fmt.Errorf("spool %s is damaged: %d lines could not be read, all others were written", path, lost)
	}
	return nil
}

// exportFile makes the file for a log. One that is there already is not overwritten.
func (c *config) exportFile(log string) (io.WriteCloser, error) {
	name := filepath.Join(c.to, filepath.FromSlash(log)+".log")
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if errors.Is(err, os.ErrExist) {
		return nil, cli.Usagef("%s is there already; name another folder with -to", name)
	}
	return f, err
}

// unclosed is a writer that others still need.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }
