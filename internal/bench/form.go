package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
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
	Load       *load      `json:"load,omitempty"`
	Spool      float64    `json:"spool_bytes_per_input_byte,omitempty"`
	SpoolSize  int64      `json:"spool_bytes,omitempty"`
}

// lay prepares a pipeline that carries the lines of a file, in an empty folder.
type lay func(b *bench, dir string, in input) (*pipeline, error)

// allForms returns all forms in the order in which they are run.
func allForms() []form {
	rotated := settings{compression: "s2", store: "plain", size: "1MB"}
	zstd := settings{compression: "zstd", store: "zstd", size: "-1B"}
	forms := []form{
		{name: "copy", about: "cp and fdatasync of the same file, the least that this machine needs", standard: true, measure: measureCopy},
		{name: "plain", about: "s2 blocks, plain files without a limit of size", ours: true, standard: true, measure: throughput(ourLay(plain))},
		{name: "rotated", about: "s2 blocks, plain files rotated at 1 MB, which is the default", ours: true, standard: true, measure: throughput(ourLay(rotated))},
		{name: "zstd", about: "zstd blocks, written through to .log.zst as they come", ours: true, standard: true, measure: throughput(ourLay(zstd))},
	}
	live := []form{
		{name: "latency-sync", about: "single lines appended to a file and synced, by one process and once", measure: syncLatency},
		{name: "latency", about: "single lines through an idle pipeline, as plain", ours: true, measure: liveLatency(ourLay(plain))},
	}
	for _, p := range peers {
		missing := ""
		if _, ok := p.find(); !ok {
			missing = p.bin
		}
		forms = append(forms, form{name: p.name, about: p.about, standard: true, missing: missing, measure: throughput(p.layIn)})
		live = append(live, form{name: "latency-" + p.name, about: "single lines through an idle " + p.name, missing: missing, measure: liveLatency(p.layIn)})
	}
	return slices.Concat(forms, live, largerForms())
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
	return func(b *bench, dir string, in input) (*pipeline, error) { return b.fleet.lay(dir, [][]input{{in}}, s) }
}

func (p peer) layIn(_ *bench, dir string, in input) (*pipeline, error) { return p.lay(dir, in) }

// throughput measures how long it takes until all lines of the input have arrived.
func throughput(lay lay) func(context.Context, *bench, string) (run, error) {
	return func(ctx context.Context, b *bench, dir string) (run, error) {
		p, err := lay(b, dir, b.input)
		if err != nil {
			return run{}, err
		}
		return p.measure(ctx)
	}
}

// measure carries all lines, and compares them.
func (p *pipeline) measure(ctx context.Context) (run, error) {
	defer p.kill()
	took, err := p.carry(ctx)
	if err != nil {
		return run{}, err
	}
	return p.finished(took)
}

// measureCopy copies the input with cp, and syncs the copy.
func measureCopy(_ context.Context, b *bench, dir string) (run, error) {
	twin := filepath.Join(dir, "copy.log")
	cp := &program{name: "cp", dir: dir}
	args := []string{b.input.path, twin}
	if runtime.GOOS == "linux" {
		args = append([]string{"--reflink=never"}, args...) // some file systems would copy nothing
	}
	began := time.Now()
	cp.cmd = exec.Command("cp", args...)
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
	d, err := compare(b.input, newOutput("copy.log", dir))
	return run{Seconds: took.Seconds(), Lines: b.input.lines, Bytes: b.input.bytes, Difference: d, Programs: []usage{cp.usage()}}, err
}
