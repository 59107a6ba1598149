package ship

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

func TestShipsInOrderAndSettles(t *testing.T) {
	b := start(t)
	want := map[string]string{}
	for i := range 100 {
		log := fmt.Sprintf("log%d", i%7)
		line := fmt.Sprintf("line %d\n", i)
		b.add(t, log, line)
		want[log] += line
	}
	if err := b.spool.WaitEmpty(t.Context()); err != nil {
		t.Fatal(err)
	}
	for log, lines := range want {
		if got := string(b.lines[log]); got != lines {
			t.Errorf("%s: %q, want %q", log, got, lines)
		}
	}
}

func TestLostReceiptIsMadeGood(t *testing.T) {
	b := start(t)
	lost := 3
	b.change(func(f *fakeScribe) {
		f.before = func(context.Context, []string) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			if lost--; lost >= 0 {
				return errBroken
			}
			return nil
		}
	})
	b.add(t, "a", "1\n2\n")
	if err := b.spool.WaitEmpty(t.Context()); err != nil {
		t.Fatal(err)
	}
	if string(b.lines["a"]) != "1\n2\n" {
		t.Errorf("got %q", b.lines["a"])
	}
	if n := strings.Count(b.log.String(), "can't ship"); n != 1 {
		t.Errorf("a trouble of three failures was reported %d times:\n%s", n, b.log)
	}
}

