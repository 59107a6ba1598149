package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/logscribe/logscribe/agent/tail"
	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/internal/size"
)

// validate prints what the agent would do. The settings have been checked by then; the error is about files that it
// finds. What may not be meant is a warning. It changes nothing.
func (c *config) validate(out io.Writer, hidden sandbox) error {
	fmt.Fprintf(out, "destination  %s\n", c.destination())
	if text := cli.DescribeCertificate(c.tls, time.Now()); text != "" {
		fmt.Fprintf(out, "             %s\n", text)
	}
	state, unusable := c.checkFolders()
	fmt.Fprintf(out, "spool        %s, %s, up to %s, then %s; compression %s\n", cli.Absolute(c.spool), state, size.Format(c.maxSize), c.whenFull, c.compression)
	for _, s := range c.stdins {
		fmt.Fprintf(out, "stdin        -> %s\n", s.log)
		printLines(out, &s.lines)
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("find this host's name: %w", err)
	}
	problems, warnings, err := c.printFiles(out, host, hidden)
	if err != nil {
		return cli.Usage(err)
	}
	if hidden.user != "" && len(c.files) > 0 && os.Geteuid() == 0 {
		fmt.Fprintf(out, "\nchecked as root, who may read everything; the agent of %s is %s: sudo -u %s scribe-agent validate …\n", unit, hidden.user, hidden.user)
	}
	switch {
	case unusable != nil:
		return fmt.Errorf("the settings are right, but the agent could not work: %w", unusable)
	case problems == 1:
		return errors.New("the settings are right, but not all files can be tailed: 1 is not")
	case problems > 1:
		return fmt.Errorf("the settings are right, but not all files can be tailed: %d are not", problems)
	case warnings > 0:
		fmt.Fprintln(out, "\nall right, but see the warnings")
	default:
		fmt.Fprintln(out, "\nall right")
	}
	return nil
}

// checkFolders returns what is to be said of the spool, and an error if it, or the folder of -local, can't be written.
func (c *config) checkFolders() (state string, err error) {
	if c.local != "" {
		if _, err := cli.CheckFolder(c.local); err != nil {
			return "can't be used", err
		}
	}
	if state, err = cli.CheckFile(c.spool); err != nil {
		return "can't be used", err
	}
	return state, nil
}

func (c *config) destination() string {
	if c.local != "" {
		return fmt.Sprintf("files below %s, up to %s each", cli.Absolute(c.local), size.Format(c.size))
	}
	if c.tls.CA == "" {
		return strings.Join(c.mediators, ", ") + ", in the clear"
	}
	return strings.Join(c.mediators, ", ") + ", with TLS"
}

// printFiles prints each [[file]] table and its files, and returns how many of them can't be tailed, and the number of
// warnings.
func (c *config) printFiles(out io.Writer, host string, hidden sandbox) (problems, warnings int, err error) {
	if len(c.files) == 0 {
		return 0, 0, nil
	}
	matches, err := tail.Matches(c.sections(), host)
	if err != nil {
		return 0, 0, err
	}
	warned, err := tail.Warnings(c.sections(), host)
	if err != nil {
		return 0, 0, err
	}
	for i, f := range c.files {
		fmt.Fprintf(out, "\n[[file]]     %s, from the %s: %s -> %s\n", f.where, f.start, strings.Join(f.paths, " "), f.log)
		printLines(out, &f.lines)
		for _, m := range matches {
			if m.Section != i {
				continue
			}
			if err := errors.Join(m.Err, readable(m.Path)); err != nil {
				problems++
				fmt.Fprintf(out, "  %s: %s\n", m.Path, strings.ReplaceAll(err.Error(), "\n", "; "))
				continue
			}
			if m.SameAs != "" {
				fmt.Fprintf(out, "  %s: read as %s, the same file\n", m.Path, m.SameAs)
				continue
			}
			fmt.Fprintf(out, "  %s -> %s\n", m.Path, m.Log)
		}
		warn := func(glob, text string) {
			warnings++
			fmt.Fprintf(out, "  warning: %s: %s\n", glob, text)
		}
		for _, w := range warned {
			if w.Section == i {
				warn(w.Glob, w.Text)
			}
		}
		for _, glob := range f.paths {
			for _, text := range hidden.hides(glob) {
				warn(glob, text)
			}
		}
	}
	return problems, warnings, nil
}

// printLines says what is done to the lines of a table, if anything is.
func printLines(out io.Writer, l *linesTable) {
	if steps := l.String(); steps != "" {
		fmt.Fprintf(out, "lines        %s\n", steps)
	}
}

// sections returns the [[file]] tables as the tail package takes them.
func (c *config) sections() []tail.Section {
	var sections []tail.Section
	for _, f := range c.files {
		sections = append(sections, tail.Section{Paths: f.paths, Exclude: f.exclude, Log: f.log, FromEnd: f.start == "end"})
	}
	return sections
}

// readable returns an error if the file can't be opened.
func readable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}
