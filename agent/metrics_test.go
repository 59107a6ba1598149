package agent

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/logscribe/logscribe/agent/line"
	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/ops/opstest"
	"github.com/logscribe/logscribe/internal/transport"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"github.com/logscribe/logscribe/spool"
)

// onlyFiles are the metrics that an agent without [[file]] tables does not have.
var onlyFiles = []string{
	"logscribe_agent_files_tailed", "logscribe_agent_files_open", "logscribe_agent_files_unreadable", "logscribe_agent_files_found_total",
	"logscribe_agent_file_truncations_total", "logscribe_agent_file_copies_total", "logscribe_agent_files_decompressed_total",
	"logscribe_agent_damaged_compressed_files_total", "logscribe_agent_files_given_up_total", "logscribe_agent_append_errors_total",
	"logscribe_agent_damaged_checkpoints_total", "logscribe_agent_event_overflows_total",
}

// taker is a Scribe that acknowledges all, once it may.
type taker struct {
	logscribev1.UnimplementedScribeServer
	may chan struct{} // closed when it may
}

func (k *taker) Append(stream logscribev1.Scribe_AppendServer) error {
	committed := map[string]uint64{}
	for {
		m, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if o := m.GetOpen(); o != nil {
			committed[o.Log] = o.Oldest - 1
		}
		if b := m.GetBlock(); b != nil {
			committed[b.Log] = b.First + uint64(b.Count) - 1
		}
	}
	select {
	case <-k.may:
	case <-stream.Context().Done():
		return stream.Context().Err()
	}
	response := &logscribev1.AppendResponse{}
	for log, sequence := range committed {
		response.Receipts = append(response.Receipts, &logscribev1.Receipt{Log: log, Committed: sequence, Owner: "taker"})
	}
	return stream.SendAndClose(response)
}

func startTaker(t *testing.T) (*taker, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &taker{may: make(chan struct{})}
	server := transport.NewServer(nil)
	logscribev1.RegisterScribeServer(server, k)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Shutdown(time.Second)
		<-ended
	})
	return k, listener.Addr().String()
}

// run runs an agent that reads from a pipe, and stops it with the test.
func run(t *testing.T, cfg Config) (*Agent, *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Stdin.Reader = r
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		w.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		r.Close()
	})
	<-a.prepared
	return a, w
}

func TestMetrics(t *testing.T) {
	taker, addr := startTaker(t)
	cfg := config(t, addr, "")
	cfg.Spool.MaxSize = 20e6
	cfg.Stdin.Lines = line.Rules{Exclude: []string{"no"}}
	a, w := run(t, cfg)
	if _, err := io.WriteString(w, "1\n2\nno\n3\n"); err != nil {
		t.Fatal(err)
	}
	gather := func() opstest.Values {
		t.Helper()
		return opstest.Gather(t, a.Collector(), Metrics(), append(slices.Clip(onlyFiles), "logscribe_agent_log_backlog_lines")...)
	}
	var got opstest.Values
	await(t, "the lines to be sent", func() bool { got = gather(); return got["logscribe_agent_sent_lines_total"] == 3 })
	got.Expect(t, opstest.Values{
		`logscribe_agent_read_lines_total{source="stdin"}`:        4,
		`logscribe_agent_read_bytes_total{source="stdin"}`:        6,
		`logscribe_agent_filtered_lines_total{reason="excluded"}`: 1,
		"logscribe_agent_spooled_lines_total":                     3,
		"logscribe_agent_spooled_bytes_total":                     6,
		"logscribe_agent_shipped_lines_total":                     0,
		"logscribe_agent_backlog_lines":                           3,
		`logscribe_agent_log_backlog_lines{log="a"}`:              3,
		"logscribe_agent_receipt_seconds_count":                   0,
		"logscribe_agent_connected":                               1,
	})
	if got["logscribe_agent_backlog_age_seconds"] <= 0 || got["logscribe_agent_backlog_bytes"] <= 0 || got["logscribe_agent_spool_free_bytes"] <= 0 {
		t.Errorf("got %v", got)
	}
	close(taker.may)
	await(t, "the receipt", func() bool {
		got = gather()
		return got["logscribe_agent_receipt_seconds_count"] == 1 && got["logscribe_agent_shipped_lines_total"] == 3
	})
	got.Expect(t, opstest.Values{
		"logscribe_agent_shipped_bytes_total": 6, "logscribe_agent_backlog_lines": 0, "logscribe_agent_backlog_age_seconds": 0,
		"logscribe_agent_stream_failures_total": 0,
	})
	if sum := got.Sum("logscribe_agent_dropped_lines_total"); sum != 0 {
		t.Errorf("%v lines are dropped", sum)
	}
	if _, ok := got[`logscribe_agent_log_backlog_lines{log="a"}`]; ok {
		t.Error("a log without a backlog is listed")
	}
	if wrong := append(a.Live(), a.Ready()...); len(wrong) > 0 {
		t.Errorf("%q", wrong)
	}
}

