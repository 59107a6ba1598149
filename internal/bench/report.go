package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"
)

// report is everything that was measured.
type report struct {
	When   time.Time  `json:"when"`
	System system     `json:"system"`
	Input  inputFacts `json:"input"`
	Forms  []*results `json:"forms"`
}

type system struct {
	OS        string `json:"os"`
	Arch      string `json:"arch"`
	CPUs      int    `json:"cpus"`
	Processor string `json:"processor"`
	Go        string `json:"go"`
}

type inputFacts struct {
	Lines  int    `json:"lines"`
	Bytes  int64  `json:"bytes"`
	Origin string `json:"origin"`
}

// results are all runs of one form.
type results struct {
	Name  string `json:"name"`
	About string `json:"about"`
	Ours  bool   `json:"ours"`
	Runs  []run  `json:"runs"`
}

func newReport(b *bench) *report {
	return &report{
		When:   time.Now().UTC().Truncate(time.Second),
		System: system{runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), processor(), runtime.Version()},
		Input:  inputFacts{b.input.lines, b.input.bytes, b.corpus().about()},
	}
}

func (r *report) add(f form, found run) {
	i := slices.IndexFunc(r.Forms, func(x *results) bool { return x.Name == f.name })
	if i < 0 {
		i = len(r.Forms)
		r.Forms = append(r.Forms, &results{Name: f.name, About: f.about, Ours: f.ours})
	}
	r.Forms[i].Runs = append(r.Forms[i].Runs, found)
}

// failure returns an error if lines differ that our own programs have carried.
func (r *report) failure() error {
	var err error
	for _, f := range r.Forms {
		for i, found := range f.Runs {
			if f.Ours && found.Difference != (difference{}) {
				err = errors.Join(err, fmt.Errorf("run %d of %s: lines %s", i+1, f.Name, found.Difference))
			}
		}
	}
	return err
}

// write writes the report as JSON, and draws it; an empty name leaves either out.
func (r *report) write(jsonFile, svgFile string) error {
	if jsonFile != "" {
		text, err := json.MarshalIndent(r, "", "\t")
		if err != nil {
			return err
		}
		if err := os.WriteFile(jsonFile, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if svgFile == "" {
		return nil
	}
	return os.WriteFile(svgFile, r.plot(), 0o644)
}

// of returns the form's results, nil if it has none.
func (r *report) of(name string) *results {
	for _, f := range r.Forms {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// timed and live return the forms of throughput and those of latency.
func (r *report) timed() []*results {
	return slices.DeleteFunc(slices.Clone(r.Forms), func(f *results) bool { return !f.timed() })
}

func (r *report) live() []*results {
	return slices.DeleteFunc(slices.Clone(r.Forms), func(f *results) bool { return !f.live() })
}

func (f *results) timed() bool { return f.Runs[0].Seconds > 0 }
func (f *results) live() bool  { return f.Runs[0].Latency != nil }

// spread returns the spread of one figure over the runs.
func (f *results) spread(figure func(run) float64) spread {
	values := make([]float64, len(f.Runs))
	for i, r := range f.Runs {
		values[i] = figure(r)
	}
	return spreadOf(values)
}

// The figures of a run.
func seconds(r run) float64    { return r.Seconds }
func lineRate(r run) float64   { return float64(r.Lines) / r.Seconds }
func byteRate(r run) float64   { return float64(r.Bytes) / 1e6 / r.Seconds }
func perMillion(r run) float64 { return cpuSeconds(r) / float64(r.Lines) * 1e6 }
func cpuSeconds(r run) (sum float64) {
	for _, u := range r.Programs {
		sum += u.CPU
	}
	return sum
}

// program returns a figure of one of the programs: CPU seconds, those per million lines, and peak memory in MiB.
func programCPU(i int) func(run) float64 { return func(r run) float64 { return r.Programs[i].CPU } }
func programCPUPerMillion(i int) func(run) float64 {
	return func(r run) float64 { return r.Programs[i].CPU / float64(r.Lines) * 1e6 }
}
func programPeak(i int) func(run) float64 {
	return func(r run) float64 { return float64(r.Programs[i].Peak) / (1 << 20) }
}

// differences adds up what differed in all runs.
func (f *results) differences() difference {
	var d difference
	for _, r := range f.Runs {
		d.add(r.Difference)
	}
	return d
}
