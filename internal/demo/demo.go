package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Config is what the demo is made from.
type Config struct {
	Lines    int    // how many lines the application writes
	Dir      string // where everything is kept, an empty folder or none yet; "" takes a new temporary one
	Out      io.Writer
	Terminal bool // Out is one

	during time.Duration // how long the application writes; 0 is usual
}

// usual is how long the application writes.
const usual = 8 * time.Second

// settle is how long the lines may take to the Scribes' disks when all programs are there again.
const settle = time.Minute

// The folders below that of the demo.
const (
	appDir    = "app"
	logFolder = "demo" // of the logs, in their names
)

// scribes are the Scribes' names, and those of their folders.
var scribes = []string{"scribe-1", "scribe-2"}

// demo is one that runs.
type demo struct {
	cfg      Config
	dir      string
	programs []*program
	app      *app
	screen   *screen
}

// Result is what has become of the lines, as the files say.
type Result struct {
	Dir  string  `json:"dir"`
	Logs []Count `json:"logs"`
	All  Count   `json:"all"`
}

// Run runs the demo. It returns an error if it could not be run to its end, and then no result, or if the files are not what they
// must be.
func Run(ctx context.Context, cfg Config) (_ *Result, err error) {
	bins, err := find("scribe", "scribe-mediator", "scribe-agent")
	if err != nil {
		return nil, err
	}
	if cfg.during == 0 {
		cfg.during = usual
	}
	dir, made, err := folder(cfg.Dir)
	if err != nil {
		return nil, err
	}
	d := &demo{cfg: cfg, dir: dir, screen: &screen{terminal: cfg.Terminal, out: cfg.Out, begin: time.Now()}}
	d.app = &app{dir: filepath.Join(dir, appDir), lines: cfg.Lines, during: cfg.during}
	if err = d.plan(bins); err == nil {
		err = d.play(ctx)
	}
	d.screen.show("")
	if ctx.Err() != nil {
		if made {
			d.screen.printf("Broken off: all programs have ended, and %s is removed.\n", dir)
			if err := os.RemoveAll(dir); err != nil {
				return nil, err
			}
			return nil, err
		}
		d.screen.printf("Broken off: all programs have ended.\n")
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w; what there is is in %s", err, dir)
	}
	return d.conclude()
}

