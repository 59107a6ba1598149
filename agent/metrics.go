package agent

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/connectivity"

	"github.com/logscribe/logscribe/agent/line"
	"github.com/logscribe/logscribe/agent/ship"
	"github.com/logscribe/logscribe/agent/stdin"
	"github.com/logscribe/logscribe/agent/tail"
	"github.com/logscribe/logscribe/internal/ops"
	"github.com/logscribe/logscribe/internal/size"
	"github.com/logscribe/logscribe/spool"
)

// MostLogs bounds the logs that have figures of their own: those with the largest backlogs.
const MostLogs = 100

// metrics are the agent's. They are read from the counts of its parts when they are asked for, so that a count is kept in
// one place.
var metrics ops.Families

// The lines' way.
var (
	readLines    = metrics.Counter("logscribe_agent_read_lines_total", "Lines that were read and are spooled or left out by rules. A line that is delivered in pieces counts once for each.", "source")
	readBytes    = metrics.Counter("logscribe_agent_read_bytes_total", "Bytes of the lines that were read and spooled, as the rules left them.", "source")
	filtered     = metrics.Counter("logscribe_agent_filtered_lines_total", "Lines that rules left out, as the configuration asks: not_included or excluded.", "reason")
	redacted     = metrics.Counter("logscribe_agent_redacted_events_total", "Events in which rules replaced something.")
	cutLines     = metrics.Counter("logscribe_agent_cut_lines_total", "Lines that were delivered in pieces, for they are longer than max_line.")
	clipped      = metrics.Counter("logscribe_agent_clipped_events_total", "Events that rules made larger than a block, and that were cut off there.")
	spooledLines = metrics.Counter("logscribe_agent_spooled_lines_total", "Lines that were stored in the spool.")
	spooledBytes = metrics.Counter("logscribe_agent_spooled_bytes_total", "Bytes of the lines that were stored in the spool, before compression.")
	sentBlocks   = metrics.Counter("logscribe_agent_sent_blocks_total", "Blocks that were sent. What had no receipt is sent again, and counts again.")
	sentLines    = metrics.Counter("logscribe_agent_sent_lines_total", "Lines in the blocks that were sent.")
	sentBytes    = metrics.Counter("logscribe_agent_sent_bytes_total", "Bytes of the blocks that were sent, as they are compressed.")
	shippedLines = metrics.Counter("logscribe_agent_shipped_lines_total", "Lines that left the spool because a receipt says that they are safe on a Scribe's disk.")
	shippedBytes = metrics.Counter("logscribe_agent_shipped_bytes_total", "Bytes of the lines with a receipt, before compression. Of a stream that was committed in part it is in proportion to its lines.")
	dropped      = metrics.Counter("logscribe_agent_dropped_lines_total", "Lines that will not be delivered, as far as they could be counted, as `scribe-agent loss` lists them: since the spool was made, "+
		"across restarts. spool_full: the policy drop_oldest dropped them; refused: no Scribe takes them; damaged: they were damaged in the spool; spool_lost: with the whole spool; "+
		"truncated, deleted, stopped, compressed: they were destroyed before they could be read.", "reason")
	lostBytes = metrics.Counter("logscribe_agent_lost_bytes_total", "Bytes of lines that will not be delivered, uncompressed, as far as they could be counted, by the same reasons, since the spool was made.", "reason")
	lostTimes = metrics.Counter("logscribe_agent_losses_total", "How often lines were lost, by the same reasons, since the spool was made; also where it is not known how many they were. While it is 0, nothing was lost that can be known.", "reason")
)