func TestServerThatComesBack(t *testing.T) {
	b := start(t)
	b.server.Shutdown(0)
	b.add(t, "a", "1\n")
	b.serve(t, b.addr)
	if err := b.spool.WaitEmpty(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestRedirect leads the shipper away from a server that hangs with lines it has taken.
func TestRedirect(t *testing.T) {
	b := start(t)
	b.change(func(f *fakeScribe) {
		f.before = func(ctx context.Context, _ []string) error { <-ctx.Done(); return ctx.Err() }
	})
	b.add(t, "a", "1\n")
	b.eventually(t, "a stream hangs", func() bool { return b.streams == 1 })
	b.add(t, "a", "2\n")
	b.change(func(f *fakeScribe) { f.before, f.opened = nil, map[string]int{} }) // the hung stream may end after the next begins
	hung, old := b.server, b.conn
	b.serve(t, "127.0.0.1:0")
	b.conn = b.dial(t)
	b.shipper.Redirect(b.conn)
	old.Close()
	if err := b.spool.WaitEmpty(t.Context()); err != nil {
		t.Fatal(err)
	}
	hung.Shutdown(time.Second)
	if got := string(b.lines["a"]); got != "1\n2\n" {
		t.Errorf("got %q", got)
	}
	if said := b.log.String(); said != "" {
		t.Errorf("said %s", said)
	}
}

// TestReceiptSettlesOnlyWhatItSays answers for half of what was sent.
func TestReceiptSettlesOnlyWhatItSays(t *testing.T) {
	b := start(t)
	b.change(func(f *fakeScribe) {
		f.receipt = func(log string) *logscribev1.Receipt {
			return &logscribev1.Receipt{Log: log, Committed: 1, Code: uint32(codes.ResourceExhausted), Detail: "the disk is full"}
		}
	})
	b.add(t, "a", "1\n")
	b.add(t, "a", "2\n")
	b.eventually(t, "two streams end", func() bool { return b.streams >= 2 })
	if q := b.spool.Queue("a"); q.Oldest != 2 {
		t.Errorf("the spool holds from line %d on", q.Oldest)
	}
	b.change(func(f *fakeScribe) { f.receipt = nil })
	if err := b.spool.WaitEmpty(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestHungOwnerDelaysItsOwnLogsAlone lets the receipts of one owner never come.
func TestHungOwnerDelaysItsOwnLogsAlone(t *testing.T) {
	b := start(t)
	b.change(func(f *fakeScribe) { f.owners = map[string]string{"a": "good", "b": "bad"} })
	b.add(t, "a", "1\n")
	b.add(t, "b", "1\n")
	if err := b.spool.WaitEmpty(t.Context()); err != nil { // now the owners are known
		t.Fatal(err)
	}
	hang := func(ctx context.Context, logs []string) error {
		if slices.Contains(logs, "b") {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	b.change(func(f *fakeScribe) { f.before, f.shared = hang, nil })
	b.add(t, "b", "2\n")
	b.eventually(t, "the bad owner's stream hangs", func() bool { return len(b.shared) == 1 })
	for range 20 {
		b.add(t, "a", "x\n")
		b.eventually(t, "the good owner's line is settled", func() bool { return b.spool.Queue("a").Lines() == 0 })
	}
	if b.spool.Queue("b").Lines() != 1 {
		t.Error("the bad owner's line was settled")
	}
}

// TestDownOwnerDelaysItsOwnLogsAlone has a mediator answer for an owner that is down.
func TestDownOwnerDelaysItsOwnLogsAlone(t *testing.T) {
	b := start(t)
	b.change(func(f *fakeScribe) {
		f.owners = map[string]string{"a": "good"}
		f.receipt = func(log string) *logscribev1.Receipt {
			if log == "b" {
				r := unavailable("bad")
				r.Log = log
				return r
			}
			return nil
		}
	})
	began := time.Now()
	b.add(t, "a", "1\n")
	b.add(t, "b", "1\n")
	b.eventually(t, "the good owner's line is settled", func() bool { return b.spool.Queue("a").Lines() == 0 })
	b.eventually(t, "the bad owner's log is tried again, alone", func() bool {
		alone := func(logs []string) bool { return slices.Equal(logs, []string{"b"}) }
		return slices.IndexFunc(b.shared, alone) >= 0 && len(b.shared) >= 4
	})
	if took := time.Since(began); took < backoffMin/2+backoffMin {
		t.Errorf("tried again and again within %v", took)
	}
	b.change(func(f *fakeScribe) { f.receipt = nil })
	if err := b.spool.WaitEmpty(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestBadLogDelaysNoOther(t *testing.T) {
	b := start(t)
	b.change(func(f *fakeScribe) {
		f.receipt = func(log string) *logscribev1.Receipt {
			if log == "bad" {
				return &logscribev1.Receipt{Log: log, Code: uint32(codes.InvalidArgument), Detail: "bad name"}
			}
			return nil
		}
	})
	b.add(t, "bad", "1\n")
	b.eventually(t, "the bad log has failed for some time", func() bool { return b.streams >= 5 })
	began := time.Now()
	b.add(t, "a", "1\n")
	b.eventually(t, "the other log is settled", func() bool { return b.spool.Queue("a").Lines() == 0 })
	if took := time.Since(began); took > backoffMin<<5/2 { // the bad log's next pause is at least as long
		t.Errorf("the other log waited %v", took)
	}
	if b.spool.Queue("bad").Lines() != 1 {
		t.Error("the bad log's line was settled")
	}
}

func TestBacklogIsParted(t *testing.T) {
	b := start(t)
	b.server.Shutdown(0)
	line := strings.Repeat("x", 1<<20) + "\n"
	for range 2 * streamBudget >> 20 {
		b.addRaw(t, "a", line)
	}
	b.serve(t, b.addr)
	if err := b.spool.WaitEmpty(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b.streams < 2 || len(b.lines["a"]) != 2*streamBudget>>20*len(line) {
		t.Errorf("%d streams brought %d bytes", b.streams, len(b.lines["a"]))
	}
}

func TestBackoffGrowsToItsLimit(t *testing.T) {
	var b backoff
	low, high := backoffMin/2, backoffMin
	for range 10 {
		if got := b.next(); got < low || got > high {
			t.Errorf("pause %v, want %v to %v", got, low, high)
		}
		low, high = min(2*low, backoffMax/2), min(2*high, backoffMax)
	}
	b.reset()
	if got := b.next(); got > backoffMin {
		t.Errorf("after a success: %v", got)
	}
}

func TestTroubleIsReportedFromTimeToTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tr trouble
		var said strings.Builder
		logger := textLogger(&said)
		for range 100 {
			tr.report(logger, "trouble", errBroken)
			time.Sleep(time.Second)
		}
		tr.over(logger)
		tr.over(logger)
		if n := strings.Count(said.String(), "msg=trouble"); n != 4 {
			t.Errorf("reported %d times in 100 s", n)
		}
		if n := strings.Count(said.String(), "shipping again"); n != 1 {
			t.Errorf("the end was reported %d times", n)
		}
	})
}

// TestTroubleThatComesAndGoes is reported every ten seconds at most, as a disk that is nearly full has it.
func TestTroubleThatComesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tr trouble
		var said strings.Builder
		logger := textLogger(&said)
		for range 1000 {
			tr.report(logger, "trouble", errBroken)
			time.Sleep(50 * time.Millisecond)
			tr.over(logger)
			time.Sleep(50 * time.Millisecond)
		}
		if n := strings.Count(said.String(), "msg=trouble"); n != 10 {
			t.Errorf("reported %d times in 100 s", n)
		}
		if n := strings.Count(said.String(), "shipping again"); n != 10 {
			t.Errorf("the end was reported %d times", n)
		}
	})
}
