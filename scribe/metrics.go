package scribe

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/logscribe/logscribe/internal/ops"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"github.com/logscribe/logscribe/scribe/store"
)

// metrics are the Scribe's. They are read from the counts of its parts when they are asked for.
var metrics ops.Families

// The lines' way.
var (
	streams         = metrics.Counter("logscribe_scribe_streams_total", "Streams that were begun.")
	streamsOpen     = metrics.Gauge("logscribe_scribe_streams_open", "Streams in progress.")
	directCalls     = metrics.Counter("logscribe_scribe_calls_total", "Calls of Log, and those of the original project's clients.")
	receivedBlocks  = metrics.Counter("logscribe_scribe_received_blocks_total", "Blocks that came, those that came again too.")
	receivedLines   = metrics.Counter("logscribe_scribe_received_lines_total", "Lines in the blocks that came.")
	receivedBytes   = metrics.Counter("logscribe_scribe_received_bytes_total", "Bytes of the blocks that came, as they are compressed.")
	refusedBlocks   = metrics.Counter("logscribe_scribe_refused_blocks_total", "Blocks that were not taken, and those behind them of the same log in the same stream.")
	skippedLines    = metrics.Counter("logscribe_scribe_skipped_lines_total", "Lines that came again and were not written again, as those whose receipt was lost.")
	missingLines    = metrics.Counter("logscribe_scribe_missing_lines_total", "Lines within those of a producer that it no longer held when the ones behind them came: dropped, or set aside.")
	committedLines  = metrics.Counter("logscribe_scribe_committed_lines_total", "Lines that are synced and in the ledger.")
	committedBytes  = metrics.Counter("logscribe_scribe_committed_bytes_total", "Bytes of the committed lines, as they stand in the files.")
	uncommitted     = metrics.Gauge("logscribe_scribe_uncommitted_bytes", "Bytes that were written since the last round of commits began.")
	commits         = metrics.Latency("logscribe_scribe_commit_seconds", "How long a round of commits takes: the syncs of the files, and the ledger's transaction.")
	fsyncs          = metrics.Latency("logscribe_scribe_fsync_seconds", "How long the sync of one file takes.")
	resets          = metrics.Counter("logscribe_scribe_log_resets_total", "Times that what was not committed of a log was cut off, after a failed write or sync; it is asked for again.")
	ledgerErrors    = metrics.Counter("logscribe_scribe_ledger_errors_total", "Rounds of commits that could not write the ledger: nothing is acknowledged until one can.")
	isRegistered    = metrics.Gauge("logscribe_scribe_registered", "1 while this Scribe is registered with the mediator.", "mediator")
	volumeFree      = metrics.Gauge("logscribe_scribe_volume_free_bytes", "Bytes that are free for the Scribe on the volume of its root.")
	logsKnown       = metrics.Gauge("logscribe_scribe_logs", "Logs that were used since the start.")
	filesOpen       = metrics.Gauge("logscribe_scribe_files_open", "Logs whose file is open.")
	logLines        = metrics.Counter("logscribe_scribe_log_committed_lines_total", "Committed lines of one log, of the 100 logs of which the most bytes were committed since the start.", "log")
	logBytes        = metrics.Counter("logscribe_scribe_log_committed_bytes_total", "Bytes of the committed lines of one log, of the same logs.", "log")
	rotations       = metrics.Counter("logscribe_scribe_rotations_total", "Files that were rotated, because of size or time.", "reason")
	deletedFiles    = metrics.Counter("logscribe_scribe_deleted_files_total", "Rotated files that were deleted, by the setting that asked for it.", "reason")
	deletedBytes    = metrics.Counter("logscribe_scribe_deleted_bytes_total", "Bytes of the rotated files that were deleted.", "reason")
	compressedFiles = metrics.Counter("logscribe_scribe_compressed_files_total", "Rotated files that were compressed.")
	compressedBytes = metrics.Counter("logscribe_scribe_compressed_bytes_total", "Bytes of these files before that.")
	savedBytes      = metrics.Counter("logscribe_scribe_compression_saved_bytes_total", "Bytes that this has given back.")
	notCompressed   = metrics.Counter("logscribe_scribe_compression_errors_total", "Attempts to compress a file that failed.")
	tampered        = metrics.Counter("logscribe_scribe_tampered_files_total", "Times that something else was found to have changed, removed or replaced a log's file.")
)