// TestDroppedLines has a spool that drops its oldest lines.
func TestDroppedLines(t *testing.T) {
	cfg := config(t, silent(t), "")
	cfg.Spool.WhenFull, cfg.Spool.MaxSize, cfg.Spool.Compression = "drop_oldest", 5e6, "none"
	a, w := run(t, cfg)
	text := strings.Repeat(strings.Repeat("x", 999)+"\n", 8000)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	var got opstest.Values
	await(t, "all to be spooled", func() bool {
		got = opstest.Gather(t, a.Collector(), Metrics(), onlyFiles...)
		return got["logscribe_agent_spooled_lines_total"] == 8000
	})
	dropped := got[`logscribe_agent_dropped_lines_total{reason="spool_full"}`]
	if dropped < 1000 || dropped+got["logscribe_agent_backlog_lines"] != 8000 {
		t.Errorf("%v dropped, %v wait", dropped, got["logscribe_agent_backlog_lines"])
	}
}

// TestLossesOutliveTheAgent: what was lost is counted in the spool, and the next agent's metrics go on from there.
func TestLossesOutliveTheAgent(t *testing.T) {
	cfg := config(t, silent(t), "")
	for n := 1; n <= 2; n++ {
		t.Run(fmt.Sprint("agent ", n), func(t *testing.T) {
			a, _ := run(t, cfg)
			lost := spool.Loss{Log: "a", File: "/a.log", Reason: spool.Truncated, Bytes: 100}
			if err := a.spool.Append(t.Context(), spool.Batch{Losses: []spool.Loss{lost}}); err != nil {
				t.Fatal(err)
			}
			got := opstest.Gather(t, a.Collector(), Metrics(), append(slices.Clip(onlyFiles), "logscribe_agent_log_backlog_lines", "logscribe_agent_spool_free_bytes")...)
			for name, want := range map[string]float64{
				`logscribe_agent_lost_bytes_total{reason="truncated"}`:    float64(100 * n),
				`logscribe_agent_losses_total{reason="truncated"}`:        float64(n),
				`logscribe_agent_dropped_lines_total{reason="truncated"}`: 0,
				`logscribe_agent_losses_total{reason="spool_full"}`:       0,
			} {
				if value, ok := got[name]; !ok || value != want {
					t.Errorf("%s is %v, want %v", name, value, want)
				}
			}
		})
	}
}