// The spool.
var (
	backlogLines  = metrics.Gauge("logscribe_agent_backlog_lines", "Lines in the spool that wait for a receipt.")
	backlogBytes  = metrics.Gauge("logscribe_agent_backlog_bytes", "Bytes of the blocks in the spool, as they are compressed.")
	backlogAge    = metrics.Gauge("logscribe_agent_backlog_age_seconds", "How long the oldest line that waits for a receipt has been in the spool; 0 if none waits.")
	logBacklog    = metrics.Gauge("logscribe_agent_log_backlog_lines", "Lines of one log that wait for a receipt, of the 100 logs of which the most wait.", "log")
	spoolFile     = metrics.Gauge("logscribe_agent_spool_file_bytes", "What the spool takes of its disk.")
	spoolUsed     = metrics.Gauge("logscribe_agent_spool_used_bytes", "What of the spool's file holds something.")
	spoolFree     = metrics.Gauge("logscribe_agent_spool_free_bytes", "What further lines may take of the spool; absent where it has no limit.")
	spoolWaiting  = metrics.Gauge("logscribe_agent_spool_waiting_batches", "Batches of lines that wait to be stored: for room, for the disk, or for others to share a sync with.")
	spoolWaits    = metrics.Counter("logscribe_agent_spool_waits_total", "Batches of lines that had to wait for room in the spool or for its disk.")
	spoolErrors   = metrics.Counter("logscribe_agent_spool_disk_errors_total", "Attempts to write the spool, or to get more of the disk for it, that failed.")
	spoolAnew     = metrics.Counter("logscribe_agent_spool_compactions_total", "Times that the spool's file was written anew.")
	spoolForks    = metrics.Counter("logscribe_agent_spool_forks_total", "Times that the spool took a new producer, for it was a copy or had been put back to an earlier state.")
	spoolCommits  = metrics.Latency("logscribe_agent_spool_commit_seconds", "How long a transaction of the spool takes, with its syncs.")
	receiptsAfter = metrics.Latency("logscribe_agent_receipt_seconds", "From sending the first block of a stream until the receipts for all of it.")
	streams       = metrics.Counter("logscribe_agent_streams_total", "Streams that were begun.")
	failures      = metrics.Counter("logscribe_agent_stream_failures_total", "Streams that ended without receipts: what they carried is sent again.")
	connected     = metrics.Gauge("logscribe_agent_connected", "1 while there is a connection to a mediator or Scribe.")
)

// The files.
var (
	filesTailed  = metrics.Gauge("logscribe_agent_files_tailed", "Files that may get lines, as of the last scan.")
	filesOpen    = metrics.Gauge("logscribe_agent_files_open", "Files that are open.")
	unreadable   = metrics.Gauge("logscribe_agent_files_unreadable", "Files that could not be opened or read at the last attempt.")
	filesFound   = metrics.Counter("logscribe_agent_files_found_total", "Files that were found.")
	truncations  = metrics.Counter("logscribe_agent_file_truncations_total", "Files that were truncated or rewritten in place.")
	copies       = metrics.Counter("logscribe_agent_file_copies_total", "Files that were found to continue a truncated or a compressed one.")
	unpacked     = metrics.Counter("logscribe_agent_files_decompressed_total", "Of the copies, the compressed ones.")
	badArchives  = metrics.Counter("logscribe_agent_damaged_compressed_files_total", "Compressed files that are damaged.")
	givenUp      = metrics.Counter("logscribe_agent_files_given_up_total", "Deleted files that were closed before they were read to their ends.")
	appendErrors = metrics.Counter("logscribe_agent_append_errors_total", "Attempts to store lines of files in the spool that failed, and were repeated.")
	checkpoints  = metrics.Counter("logscribe_agent_damaged_checkpoints_total", "Checkpoints of files that were damaged, and therefore ignored.")
	overflows    = metrics.Counter("logscribe_agent_event_overflows_total", "Times that the kernel lost file events; a scan then finds what they would have told.")
)

// Metrics returns the families of an agent's metrics, for their documentation.
func Metrics() ops.Families { return metrics }

// Collector returns the agent's metrics.
func (a *Agent) Collector() prometheus.Collector { return metrics.Collector(a.collect) }

func (a *Agent) collect(to ops.Sink) {
	a.collectSpool(to)
	ops.PutIf(to, connected, a.state() == connectivity.Ready)
	if a.stdin != nil {
		collectStdin(to, a.stdin)
	}
	if a.isPrepared() { // an agent that resumes makes its file source anew
		collectShip(to, a.shipper.Stats())
		if a.tail != nil {
			collectTail(to, a.tail)
		}
	}
	a.collectRules(to)
	a.collectLosses(to)
}

// collectLosses tells the sums of the spool's list of losses.
func (a *Agent) collectLosses(to ops.Sink) {
	sums := a.spool.LossSums()
	for _, reason := range spool.Reasons {
		if !reason.Lost() {
			continue
		}
		sum := sums[reason]
		if reason == spool.SpoolFull { // what has arrived after all is taken off
			sum = a.dropped.atLeast(sum)
		}
		ops.Put(to, dropped, sum.Lines, string(reason))
		ops.Put(to, lostBytes, sum.Bytes, string(reason))
		ops.Put(to, lostTimes, sum.Times, string(reason))
	}
}

// highest is the most that there ever was of something.
type highest struct {
	mu  sync.Mutex
	sum spool.Loss
}

// atLeast keeps counters from falling: lines that were dropped while they were under way, and have arrived, do not count as
// dropped any more, and a counter that falls would pass for one that began anew.
func (m *highest) atLeast(sum spool.Loss) spool.Loss {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sum.Lines, m.sum.Bytes, m.sum.Times = max(m.sum.Lines, sum.Lines), max(m.sum.Bytes, sum.Bytes), max(m.sum.Times, sum.Times)
	return m.sum
}

