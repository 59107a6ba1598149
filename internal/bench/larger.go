package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// largerForms returns the forms beyond one log on one idle host. All but stream and those that are slow carry as many lines as the others do, all
// in all.
func largerForms() []form {
	var forms []form
	for _, agents := range []int{1, 4, 16} {
		for _, scribes := range []int{1, 2, 4} {
			s := plain
			s.scribes = scribes
			forms = append(forms, form{
				name:  fmt.Sprintf("scale-%d-%d", agents, scribes),
				about: fmt.Sprintf("as plain, the lines dealt out to 4 logs of each agent; agents: %d, Scribes: %d", agents, scribes),
				ours:  true, measure: parted(agents, 4, s),
			})
		}
	}
	far := plain
	far.roundTrip = 100 * time.Millisecond
	return append(forms,
		form{name: "logs-1000", about: "as plain, the lines dealt out to 1,000 logs of one agent", ours: true, measure: parted(1, 1000, plain)},
		form{name: "far", about: "as plain, agent and mediator 100 ms apart, there and back", ours: true, measure: throughput(ourLay(far))},
		form{name: "backlog", about: "as plain, from when the Scribe comes up after all lines were spooled", ours: true, measure: backlog},
		form{name: "backlog-live", about: "as backlog, with single lines of another log meanwhile", ours: true, measure: backlogLive},
		form{name: "slow", about: "a line a second", ours: true, measure: slowly(1)},
		form{name: "logs-10000-slow", about: "10,000 logs of one agent, each a line a second", ours: true, measure: slowly(10_000)},
		form{name: "stream", about: "10,000 single lines a second, each a write of its own", ours: true, measure: stream(ourLay(plain))},
	)
}

// parted deals the lines out to so many logs of each of so many agents, and measures how long it takes until all have
// arrived.
func parted(agents, logs int, s settings) func(context.Context, *bench, string) (run, error) {
	return func(ctx context.Context, b *bench, dir string) (run, error) {
		all, err := deal(filepath.Join(dir, "in"), b.corpus(), b.lines, agents*logs)
		if err != nil {
			return run{}, err
		}
		var groups [][]input
		for i := range agents {
			groups = append(groups, all[i*logs:(i+1)*logs])
		}
		p, err := b.fleet.lay(dir, groups, s)
		if err != nil {
			return run{}, err
		}
		return p.measure(ctx)
	}
}

// deal writes n lines to so many files in a new folder, as evenly as can be.
func deal(dir string, c corpus, n, files int) ([]input, error) {
	if err := os.Mkdir(dir, 0o750); err != nil {
		return nil, err
	}
	all := make([]input, files)
	for i := range all {
		var err error
		share := n*(i+1)/files - n*i/files
		if all[i], err = writeInput(filepath.Join(dir, fmt.Sprintf("app-%04d.log", i+1)), c, share); err != nil {
			return nil, err
		}
	}
	return all, nil
}
