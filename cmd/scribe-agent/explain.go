package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/logscribe/logscribe/agent/tail"
	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/spool"
)

// explain prints of each file whether it is read and why, into which log, and from which byte on. The error says how many
// are not. It changes nothing.
func (c *config) explain(out io.Writer, files []string) error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("find this host's name: %w", err)
	}
	checkpoints, unknown := c.checkpoints()
	explained, err := tail.Explain(c.sections(), host, checkpoints, files)
	if err != nil {
		return cli.Usage(err)
	}
	unread := 0
	for i := range explained {
		c.printExplanation(out, &explained[i], unknown)
		if !explained[i].Read() {
			unread++
		}
	}
	if unread > 0 {
		return fmt.Errorf("%d of %d files are not read", unread, len(files))
	}
	return nil
}

// checkpoints returns those of the spool, or why they are not known. Without a spool nothing was read yet, as far as is
// known here: an agent with an identity asks the Scribes.
func (c *config) checkpoints() (map[string][]byte, error) {
	stored, err := spool.ReadCheckpoints(c.spool, tail.CheckpointPrefix)
	if errors.Is(err, fs.ErrNotExist) && c.identity != "" {
		return nil, fmt.Errorf("there is no spool %s, and the agent %s asks the Scribes how far it was read", c.spool, c.identity)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return map[string][]byte{}, nil
	}
	return stored, err
}

func (c *config) printExplanation(out io.Writer, e *tail.Explanation, unknown error) {
	line := func(label, format string, args ...any) {
		fmt.Fprintf(out, "  %-10s %s\n", label, fmt.Sprintf(format, args...))
	}
	fmt.Fprintln(out, e.Path)
	if e.Read() {
		line("read", "by %s, %s", c.files[e.Section].where, e.Glob)
	} else {
		line("not read", "%s", strings.Join(e.Reasons, "; "))
	}
	for _, x := range e.Excluded {
		line("left out", "by %s: %s matches it, and exclude = %s", c.files[x.Section].where, x.Glob, x.Exclude)
	}
	if e.Log != "" {
		line("log", "%s", e.Log)
	}
	switch {
	case e.Read() && e.Offset >= 0 && e.Size < 0:
		line("offset", "%d of what is packed in it", e.Offset)
	case e.Read() && e.Offset >= 0:
		line("offset", "%d of %d bytes, %d unread", e.Offset, e.Size, e.Size-e.Offset)
	case e.Read():
		line("offset", "not known of %d bytes: %v", e.Size, unknown)
	}
	for _, n := range e.Notes {
		line("note", "%s", n)
	}
}
