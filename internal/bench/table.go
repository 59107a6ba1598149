package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// print writes the report as tables in Markdown, which line up in a terminal too.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "%s, %s/%s, %d CPUs (%s), %s\n", r.When.Format(time.DateTime), r.System.OS, r.System.Arch, r.System.CPUs, r.System.Processor, r.System.Go)
	fmt.Fprintf(w, "input: %s lines, %.1f MB, %.1f bytes each, %s\n", grouped(float64(r.Input.Lines)), float64(r.Input.Bytes)/1e6,
		float64(r.Input.Bytes)/float64(r.Input.Lines), r.Input.Origin)
	fmt.Fprintln(w, "median (least–most) of the runs")
	for _, f := range r.Forms {
		fmt.Fprintf(w, "%s: %s\n", f.Name, f.About)
	}
	r.printTimes(w)
	r.printRatios(w)
	r.printLatencies(w)
	r.printLoads(w)
	r.printSpools(w)
	r.printPrograms(w)
}

func (r *report) printTimes(w io.Writer) {
	t := newTable(w, "throughput", "runs", "seconds", "lines/s", "MB/s", "times copy", "CPU s per million lines", "lines that differ")
	for _, f := range r.timed() {
		times := "–"
		if base := r.of("copy"); base != nil {
			times = fmt.Sprintf("%.2f", f.spread(seconds).Median/base.spread(seconds).Median)
		}
		t.row(f.Name, strconv.Itoa(len(f.Runs)), decimals(f.spread(seconds), 2), rounded(f.spread(lineRate)), decimals(f.spread(byteRate), 0), times,
			decimals(f.spread(perMillion), 2), f.differences().String())
	}
	t.end()
}

// printRatios says how many times as many lines a second each of our forms carries as each peer.
func (r *report) printRatios(w io.Writer) {
	var others []*results
	heads := []string{"times as fast as"}
	for _, f := range r.timed() {
		if !f.Ours && f.Name != "copy" {
			others = append(others, f)
			heads = append(heads, f.Name)
		}
	}
	if len(others) == 0 {
		return
	}
	t := newTable(w, heads...)
	for _, f := range r.timed() {
		if !f.Ours {
			continue
		}
		cells := []string{f.Name}
		for _, o := range others {
			cells = append(cells, fmt.Sprintf("%.1f", f.spread(lineRate).Median/o.spread(lineRate).Median))
		}
		t.row(cells...)
	}
	t.end()
}

func (r *report) printLatencies(w io.Writer) {
	t := newTable(w, "latency in ms", "runs", "lines", "p50", "p90", "p99", "max", "looked every p50/p99", "lines that differ")
	for _, f := range r.live() {
		of := func(figure func(*latency) float64) string {
			return decimals(f.spread(func(r run) float64 { return figure(r.Latency) }), 2)
		}
		t.row(f.Name, strconv.Itoa(len(f.Runs)), strconv.Itoa(f.Runs[0].Latency.Lines),
			of(func(l *latency) float64 { return l.P50 }), of(func(l *latency) float64 { return l.P90 }),
			of(func(l *latency) float64 { return l.P99 }), of(func(l *latency) float64 { return l.Max }),
			fmt.Sprintf("%.2f/%.2f", f.spread(func(r run) float64 { return r.Latency.LookP50 }).Median, f.spread(func(r run) float64 { return r.Latency.LookP99 }).Median),
			f.differences().String())
	}
	t.end()
}

func (r *report) printLoads(w io.Writer) {
	t := newTable(w, "load", "doing", "for seconds", "program", "percent of a core", "lines that differ")
	for _, f := range r.Forms {
		l := f.Runs[0].Load
		if l == nil {
			continue
		}
		for i, program := range l.Programs {
			t.row(f.Name, l.Doing, fmt.Sprintf("%.0f", l.Seconds), program.Program,
				decimals(f.spread(func(r run) float64 { return r.Load.Programs[i].Percent }), 3), f.differences().String())
		}
	}
	t.end()
}

func (r *report) printSpools(w io.Writer) {
	t := newTable(w, "spool", "bytes of its files per byte of input", "MiB of its files")
	for _, f := range r.Forms {
		switch first := f.Runs[0]; {
		case first.Spool > 0:
			t.row(f.Name, decimals(f.spread(func(r run) float64 { return r.Spool }), 3), "–")
		case first.SpoolSize > 0:
			t.row(f.Name, "–", decimals(f.spread(func(r run) float64 { return float64(r.SpoolSize) / (1 << 20) }), 2))
		}
	}
	t.end()
}

func (r *report) printPrograms(w io.Writer) {
	t := newTable(w, "programs", "program", "CPU s", "CPU s per million lines", "peak MiB")
	for _, f := range r.Forms {
		for i, u := range f.Runs[0].Programs {
			million := "–"
			if f.timed() {
				million = decimals(f.spread(programCPUPerMillion(i)), 3)
			}
			t.row(f.Name, u.Program, decimals(f.spread(programCPU(i)), 2), million, decimals(f.spread(programPeak(i)), 1))
		}
	}
	t.end()
}

// table is printed if it has a row.
type table struct {
	w    *tabwriter.Writer
	head []string
	rows int
}

func newTable(w io.Writer, head ...string) *table {
	return &table{w: tabwriter.NewWriter(w, 0, 0, 1, ' ', 0), head: head}
}

func (t *table) row(cells ...string) {
	if t.rows == 0 {
		fmt.Fprintln(t.w)
		t.line(t.head)
		fmt.Fprintf(t.w, "|%s\n", strings.Repeat(" ---\t|", len(t.head)))
	}
	t.rows++
	t.line(cells)
}

func (t *table) line(cells []string) { fmt.Fprintf(t.w, "| %s\t|\n", strings.Join(cells, "\t| ")) }

func (t *table) end() { _ = t.w.Flush() } // to the terminal

// decimals writes a spread with so many digits behind the point.
func decimals(s spread, digits int) string {
	return fmt.Sprintf("%.*f (%.*f–%.*f)", digits, s.Median, digits, s.Min, digits, s.Max)
}

// rounded writes a spread of whole numbers.
func rounded(s spread) string {
	return fmt.Sprintf("%s (%s–%s)", grouped(s.Median), grouped(s.Min), grouped(s.Max))
}

// grouped writes a whole number of at least 0 with commas.
func grouped(v float64) string {
	digits := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
