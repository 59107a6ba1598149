package scribe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logscribe/logscribe/internal/ops"
	"github.com/logscribe/logscribe/internal/ops/opstest"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

func TestMetrics(t *testing.T) {
	s, conn := start(t, Config{Path: t.TempDir()})
	for _, messages := range [][]*streamMessage{
		{hello(), open("a", 1, 0), blockOf("a", 1, "1\n2\n"), blockOf("a", 3, "3\n")},
		{hello(), open("a", 1, 0), blockOf("a", 3, "3\n4\n")}, // its first line again
		{hello(), open("a", 9, 0), blockOf("a", 9, "9\n")},    // 5 to 8 are gone
		{hello(), open("a", 10, 0), blockOf("a", 11, "11\n")}, // a gap
		{hello(), open("a", 10, 0), blockOf("a", 9, "9\n")},   // all of it again
		{hello(), open("b", 1, 0), blockOf("b", 1, "1\n2\n3\n")},
	} {
		if _, err := send(t, conn, messages...); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := logscribev1.NewScribeClient(conn).Log(t.Context(), &logscribev1.LogRequest{Log: "c", Lines: []byte("1\n2\n")}); err != nil {
		t.Fatal(err)
	}
	got := opstest.Gather(t, s.Collector(), Metrics(), "logscribe_scribe_registered")
	got.Expect(t, opstest.Values{
		"logscribe_scribe_streams_total":         6,
		"logscribe_scribe_streams_open":          0,
		"logscribe_scribe_received_blocks_total": 7,
		"logscribe_scribe_received_lines_total":  11,
		"logscribe_scribe_refused_blocks_total":  1,
		"logscribe_scribe_skipped_lines_total":   2,
		"logscribe_scribe_missing_lines_total":   4,
		"logscribe_scribe_committed_lines_total": 10,
		"logscribe_scribe_committed_bytes_total": 20,
		"logscribe_scribe_uncommitted_bytes":     0,
		"logscribe_scribe_log_resets_total":      0,
		"logscribe_scribe_ledger_errors_total":   0,
		"logscribe_scribe_logs":                  3,
		"logscribe_scribe_files_open":            3,

		`logscribe_scribe_log_committed_lines_total{log="a"}`: 5,
		`logscribe_scribe_log_committed_bytes_total{log="a"}`: 10,
		`logscribe_scribe_log_committed_lines_total{log="c"}`: 2,
	})
	for _, name := range []string{"logscribe_scribe_commit_seconds_count", "logscribe_scribe_fsync_seconds_count", "logscribe_scribe_volume_free_bytes"} {
		if got[name] < 1 {
			t.Errorf("%s is %v", name, got[name])
		}
	}
	if wrong := append(s.Live(), s.Ready()...); len(wrong) > 0 {
		t.Errorf("%q", wrong)
	}
	if got := s.Summary(); got != "3 logs used, 10 lines committed" {
		t.Errorf("got %q", got)
	}
}

// TestFiguresOfLogsAreBounded has more logs than have figures of their own.
func TestFiguresOfLogsAreBounded(t *testing.T) {
	s, conn := start(t, Config{Path: t.TempDir()})
	client := logscribev1.NewScribeClient(conn)
	for n := range MostLogs + 10 {
		lines := []byte(strings.Repeat("x\n", n+1))
		if _, err := client.Log(t.Context(), &logscribev1.LogRequest{Log: fmt.Sprintf("log%d", n), Lines: lines}); err != nil {
			t.Fatal(err)
		}
	}
	got, logs := opstest.Gather(t, s.Collector(), Metrics(), "logscribe_scribe_registered"), 0
	for key := range got {
		if strings.HasPrefix(key, "logscribe_scribe_log_committed_bytes_total{") {
			logs++
		}
	}
	if _, idle := got[`logscribe_scribe_log_committed_bytes_total{log="log9"}`]; logs != MostLogs || idle || got[`logscribe_scribe_log_committed_bytes_total{log="log109"}`] != 220 {
		t.Errorf("%d logs have figures, an idle one %v", logs, idle)
	}
}

type streamMessage = logscribev1.AppendRequest

// TestReadyTurnsWithTheDisk: a root that can't be written makes the Scribe unready, within the time for which a look counts.
func TestReadyTurnsWithTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := filepath.Join(t.TempDir(), "root")
		s, err := NewEmbedded(Config{Path: root})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		expect := func(want string) {
			t.Helper()
			if got := strings.Join(s.Ready(), "\n"); want == "" && got != "" || !strings.HasPrefix(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		expect("")
		// A folder where the file should be fails for root too.
		trial := filepath.Join(root, ".scribe", "trial")
		if err := os.Mkdir(trial, 0o700); err != nil {
			t.Fatal(err)
		}
		expect("") // as of the last look
		time.Sleep(tryEvery)
		expect("can't write below " + root + ": ")
		if err := os.Remove(trial); err != nil {
			t.Fatal(err)
		}
		time.Sleep(tryEvery)
		expect("")
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestReadyTurnsWithTheMediators(t *testing.T) {
	s := &Scribe{registry: &registration{mediators: []mediator{{addr: "a:1", state: &registered{}}, {addr: "b:1", state: &registered{}}}}}
	s.disk = ops.NewProbe("", 0, time.Second, func() []string { return nil })
	expect := func(want ...string) {
		t.Helper()
		if got := s.Ready(); strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	a, b := s.registry.mediators[0].state, s.registry.mediators[1].state
	expect("not registered with the mediator a:1 yet", "not registered with the mediator b:1 yet")
	a.set(errors.New("refused"))
	expect("not registered with the mediator a:1: refused", "not registered with the mediator b:1 yet")
	b.set(nil)
	expect()
	b.set(errors.New("gone"))
	expect("not registered with the mediator a:1: refused", "not registered with the mediator b:1: gone")
	s.disk = ops.NewProbe("", 0, time.Second, func() []string { return []string{"full"} })
	a.set(nil)
	expect("full")
}
