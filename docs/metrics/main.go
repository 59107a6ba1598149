// Metrics writes docs/metrics.md, the list of all metrics, from the code that serves them.
package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/logscribe/logscribe/agent"
	"github.com/logscribe/logscribe/internal/latency"
	"github.com/logscribe/logscribe/internal/ops"
	"github.com/logscribe/logscribe/mediator"
	"github.com/logscribe/logscribe/scribe"
)

//go:generate go run .

// page is where the list goes, from this folder.
const page = "../metrics.md"

func main() {
	if err := os.WriteFile(page, []byte(text()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "metrics:", err)
		os.Exit(1)
	}
}

// programs are those that serve metrics, in the order of the data.
func programs() []program {
	return []program{
		{"scribe-agent", "agent", agent.Metrics()},
		{"scribe-mediator", "mediator", mediator.Metrics()},
		{"scribe", "scribe", scribe.Metrics()},
	}
}

type program struct {
	name, short string
	families    ops.Families
}

const intro = `# Metrics

<!-- Written by go generate ./docs/metrics from the code: do not edit. -->

Each program serves its metrics for Prometheus under ` + "`/metrics`" + ` at the address of ` + "`-ops`" + `. An agent with ` + "`-local`" + ` serves
those of the Scribe in it too. [operations.md](operations.md) says how to look at them. Beside these, each serves what the
Prometheus client library tells of every Go program, as ` + "`process_resident_memory_bytes`, `process_open_fds` and `go_goroutines`" + `.

Counters begin at 0 with each start, unless they say otherwise. Durations are in seconds, in histograms with the bounds
%s.

Figures of single logs exist for a bounded number of them: those %d logs of which the most lines wait in an agent's spool, and
those %d of which a Scribe has committed the most bytes since its start.
`

func text() string {
	var bounds []string
	for _, b := range latency.Bounds {
		bounds = append(bounds, fmt.Sprint(b.Seconds()))
	}
	var out strings.Builder
	fmt.Fprintf(&out, intro, strings.Join(bounds, ", "), agent.MostLogs, scribe.MostLogs)
	for _, p := range programs() {
		fmt.Fprintf(&out, "\n## %s\n\n| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n", p.name)
		info, _ := ops.BuildInfo(p.short)
		reloads, _ := ops.ReloadMetrics(p.short)
		for _, f := range slices.Concat(info, reloads, p.families) {
			fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", f.Name, f.Type, strings.Join(f.Labels, ", "), strings.ReplaceAll(f.Help, "|", `\|`))
		}
	}
	return out.String()
}