// TestReadyTurns has an agent whose mediator never answers, until its backlog is beyond the limit.
func TestReadyTurns(t *testing.T) {
	cfg := config(t, silent(t), "")
	cfg.Spool.MaxSize, cfg.Spool.Compression = 8e6, "none"
	a, w := run(t, cfg)
	if wrong := a.Ready(); len(wrong) > 0 {
		t.Errorf("with an empty spool: %q", wrong)
	}
	if got := a.Summary(); got != "no lines wait, no mediator or Scribe is reached" {
		t.Errorf("with an empty spool: %q", got)
	}
	if _, err := io.WriteString(w, strings.Repeat(strings.Repeat("x", 999)+"\n", 5000)); err != nil {
		t.Fatal(err)
	}
	const want = "no mediator or Scribe is reached, and more than half of the spool is used: "
	await(t, "the agent to be unready", func() bool { wrong := a.Ready(); return len(wrong) == 1 && strings.HasPrefix(wrong[0], want) })
	await(t, "the summary to tell of the backlog", func() bool { return strings.HasPrefix(a.Summary(), "5000 lines wait, the oldest for ") })
	a.spool.Settle("a", 5000)
	await(t, "the agent to be ready", func() bool { return len(a.Ready()) == 0 })
	if wrong := a.Live(); len(wrong) > 0 {
		t.Errorf("%q", wrong)
	}
}

// TestFiguresOfLogsAreBounded has more logs with a backlog than have figures of their own.
func TestFiguresOfLogsAreBounded(t *testing.T) {
	a, _ := run(t, config(t, silent(t), ""))
	var drafts []block.Draft
	for n := range MostLogs + 10 {
		drafts = append(drafts, block.NewDraft(nil, fmt.Sprintf("log%d", n), []byte(strings.Repeat("x\n", n+1)), block.None))
	}
	if err := a.spool.Append(t.Context(), spool.Batch{Drafts: drafts}); err != nil {
		t.Fatal(err)
	}
	logs := 0
	got := opstest.Gather(t, a.Collector(), Metrics(), append(slices.Clip(onlyFiles), "logscribe_agent_spool_free_bytes")...)
	for key := range got {
		if strings.HasPrefix(key, "logscribe_agent_log_backlog_lines{") {
			logs++
		}
	}
	if logs != MostLogs || got[`logscribe_agent_log_backlog_lines{log="log109"}`] != 110 || got[`logscribe_agent_log_backlog_lines{log="log9"}`] != 0 {
		t.Errorf("%d logs have figures", logs)
	}
}

// TestMetricsOfFiles tails a file that is truncated before it was read to its end.
func TestMetricsOfFiles(t *testing.T) {
	_, addr := startTaker(t)
	cfg := config(t, addr, "")
	file := cfg.Spool.Path + ".log"
	if err := os.WriteFile(file, []byte("1\n2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.Files = []FileConfig{{Paths: []string{file}, Log: "file"}}
	a, _ := run(t, cfg)
	var got opstest.Values
	await(t, "the lines", func() bool {
		got = opstest.Gather(t, a.Collector(), Metrics(), "logscribe_agent_spool_free_bytes", "logscribe_agent_log_backlog_lines")
		return got["logscribe_agent_spooled_lines_total"] == 2 && got[`logscribe_agent_read_lines_total{source="file"}`] > 0 // the spool counts them first
	})
	got.Expect(t, opstest.Values{
		`logscribe_agent_read_lines_total{source="file"}`: 2, `logscribe_agent_read_bytes_total{source="file"}`: 4,
		"logscribe_agent_files_tailed": 1, `logscribe_agent_lost_bytes_total{reason="truncated"}`: 0,
	})
}

// TestNotReadyBeforeTheScribesAnswer has an agent with an identity and an empty spool.
func TestNotReadyBeforeTheScribesAnswer(t *testing.T) {
	cfg := config(t, silent(t), "")
	cfg.Identity, cfg.Files = "a", []FileConfig{{Paths: []string{cfg.Spool.Path + ".log"}, Log: "file"}}
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	if wrong := a.Ready(); len(wrong) != 1 || !strings.HasPrefix(wrong[0], "nothing is read yet") {
		t.Errorf("got %q", wrong)
	}
	opstest.Gather(t, a.Collector(), nil) // what it has not made yet is left out
}
