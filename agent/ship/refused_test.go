package ship

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

// inQuarantine returns the texts of the spool's quarantine.
func (b *bench) inQuarantine(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(b.spool.Path() + ".quarantine/*")
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, file := range files {
		texts = append(texts, string(content(t, file)))
	}
	return texts
}

// addAround adds a poisonous block between sound ones of its log, and other logs.
func (b *bench) addAround(t *testing.T) (wantLines string) {
	t.Helper()
	for i := range 20 {
		line := fmt.Sprintf("line %d\n", i)
		if i == 7 || i == 8 {
			line = fmt.Sprintf("POISON %d\n", i)
		} else {
			wantLines += line
		}
		b.add(t, "log", line)
		b.add(t, fmt.Sprintf("other%d", i), "1\n")
	}
	return wantLines
}

// checkAround holds what arrived against what addAround added.
func (b *bench) checkAround(t *testing.T, want string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if got := string(b.lines["log"]); got != want {
		t.Errorf("got %q", got)
	}
	for i := range 20 {
		if got := string(b.lines[fmt.Sprintf("other%d", i)]); got != "1\n" {
			t.Errorf("other log: %q", got)
		}
	}
	texts := b.inQuarantine(t)
	if len(texts) != 2 {
		t.Fatalf("in quarantine are %q", texts)
	}
	for i, text := range texts {
		if want := fmt.Sprintf("content: lines\n\nPOISON %d\n", 7+i); !strings.HasSuffix(text, want) || !strings.Contains(text, "reason: refused 3 times: ") {
			t.Errorf("in quarantine is %q", text)
		}
	}
	if q := b.spool.Queue("log"); q.AsideBlocks != 2 || q.AsideLines != 2 || q.Refused != 2 {
		t.Errorf("%+v", q)
	}
}

// TestPoisonIsSetAside has a Scribe refuse two blocks in a log's receipts.
func TestPoisonIsSetAside(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.change(func(f *fakeScribe) { f.poison = "POISON" })
	want := b.addAround(t)
	b.drained(t)
	b.checkAround(t, want)
}

// TestPoisonThatEndsStreamsIsSetAside has a Scribe end each stream that brings the blocks, with all its logs.
func TestPoisonThatEndsStreamsIsSetAside(t *testing.T) {
	t.Parallel()
	b := startScribe(t)
	b.server.Shutdown(0)
	b.start(t, filepath.Join(t.TempDir(), "spool.db"))
	b.change(func(f *fakeScribe) { f.poison, f.strict = "POISON", true })
	want := b.addAround(t)
	b.serve(t, b.addr)
	b.drained(t)
	b.checkAround(t, want)
}

// TestLogThatIsRefusedKeepsItsBlocks has a Scribe that does not like the log, whatever its blocks.
func TestLogThatIsRefusedKeepsItsBlocks(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.change(func(f *fakeScribe) {
		f.receipt = func(log string) *logscribev1.Receipt {
			return &logscribev1.Receipt{Log: log, Code: uint32(codes.InvalidArgument), Detail: "bad name"}
		}
	})
	b.add(t, "bad", "1\n")
	b.eventually(t, "it has been refused often", func() bool { return b.streams >= 6 })
	if q := b.spool.Queue("bad"); q.Lines() != 1 || q.AsideBlocks != 0 || len(b.inQuarantine(t)) > 0 {
		t.Errorf("%+v", q)
	}
}

// TestBlockRefusedForAWhileIsKept is about a Scribe that is mended before it is too late.
func TestBlockRefusedForAWhileIsKept(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.change(func(f *fakeScribe) {
		f.poison = "POISON"
		f.before = func(context.Context, []string) error {
			b.change(func(f *fakeScribe) {
				if f.streams == 4 { // the second time alone: all, only opened, alone, alone
					f.poison = ""
				}
			})
			return nil
		}
	})
	b.add(t, "log", "POISON\n")
	b.add(t, "log", "2\n")
	b.drained(t)
	if got := string(b.lines["log"]); got != "POISON\n2\n" || b.spool.Queue("log").AsideBlocks != 0 {
		t.Errorf("got %q", got)
	}
}

// TestDamagedBlockIsShippedAround flips a byte of a stored payload.
func TestDamagedBlockIsShippedAround(t *testing.T) {
	b := startScribe(t)
	path := filepath.Join(t.TempDir(), "spool.db")
	b.start(t, path)
	b.server.Shutdown(0)
	for i := 1; i <= 50; i++ {
		b.addRaw(t, "log", fmt.Sprintf("line %d\n", i))
	}
	b.stop()
	overwrite(t, path, bytes.ReplaceAll(content(t, path), []byte("line 33\n"), []byte("lime 33\n")))
	b.serve(t, b.addr)
	b.start(t, path)
	b.drained(t)
	b.mu.Lock()
	got := string(b.lines["log"])
	b.mu.Unlock()
	if strings.Count(got, "\n") != 49 || strings.Contains(got, "33") {
		t.Errorf("got %q", got)
	}
	if texts := b.inQuarantine(t); len(texts) != 1 || !strings.Contains(texts[0], "lime 33") {
		t.Errorf("in quarantine are %q", texts)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestWhatMayBeOneLogs(t *testing.T) {
	for code, want := range map[codes.Code]bool{
		codes.InvalidArgument: true, codes.ResourceExhausted: true, codes.Internal: true,
		codes.Unavailable: false, codes.Canceled: false, codes.DeadlineExceeded: false, codes.Unimplemented: false,
		codes.Unauthenticated: false, codes.PermissionDenied: false, codes.Unknown: false,
	} {
		if got := mayBeOneLogs(status.Error(code, "x")); got != want {
			t.Errorf("%v: %v", code, got)
		}
	}
	if mayBeOneLogs(errStalled) {
		t.Error("a stalled stream")
	}
}
