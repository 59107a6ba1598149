package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
)

// prepare builds the programs and writes the input.
func (b *bench) prepare(progress io.Writer) (err error) {
	b.fleet = fleet{bin: b.bin}
	if b.bin == "" {
		fmt.Fprintln(progress, "building the programs")
		if b.fleet, err = buildFleet(filepath.Join(b.dir, "bin")); err != nil {
			return err
		}
	} else if b.fleet.bin, err = filepath.Abs(b.bin); err != nil {
		return err
	}
	if b.profiles != "" {
		if b.fleet.profiles, err = filepath.Abs(b.profiles); err != nil {
			return err
		}
		if err := os.MkdirAll(b.fleet.profiles, 0o750); err != nil {
			return err
		}
	}
	if b.corpusDir != "" {
		if b.repeated, err = readCorpus(b.corpusDir); err != nil {
			return err
		}
	}
	lines := b.corpus()
	fmt.Fprintf(progress, "writing %d lines, %s\n", b.lines, lines.about())
	b.input, err = writeInput(filepath.Join(b.dir, "app.log"), lines, b.lines)
	return err
}

// corpus returns a corpus that begins anew.
func (b *bench) corpus() corpus {
	if b.repeated != nil {
		c := *b.repeated
		return &c
	}
	return madeCorpus(b.seed)
}

// runForms runs each form as often as asked for, one after the other and again, so that what changes on the machine
// meanwhile touches all of them. A peer that fails is left out from then on.
func (b *bench) runForms(ctx context.Context, forms []form, r *report, progress io.Writer) error {
	var able []form
	for _, f := range forms {
		if f.missing != "" {
			fmt.Fprintf(progress, "%s is left out: %s is not installed\n", f.name, f.missing)
			continue
		}
		able = append(able, f)
	}
	failed := map[string]bool{}
	for i := range b.runs {
		for _, f := range able {
			if failed[f.name] {
				continue
			}
			found, err := b.runForm(ctx, f)
			if ctx.Err() != nil {
				return fmt.Errorf("stopped in run %d of %s", i+1, f.name)
			}
			if err != nil && f.ours {
				return fmt.Errorf("run %d of %s: %w", i+1, f.name, err)
			}
			if err != nil {
				fmt.Fprintf(progress, "%s is left out: run %d: %v\n", f.name, i+1, err)
				failed[f.name] = true
				continue
			}
			fmt.Fprintf(progress, "run %d of %d: %-24s %s\n", i+1, b.runs, f.name, found)
			r.add(f, found)
		}
	}
	return nil
}

// runForm runs a form in a folder of its own, which is empty at first and gone afterwards.
func (b *bench) runForm(ctx context.Context, f form) (found run, err error) {
	dir := filepath.Join(b.dir, f.name)
	if err := os.Mkdir(dir, 0o750); err != nil {
		return run{}, err
	}
	defer func() {
		if removed := os.RemoveAll(dir); err == nil {
			err = removed
		}
		debug.FreeOSMemory() // of the comparison
	}()
	return f.measure(ctx, b, dir)
}

// String is for the progress.
func (r run) String() string {
	text := ""
	switch {
	case r.Latency != nil:
		text = fmt.Sprintf("p50 %.2f ms, p99 %.2f ms of %d lines", r.Latency.P50, r.Latency.P99, r.Latency.Lines)
	case r.Load != nil:
		text = r.Load.Doing
		for _, p := range r.Load.Programs {
			text += fmt.Sprintf(", %s %.1f %% of a core", p.Program, p.Percent)
		}
	default:
		text = fmt.Sprintf("%.2f s", r.Seconds)
	}
	if r.Difference != (difference{}) {
		text += "; lines: " + r.Difference.String()
	}
	return text
}