// folder returns the folder for everything, and whether it was made just now.
func folder(name string) (dir string, made bool, err error) {
	if name == "" {
		dir, err = os.MkdirTemp("", "scribe-demo-")
		return dir, true, err
	}
	if dir, err = filepath.Abs(name); err != nil {
		return "", false, err
	}
	if strings.ContainsFunc(dir, func(r rune) bool {
		return strings.ContainsRune(`*?[]{}\`, r) || r == utf8.RuneError || !unicode.IsPrint(r)
	}) {
		return "", false, fmt.Errorf("%q can't stand as it is in a glob, with which the agent is told of the files: name another folder with -dir", dir)
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return "", false, fmt.Errorf("%s is not empty: name another folder with -dir, or none", dir)
	}
	return dir, false, os.MkdirAll(dir, 0o755)
}

// plan makes the folders and says how the programs are to be started, in that order.
func (d *demo) plan(bins map[string]string) error {
	front, err := freeAddress()
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(front)
	if err != nil {
		return err
	}
	state := filepath.Join(d.dir, "state")
	for _, dir := range []string{d.app.dir, state} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	config := filepath.Join(d.dir, "agent.toml")
	text := fmt.Sprintf("mediators = [%q]\nops = \"off\"\n\n[spool]\npath = %q\n\n[[file]]\npaths = [%q]\nlog = \"%s/{stem}\"\n",
		front, filepath.Join(state, "spool.db"), filepath.Join(d.app.dir, "*.log"), logFolder)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return err
	}
	add := func(name, bin string, args ...string) {
		d.programs = append(d.programs, &program{name: name, bin: bins[bin], args: args, dir: state})
	}
	add("mediator", "scribe-mediator", "-host", host, "-port", port, "-data", filepath.Join(state, "mediator"), "-ops", "off")
	for _, name := range scribes {
		add(name, "scribe", "-host", host, "-port", "0", "-id", name, "-path", filepath.Join(d.dir, name), "-mediator", front, "-ops", "off")
	}
	add("agent", "scribe-agent", "-config", config)
	return nil
}

// freeAddress returns an address on loopback at which nobody listens.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (d *demo) program(name string) *program {
	i := slices.IndexFunc(d.programs, func(p *program) bool { return p.name == name })
	return d.programs[i]
}

// play starts the programs, has lines written, kills and starts the programs meanwhile, and ends them once all lines are
// on the Scribes' disks.
func (d *demo) play(ctx context.Context) error {
	defer func() {
		for _, p := range d.programs {
			p.kill()
		}
	}()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	d.screen.printf("A mediator, two Scribes and an agent, each a process of its own, in\n%s\n"+
		"An application writes %s lines to %d files, which the agent tails.\nMeanwhile the others are killed.\n\n",
		d.dir, thousands(d.cfg.Lines), len(logs))
	if err := d.start(ctx); err != nil {
		return err
	}
	var others sync.WaitGroup
	defer others.Wait()
	defer cancel(nil)
	others.Go(func() {
		if err := d.app.run(ctx); err != nil {
			cancel(fmt.Errorf("the application: %w", err))
		}
	})
	others.Go(func() { d.watch(ctx) })
	if err := d.tell(ctx); err != nil {
		return err
	}
	if err := d.await(ctx, func() bool { return int(d.app.written.Load()) == d.cfg.Lines }); err != nil {
		return err
	}
	d.screen.event("all lines are written               %s", d.sofar())
	deadline := time.Now().Add(settle)
	if err := d.await(ctx, func() bool { return d.onDisk() >= d.cfg.Lines || time.Now().After(deadline) }); err != nil {
		return err
	}
	d.screen.event("all that will come is on disk: stopping the programs")
	var errs []error
	for _, p := range slices.Backward(d.programs) { // the agent first, which waits for its last receipts
		errs = append(errs, p.stop())
	}
	return errors.Join(errs...)
}

// start starts the programs. The agent comes last, when both Scribes are there to own something.
func (d *demo) start(ctx context.Context) error {
	for _, p := range d.programs {
		if p.name == "agent" {
			deadline := time.Now().Add(settle)
			err := d.await(ctx, func() bool {
				return d.program(scribes[0]).says("msg=registered") && d.program(scribes[1]).says("msg=registered") || time.Now().After(deadline)
			})
			if err != nil {
				return err
			}
		}
		if err := p.start(); err != nil {
			return err
		}
	}
	for _, p := range d.programs {
		d.screen.event("started   %-9s %s", p.name, process(p.pid()))
	}
	return nil
}

// watch keeps the progress on the screen.
func (d *demo) watch(ctx context.Context) {
	for sleep(ctx, 5*glance) == nil {
		var down []string
		for _, p := range d.programs {
			if !p.up.Load() {
				down = append(down, p.name)
			}
		}
		d.screen.progress(d.cfg.Lines, int(d.app.written.Load()), d.onDisk(), down)
	}
}

// onDisk returns how many lines the Scribes' files hold, by their sizes.
func (d *demo) onDisk() int {
	var bytes int64
	for _, name := range scribes {
		for _, log := range logs {
			files, _ := filesOf(filepath.Join(d.dir, name), log) // the proof will say
			for _, f := range files {
				if info, err := os.Stat(f); err == nil { // else it was rotated just now
					bytes += info.Size()
				}
			}
		}
	}
	return int(bytes / lineLength)
}

// conclude reads all files, and says what has become of the lines.
func (d *demo) conclude() (*Result, error) {
	counts, err := prove(d.dir)
	if err != nil {
		return nil, err
	}
	r := &Result{Dir: d.dir, Logs: counts, All: Count{Log: "all"}}
	d.screen.printf("\n%-13s %-10s %10s %10s %6s %9s %13s\n", "log", "owner", "written", "found", "lost", "repeated", "out of order")
	for _, c := range counts {
		d.screen.row(c)
		r.All.add(c)
	}
	d.screen.row(r.All)
	d.screen.printf("\nthe application's files  %s\nthe Scribes' files       %s\n                         %s\n",
		filepath.Join(d.dir, appDir), filepath.Join(d.dir, scribes[0], logFolder), filepath.Join(d.dir, scribes[1], logFolder))
	switch all := r.All; {
	case !all.right():
		return r, fmt.Errorf("the Scribes' files are not what the application wrote: of %s lines %s lost, %s repeated, %s out of order, %s altered",
			thousands(all.Written), thousands(all.Lost), thousands(all.Repeated), thousands(all.OutOfOrder), thousands(all.Altered))
	case all.Written != d.cfg.Lines:
		return r, fmt.Errorf("the application wrote %s lines instead of %s", thousands(all.Written), thousands(d.cfg.Lines))
	}
	d.screen.printf("to remove them           rm -r %s\n\nEach line that was written stands there once, in order, and byte for byte.\n", d.dir)
	return r, nil
}

func (s *screen) row(c Count) {
	s.printf("%-13s %-10s %10s %10s %6s %9s %13s\n", c.Log, strings.Join(c.Owners, ", "), thousands(c.Written), thousands(c.Found),
		thousands(c.Lost), thousands(c.Repeated), thousands(c.OutOfOrder))
}
