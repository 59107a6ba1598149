package mediator

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/ops"
	"github.com/logscribe/logscribe/internal/ops/opstest"
)

func TestMetricsAndReadiness(t *testing.T) {
	h := startMediator(t, Config{})
	perScribe := []string{"logscribe_mediator_scribe_up", "logscribe_mediator_scribe_down_seconds", "logscribe_mediator_scribe_logs"}
	opstest.Gather(t, h.Collector(), Metrics(), perScribe...).Expect(t, opstest.Values{
		`logscribe_mediator_scribes{state="up"}`: 0, `logscribe_mediator_scribes{state="down"}`: 0, "logscribe_mediator_streams_total": 0,
	})
	if got := h.Ready(); len(got) != 1 || got[0] != "no Scribe has registered" {
		t.Errorf("without Scribes: %q", got)
	}

	a, b := startScribe(t, "a"), startScribe(t, "b")
	h.register(a, b)
	h.waitUp("a", true)
	h.waitUp("b", true)
	if got := h.Ready(); len(got) > 0 {
		t.Errorf("with two Scribes: %q", got)
	}
	s := h.begin(t.Context())
	log := h.logOf("a")
	s.line(log, "one")
	s.line(log, "two")
	s.receipts()
	h.waitFor("the stream to be counted", func(st Stats) bool { return st.Blocks == 2 })
	got := opstest.Gather(t, h.Collector(), Metrics())
	got.Expect(t, opstest.Values{
		`logscribe_mediator_scribes{state="up"}`:   2,
		`logscribe_mediator_scribe_up{scribe="a"}`: 1,
		"logscribe_mediator_streams_total":         1,
		"logscribe_mediator_relayed_blocks_total":  2,
		"logscribe_mediator_receipt_seconds_count": 1,
		"logscribe_mediator_failovers_total":       0,
		"logscribe_mediator_logs":                  got.Sum("logscribe_mediator_scribe_logs"),
	})

	a.kill()
	h.waitUp("a", false)
	if got := h.Ready(); len(got) > 0 {
		t.Errorf("with one Scribe: %q", got)
	}
	opstest.Gather(t, h.Collector(), Metrics()).Expect(t, opstest.Values{
		`logscribe_mediator_scribes{state="up"}`: 1, `logscribe_mediator_scribes{state="down"}`: 1, `logscribe_mediator_scribe_up{scribe="a"}`: 0,
	})
	if got, want := h.Summary(), fmt.Sprintf("Scribes: 1 up, 1 down (a); %d logs have an owner", h.Stats().Logs); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	b.kill()
	h.waitUp("b", false)
	if got := h.Ready(); len(got) != 3 || got[0] != "no Scribe is up" || !strings.HasPrefix(got[1], `Scribe "a" at `+a.addr+": ") {
		t.Errorf("without a Scribe that is up: %q", got)
	}
}

// TestReadinessIsShort: it stands in one line of the service manager's.
func TestReadinessIsShort(t *testing.T) {
	h := startMediator(t, Config{})
	var all []*fakeScribe
	for i := range summaryNames + 2 {
		all = append(all, startScribe(t, fmt.Sprint("scribe", i)))
	}
	h.register(all...)
	for _, s := range all {
		s.kill()
		h.waitUp(s.id, false)
	}
	if got := h.Ready(); len(got) != summaryNames+2 || got[summaryNames+1] != "and 2 more" {
		t.Errorf("got %q", got)
	}
}

func TestLive(t *testing.T) {
	h := startMediator(t, Config{})
	if got := h.Live(); len(got) > 0 {
		t.Errorf("at rest: %q", got)
	}
	h.owners.settling.Store(time.Now().Add(-ops.StuckAfter() - time.Second - testInterval).UnixNano())
	if got := h.Live(); len(got) != 1 || !strings.HasPrefix(got[0], "a decision on the owners of logs has taken 1m1s") {
		t.Errorf("got %q", got)
	}
}