// MostLogs bounds the logs that have figures of their own.
const MostLogs = 100

// Metrics returns the families of a Scribe's metrics, for their documentation.
func Metrics() ops.Families { return metrics }

// received counts what streams bring.
type received struct {
	streams, blocks, lines, bytes, refused atomic.Int64
	calls                                  atomic.Int64 // of Log
	open                                   atomic.Int64 // streams
}

// block counts a block that came, and was not taken if err is not nil.
func (r *received) block(b *logscribev1.Block, err error) {
	r.blocks.Add(1)
	r.lines.Add(int64(b.Count))
	r.bytes.Add(int64(len(b.Payload)))
	if err != nil {
		r.refused.Add(1)
	}
}

// registered is what became of the last attempt to register with a mediator.
type registered struct {
	mu   sync.Mutex
	done bool
	err  error
}

func (r *registered) set(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done, r.err = true, err
}

func (r *registered) get() (done bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done, r.err
}

// Collector returns the Scribe's metrics.
func (s *Scribe) Collector() prometheus.Collector { return metrics.Collector(s.collect) }

func (s *Scribe) collect(to ops.Sink) {
	r := &s.received
	ops.Put(to, streams, r.streams.Load())
	ops.Put(to, streamsOpen, r.open.Load())
	ops.Put(to, directCalls, r.calls.Load())
	ops.Put(to, receivedBlocks, r.blocks.Load())
	ops.Put(to, receivedLines, r.lines.Load())
	ops.Put(to, receivedBytes, r.bytes.Load())
	ops.Put(to, refusedBlocks, r.refused.Load())
	if s.registry != nil {
		for _, m := range s.registry.mediators {
			done, err := m.state.get()
			ops.PutIf(to, isRegistered, done && err == nil, m.addr)
		}
	}
	if free, _, err := s.store.Space(); err == nil { // else the volume is gone, as readiness says
		ops.Put(to, volumeFree, free)
	}
	collectStore(to, s.store.Stats())
	for _, l := range s.store.Busiest(MostLogs) {
		ops.Put(to, logLines, l.Lines, l.Log)
		ops.Put(to, logBytes, l.Bytes, l.Log)
	}
}

func collectStore(to ops.Sink, st store.Stats) {
	ops.Put(to, skippedLines, st.SkippedLines)
	ops.Put(to, missingLines, st.MissingLines)
	ops.Put(to, committedLines, st.CommittedLines)
	ops.Put(to, committedBytes, st.CommittedBytes)
	ops.Put(to, uncommitted, st.Uncommitted)
	ops.PutLatency(to, commits, st.Rounds)
	ops.PutLatency(to, fsyncs, st.Syncs)
	ops.Put(to, resets, st.Resets)
	ops.Put(to, ledgerErrors, st.LedgerErrors)
	ops.Put(to, logsKnown, st.Logs)
	ops.Put(to, filesOpen, st.Open)
	ops.Put(to, rotations, st.RotatedBySize, "size")
	ops.Put(to, rotations, st.RotatedByTime, "time")
	for _, reason := range []store.Reason{store.KeepAge, store.KeepFiles, store.KeepBytes, store.MinFree} {
		ops.Put(to, deletedFiles, st.Deleted[reason].Files, string(reason))
		ops.Put(to, deletedBytes, st.Deleted[reason].Bytes, string(reason))
	}
	ops.Put(to, compressedFiles, st.Compressed.Files)
	ops.Put(to, compressedBytes, st.Compressed.Bytes)
	ops.Put(to, savedBytes, st.Saved)
	ops.Put(to, notCompressed, st.NotCompressed)
	ops.Put(to, tampered, st.Tampered)
}
