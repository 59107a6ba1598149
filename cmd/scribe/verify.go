package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/internal/size"
	"github.com/logscribe/logscribe/scribe/store"
)

// verify checks the root against its ledger and prints what differs. Its error says how many files do, after all of them
// are printed.
func (c *config) verify(ctx context.Context, out io.Writer) error {
	report, err := store.Verify(ctx, c.path)
	if err != nil {
		return err
	}
	if err := c.print(out, report); err != nil {
		return err
	}
	switch n := len(report.Problems); n {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("1 problem with the files below %s", cli.Absolute(c.path))
	default:
		return fmt.Errorf("%d problems with the files below %s", n, cli.Absolute(c.path))
	}
}

func (c *config) print(out io.Writer, r *store.Verification) error {
	var b bytes.Buffer
	if c.json {
		encoder := json.NewEncoder(&b)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(r); err != nil {
			return err
		}
	} else {
		writeReport(&b, r)
	}
	_, err := out.Write(b.Bytes())
	return err
}

func writeReport(b *bytes.Buffer, r *store.Verification) {
	fmt.Fprintf(b, "root       %s, %s\n", cli.Absolute(r.Path), r.Root)
	if r.InUse {
		fmt.Fprintln(b, "in use     a Scribe writes to it: missing rotated files, and files of no log, are not looked for")
	}
	fmt.Fprintf(b, "logs       %d\n", r.Logs)
	fmt.Fprintf(b, "producers  %d, counted in each log that they have sent to\n", r.Producers)
	fmt.Fprintf(b, "files      %d, of %s\n", r.Files, size.Format(r.Bytes))
	if r.Unverified > 0 {
		fmt.Fprintf(b, "unverified %d of them: the ledger has no checksum, as others or an earlier release began them\n", r.Unverified)
	}
	for _, f := range r.Notes {
		fmt.Fprintf(b, "note       %s: %s\n", f.File, f.What)
	}
	for _, f := range r.Problems {
		fmt.Fprintf(b, "problem    %s: %s\n", f.File, f.What)
	}
	switch {
	case len(r.Problems) > 0:
		fmt.Fprintln(b, "\nWhat is damaged or gone can only come from a backup. The Scribe goes on without it.")
	case r.Unverified > 0 || r.InUse:
		fmt.Fprintln(b, "\nno difference found")
	default:
		fmt.Fprintln(b, "\nall that is committed is there")
	}
}
