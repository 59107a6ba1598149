package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
)

// form is one way to carry lines that is measured.
type form struct {
	name, about string
	ours        bool   // a difference is a failure of this project
	standard    bool   // is run when no forms are named
	missing     string // what is not installed here that it needs; "" if nothing is
	measure     func(ctx context.Context, b *bench, dir string) (run, error)
}

// run is what was measured in one run of a form.
type run struct {
	Seconds    float64    `json:"seconds,omitempty"`
	Lines      int        `json:"lines"`
	Bytes      int64      `json:"bytes"`
	Difference difference `json:"difference"`
	Programs   []usage    `json:"programs"`
	Latency    *latency   `json:"latency,omitempty"`
}

// lay prepares a pipeline that carries the lines of a file, in an empty folder.
type lay func(b *bench, dir, in string) (*pipeline, error)

// allForms returns all forms in the order in which they are run.
func allForms() []form {
	plain := ourLay(settings{compression: "s2", store: "plain", size: "-1B"})
	forms := []form{
		{name: "copy", about: "cp and fdatasync of the same file, the least that this machine needs", standard: true, measure: measureCopy},
		{name: "plain", about: "s2 blocks, plain files without a limit of size", ours: true, standard: true, measure: throughput(plain)},
		{name: "rotated", about: "s2 blocks, plain files rotated at 1 MB, which is the default", ours: true, standard: true,
			measure: throughput(ourLay(settings{compression: "s2", store: "plain", size: "1MB"}))},
		{name: "zstd", about: "zstd blocks, written through to .log.zst as they come", ours: true, standard: true,
			measure: throughput(ourLay(settings{compression: "zstd", store: "zstd", size: "-1B"}))},
	}
	for _, p := range peers {
		f := form{name: p.name, about: p.about, standard: true, measure: throughput(p.layIn)}
		if _, ok := p.find(); !ok {
			f.missing = p.bin
		}
		forms = append(forms, f)
	}
	forms = append(forms, form{name: "latency", about: "single lines through an idle pipeline, as plain", ours: true, measure: liveLatency(plain)})
	for _, p := range peers {
		f := form{name: "latency-" + p.name, about: "single lines through an idle " + p.name, measure: liveLatency(p.layIn)}
		if _, ok := p.find(); !ok {
			f.missing = p.bin
		}
		forms = append(forms, f)
	}
	return forms
}

// chosen returns the forms whose whole name the expression matches, or the standard ones if it is empty.
func chosen(forms []form, expression string) ([]form, error) {
	re, err := regexp.Compile("^(?:" + expression + ")$")
	if err != nil {
		return nil, fmt.Errorf("-run: %w", err)
	}
	var some []form
	names := ""
	for _, f := range forms {
		if expression == "" && f.standard || expression != "" && re.MatchString(f.name) {
			some = append(some, f)
		}
		names += " " + f.name
	}
	if len(some) == 0 {
		return nil, fmt.Errorf("-run %q: no form has such a name; there are%s", expression, names)
	}
	return some, nil
}

func ourLay(s settings) lay {
	return func(b *bench, dir, in string) (*pipeline, error) { return b.fleet.lay(dir, in, s) }
}

func (p peer) layIn(_ *bench, dir, in string) (*pipeline, error) { return p.lay(dir, in) }

// throughput measures how long it takes until all lines of the input have arrived.
func throughput(lay lay) func(context.Context, *bench, string) (run, error) {
	return func(ctx context.Context, b *bench, dir string) (run, error) {
		p, err := lay(b, dir, b.input.path)
		if err != nil {
			return run{}, err
		}
		defer p.kill()
		took, err := p.carry(ctx, b.input)
		if err != nil {
			return run{}, err
		}
		d, err := compare(b.input, p.out)
		return run{Seconds: took.Seconds(), Lines: b.input.lines, Bytes: b.input.bytes, Difference: d, Programs: p.usages()}, err
	}
}

// measureCopy copies the input with cp, and syncs the copy.
func measureCopy(_ context.Context, b *bench, dir string) (run, error) {
	twin := filepath.Join(dir, "copy.log")
	cp := &program{name: "cp", dir: dir}
	began := time.Now()
	cp.cmd = exec.Command("cp", b.input.path, twin)
	if out, err := cp.cmd.CombinedOutput(); err != nil {
		return run{}, fmt.Errorf("cp: %w\n%s", err, out)
	}
	file, err := os.OpenFile(twin, os.O_WRONLY, 0)
	if err != nil {
		return run{}, err
	}
	defer file.Close()
	if err := syncData(file); err != nil {
		return run{}, err
	}
	took := time.Since(began)
	d, err := compare(b.input, newOutput(twin))
	return run{Seconds: took.Seconds(), Lines: b.input.lines, Bytes: b.input.bytes, Difference: d, Programs: []usage{cp.usage()}}, err
}