func (a *Agent) collectSpool(to ops.Sink) {
	st := a.spool.Stats()
	var waiting uint64
	for _, q := range st.Queues {
		waiting += q.Lines()
	}
	ops.Put(to, spooledLines, st.StoredLines)
	ops.Put(to, spooledBytes, st.StoredBytes)
	ops.Put(to, shippedLines, st.SettledLines)
	ops.Put(to, backlogLines, waiting)
	ops.Put(to, backlogBytes, st.BlockBytes)
	ops.Put(to, backlogAge, a.backlogAge().Seconds())
	ops.Put(to, spoolFile, st.FileBytes)
	ops.Put(to, spoolUsed, st.UsedBytes)
	if st.FreeBytes != size.Unlimited {
		ops.Put(to, spoolFree, max(0, st.FreeBytes))
	}
	ops.Put(to, spoolWaiting, st.Waiting)
	ops.Put(to, spoolWaits, st.Waits)
	ops.Put(to, spoolErrors, st.DiskErrors)
	ops.Put(to, spoolAnew, st.Compactions)
	ops.Put(to, spoolForks, st.Forks)
	ops.PutLatency(to, spoolCommits, st.Commits)
	collectLogs(to, st.Queues)
}

// collectLogs tells what waits of the logs of which the most waits.
func collectLogs(to ops.Sink, queues []spool.Queue) {
	waiting := slices.DeleteFunc(queues, func(q spool.Queue) bool { return q.Lines() == 0 })
	slices.SortStableFunc(waiting, func(a, b spool.Queue) int { return cmp.Compare(b.Lines(), a.Lines()) })
	for _, q := range waiting[:min(len(waiting), MostLogs)] {
		ops.Put(to, logBacklog, q.Lines(), q.Log)
	}
}

// backlogAge returns how long the oldest line has waited; 0 if none waits, or if that can't be told now.
func (a *Agent) backlogAge() time.Duration {
	oldest, err := a.spool.Oldest()
	if err != nil {
		a.logger.Debug("can't tell the age of the backlog", "error", err)
	}
	if err != nil || oldest.IsZero() {
		return 0
	}
	return max(0, time.Since(oldest))
}

func collectShip(to ops.Sink, st ship.Stats) {
	ops.Put(to, sentBlocks, st.Blocks)
	ops.Put(to, sentLines, st.Lines)
	ops.Put(to, sentBytes, st.Bytes)
	ops.Put(to, shippedBytes, st.ShippedBytes)
	ops.Put(to, streams, st.Streams)
	ops.Put(to, failures, st.Failures)
	ops.PutLatency(to, receiptsAfter, st.Receipts)
}

func collectStdin(to ops.Sink, source *stdin.Source) {
	st, left := source.Stats(), source.Filtered()
	ops.Put(to, readLines, st.Lines+left.NotIncluded+left.Excluded, "stdin")
	ops.Put(to, readBytes, st.Bytes, "stdin")
}

func collectTail(to ops.Sink, source *tail.Source) {
	st, left := source.Stats(), sum(source.Filtered())
	ops.Put(to, readLines, st.Lines+left.NotIncluded+left.Excluded, "file")
	ops.Put(to, readBytes, st.Bytes, "file")
	ops.Put(to, filesTailed, st.Tailed)
	ops.Put(to, filesOpen, st.Open)
	ops.Put(to, unreadable, st.Unreadable)
	ops.Put(to, filesFound, st.Files)
	ops.Put(to, truncations, st.Truncations)
	ops.Put(to, copies, st.Copies)
	ops.Put(to, unpacked, st.Unpacked)
	ops.Put(to, badArchives, st.Damaged)
	ops.Put(to, givenUp, st.GivenUp)
	ops.Put(to, appendErrors, st.AppendErrors)
	ops.Put(to, checkpoints, st.BadCheckpoints)
	ops.Put(to, overflows, st.Overflows)
}

// collectRules tells what was done to lines, of all sources.
func (a *Agent) collectRules(to ops.Sink) {
	var done line.Counts
	if a.stdin != nil {
		done = a.stdin.Filtered()
	}
	if a.isPrepared() && a.tail != nil {
		done.Add(sum(a.tail.Filtered()))
	}
	ops.Put(to, filtered, done.NotIncluded, "not_included")
	ops.Put(to, filtered, done.Excluded, "excluded")
	ops.Put(to, redacted, done.Redacted)
	ops.Put(to, cutLines, done.Cut)
	ops.Put(to, clipped, done.Clipped)
}

func sum(counts map[string]line.Counts) (all line.Counts) {
	for _, c := range counts {
		all.Add(c)
	}
	return all
}
