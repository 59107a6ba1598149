package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/internal/logname"
	"github.com/logscribe/logscribe/internal/size"
	"github.com/logscribe/logscribe/scribe/store"
)

// validate prints what the Scribe would do. The settings and certificates have been checked by then; the error is about
// its folder. It changes nothing, and may be asked while the Scribe runs.
func (c *config) validate(out io.Writer, lookupEnv func(string) (string, bool)) error {
	state, err := cli.CheckFolder(c.path)
	if err == nil && state == "there" {
		_, err = cli.CheckFile(filepath.Join(c.path, logname.StateDir, "ledger.db"))
	}
	if err == nil {
		err = store.CheckRoot(c.path, notes(lookupEnv))
	}
	if err != nil {
		state = "can't be used"
	}
	fmt.Fprintf(out, "path       %s, %s\n", cli.Absolute(c.path), state)
	fmt.Fprintf(out, "files      %s\n", describe(c.files.policy))
	for _, r := range c.rules() {
		fmt.Fprintf(out, "  %s: %s\n", r.Match, describe(r.Policy))
	}
	if c.minFree >= 0 {
		fmt.Fprintf(out, "free       at least %s of each volume, or the oldest rotated files are deleted\n", size.Format(c.minFree))
	}
	fmt.Fprintf(out, "listen     %s\n", cli.DescribeListener(c.host, c.port, c.tls))
	if text := cli.DescribeCertificate(c.tls, time.Now()); text != "" {
		fmt.Fprintf(out, "           %s\n", text)
	}
	if len(c.mediators) > 0 {
		fmt.Fprintf(out, "mediators  %s\n", strings.Join(c.mediators, ", "))
	} else {
		fmt.Fprintln(out, "mediators  none: agents connect to this Scribe itself")
	}
	if c.durable == string(store.ProcessCrash) {
		fmt.Fprintln(out, "\nwarning: durability = \"process-crash\": acknowledged lines are lost when the system crashes or loses power")
	}
	if err != nil {
		return fmt.Errorf("the settings are right, but the Scribe could not work: %w", err)
	}
	fmt.Fprintln(out, "\nall right")
	return nil
}

// notes returns the folder in which is noted which root is at which path, "" where there is none.
func notes(lookupEnv func(string) (string, bool)) string {
	state, err := cli.StateDir(lookupEnv, "scribe")
	if err != nil {
		return ""
	}
	return filepath.Join(state, "roots")
}

// describe says for people how files are kept.
func describe(p store.Policy) string {
	text := "plain"
	if p.Form == store.Frames {
		text = "zstd frames"
	}
	var rotated []string
	if p.MaxSize > 0 {
		rotated = append(rotated, "at "+size.Format(p.MaxSize))
	}
	if p.RotateEvery > 0 {
		rotated = append(rotated, "every "+p.RotateEvery.String())
	}
	if len(rotated) == 0 {
		return text + ", never rotated"
	}
	text += ", rotated " + strings.Join(rotated, " and ")
	if p.Form != store.Frames && p.Compression != "none" {
		text += fmt.Sprintf(", compressed with %s after %s", p.Compression, p.CompressAfter)
	}
	var kept []string
	if p.KeepAge > 0 {
		kept = append(kept, "for "+p.KeepAge.String())
	}
	if p.KeepFiles > 0 {
		kept = append(kept, fmt.Sprintf("%d files at most", p.KeepFiles))
	}
	if p.KeepBytes > 0 {
		kept = append(kept, size.Format(p.KeepBytes)+" at most")
	}
	if len(kept) == 0 {
		return text + ", all kept"
	}
	return text + ", kept " + strings.Join(kept, ", ")
}
