// Command bench measures how fast Log Scribe carries lines from a tailed file through agent, mediator and Scribe into the
// Scribe's file, with everything synced before it is acknowledged, and beside it, in the same run, what copying the file
// costs and what other log shippers take that are installed. docs/performance.md says what its figures mean.
//
// It runs the programs as processes that talk over loopback, in an order that takes turns, and compares what has arrived
// with what was written after every run. Nothing it starts outlives it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// bench is what all runs have in common.
type bench struct {
	corpusDir, bin, dir, run, svg, json, profiles string
	lines, runs, latencyLines                     int
	seed                                          uint64
	idle, stream, slow                            time.Duration

	fleet    fleet
	input    input
	repeated *repeated // with -corpus
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	b, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	err = b.main(ctx, os.Stdout, os.Stderr)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// parse reads the command line.
func parse(args []string, usage io.Writer) (*bench, error) {
	b := &bench{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(usage)
	f.StringVar(&b.run, "run", "", "run the forms whose whole `name` this regular expression matches; without it, those of throughput")
	f.IntVar(&b.runs, "runs", 3, "run each form this often, taking turns")
	f.IntVar(&b.lines, "lines", 2_000_000, "lines of the input")
	f.StringVar(&b.corpusDir, "corpus", "", "take the lines of the files *.log in this `folder`, repeated in order, instead of making some")
	f.Uint64Var(&b.seed, "seed", 1, "of the lines that are made")
	f.IntVar(&b.latencyLines, "latency-lines", 1000, "single lines of each run that measures latency")
	f.DurationVar(&b.idle, "idle", 10*time.Second, "how long the cost of doing nothing is measured before latency is")
	f.DurationVar(&b.stream, "stream", 10*time.Second, "how long the form stream writes lines")
	f.DurationVar(&b.slow, "slow", 10*time.Second, "how long the forms slow and logs-10000-slow write a line a second")
	f.StringVar(&b.profiles, "profile", "", "keep CPU profiles of our programs, of the last run of each form, in this `folder`")
	f.StringVar(&b.bin, "bin", "", "measure the programs in this `folder`, instead of building them")
	f.StringVar(&b.dir, "dir", os.TempDir(), "work in a new folder below this `folder`; its disk is the one that is measured")
	f.StringVar(&b.svg, "svg", "", "draw the figures in this `file`")
	f.StringVar(&b.json, "json", "", "write all figures to this `file`")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case f.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case b.runs < 1 || b.lines < 1 || b.latencyLines < 1:
		return nil, errors.New("-runs, -lines and -latency-lines must be 1 or more")
	}
	return b, nil
}

// main makes the input, runs the forms, and reports. Its progress goes to the second writer.
func (b *bench) main(ctx context.Context, stdout, progress io.Writer) (err error) {
	forms, err := chosen(allForms(), b.run)
	if err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp(b.dir, "logscribe-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if inMemory(b.dir) {
		fmt.Fprintf(progress, "%s lies in memory: syncing costs nothing there. Use -dir for a folder on a disk.\n", b.dir)
	}
	if err := b.prepare(progress); err != nil {
		return err
	}
	r := newReport(b)
	ended := b.runForms(ctx, forms, r, progress)
	if len(r.Forms) == 0 {
		return ended
	}
	r.print(stdout) // what was measured before an end that came too soon counts, too
	return errors.Join(ended, r.write(b.json, b.svg), r.failure())
}
