package mediator

import (
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/logscribe/logscribe/internal/ops"
)

// metrics are the mediator's. They are read from its Stats when they are asked for.
var metrics ops.Families

var (
	scribesKnown  = metrics.Gauge("logscribe_mediator_scribes", "Scribes that have registered, by state: up or down.", "state")
	scribeUp      = metrics.Gauge("logscribe_mediator_scribe_up", "1 while the Scribe answers health checks.", "scribe")
	scribeDown    = metrics.Gauge("logscribe_mediator_scribe_down_seconds", "How long the Scribe has not answered; 0 while it does.", "scribe")
	scribeLogs    = metrics.Gauge("logscribe_mediator_scribe_logs", "Logs that the Scribe owns.", "scribe")
	logs          = metrics.Gauge("logscribe_mediator_logs", "Logs that have an owner.")
	streams       = metrics.Counter("logscribe_mediator_streams_total", "Streams that were begun.")
	directCalls   = metrics.Counter("logscribe_mediator_calls_total", "Calls of Log, and those of the original project's clients.")
	relayedBlocks = metrics.Counter("logscribe_mediator_relayed_blocks_total", "Blocks that were passed on, by streams that have ended.")
	relayedBytes  = metrics.Counter("logscribe_mediator_relayed_bytes_total", "Bytes of these, as they were sent.")
	receipts      = metrics.Latency("logscribe_mediator_receipt_seconds", "From the end of a stream until the receipts of the Scribes.")
	failovers     = metrics.Counter("logscribe_mediator_failovers_total", "Logs that got another owner; lines whose receipts were lost with the old one may stand twice.")
	raises        = metrics.Counter("logscribe_mediator_epoch_raises_total", "Epochs that were raised to what a Scribe had seen: the memory of this mediator was not the latest.")
)

// Metrics returns the families of a mediator's metrics, for their documentation.
func Metrics() ops.Families { return metrics }

// Collector returns the mediator's metrics.
func (m *Mediator) Collector() prometheus.Collector { return metrics.Collector(m.collect) }

func (m *Mediator) collect(to ops.Sink) {
	st := m.Stats()
	up := 0
	for _, s := range st.Scribes {
		if s.Up {
			up++
		}
		ops.PutIf(to, scribeUp, s.Up, s.ID)
		ops.Put(to, scribeDown, s.DownFor.Seconds(), s.ID)
		ops.Put(to, scribeLogs, s.Logs, s.ID)
	}
	ops.Put(to, scribesKnown, up, "up")
	ops.Put(to, scribesKnown, len(st.Scribes)-up, "down")
	ops.Put(to, logs, st.Logs)
	ops.Put(to, streams, st.Streams)
	ops.Put(to, directCalls, st.Calls)
	ops.Put(to, relayedBlocks, st.Blocks)
	ops.Put(to, relayedBytes, st.Bytes)
	ops.PutLatency(to, receipts, st.Receipts)
	ops.Put(to, failovers, st.Failovers)
	ops.Put(to, raises, st.EpochRaises)
}

// Summary returns which Scribes there are, in a few words.
func (m *Mediator) Summary() string {
	st := m.Stats()
	var down []string
	for _, s := range st.Scribes {
		if !s.Up {
			down = append(down, s.ID)
		}
	}
	text := fmt.Sprintf("Scribes: %d up, %d down", len(st.Scribes)-len(down), len(down))
	if named := down[:min(len(down), summaryNames)]; len(named) > 0 {
		text += " (" + strings.Join(named, ", ")
		if len(down) > len(named) {
			text += ", …"
		}
		text += ")"
	}
	return fmt.Sprintf("%s; %d logs have an owner", text, st.Logs)
}

// summaryNames is how many Scribes that are down a summary names, and readiness.
const summaryNames = 5

// Live returns which of the mediator's main loops have stopped doing their work, a reason each.
func (m *Mediator) Live() []string {
	since := m.owners.settling.Load()
	if since == 0 {
		return nil
	}
	// A decision waits for the first check of each Scribe.
	if busy := time.Since(time.Unix(0, since)); busy > ops.StuckAfter()+m.cfg.HealthInterval {
		return []string{fmt.Sprintf("a decision on the owners of logs has taken %v so far", busy.Round(time.Second))}
	}
	return nil
}

// Ready returns why the mediator can't do its job: it needs a Scribe that is up.
func (m *Mediator) Ready() []string {
	all := m.Stats().Scribes
	if len(all) == 0 {
		return []string{"no Scribe has registered"}
	}
	wrong := []string{"no Scribe is up"}
	for i, s := range all {
		if s.Up {
			return nil
		}
		if i < summaryNames {
			wrong = append(wrong, fmt.Sprintf("Scribe %q at %s: %s", s.ID, s.Address, s.Trouble))
		}
	}
	if more := len(all) - summaryNames; more > 0 {
		wrong = append(wrong, fmt.Sprintf("and %d more", more))
	}
	return wrong
}
