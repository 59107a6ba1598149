package demo

import (
	"context"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"
)

// logs are what the application writes, a file each. By their names each of the two Scribes owns two of them.
var logs = []string{"access", "billing", "orders", "shop"}

// lineLength is the length of every line, with its newline: so the progress can be told from the sizes of files.
const lineLength = 96

// appendLine appends the line of that number, from 1, of a log:
//
//	2006-01-02T15:04:05.000000Z orders n=000000042 amount=17.94 …… crc=1f2e3d4c
//
// The checksum is that of all before it.
func appendLine(to []byte, log string, n int, at time.Time) []byte {
	begin := len(to)
	to = at.UTC().AppendFormat(to, "2006-01-02T15:04:05.000000Z")
	to = fmt.Appendf(to, " %s n=%09d user=%d path=/item/%x", log, n, n*7919%10007, uint32(n)*2654435761)
	for len(to)-begin < lineLength-len(" crc=01234567\n") {
		to = append(to, '.')
	}
	return fmt.Appendf(to, " crc=%08x\n", crc32.ChecksumIEEE(to[begin:]))
}

// app writes lines to files, as any application would, at a steady pace.
type app struct {
	dir     string
	lines   int // in all
	during  time.Duration
	written atomic.Int64
}

// tick is how often the application writes to each of its files.
const tick = 10 * time.Millisecond

// run writes all lines.
func (a *app) run(ctx context.Context) error {
	files := make([]*os.File, len(logs))
	for i, log := range logs {
		f, err := os.OpenFile(filepath.Join(a.dir, log+".log"), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		files[i] = f
	}
	counts := make([]int, len(logs))
	clock := time.NewTicker(tick)
	defer clock.Stop()
	for begin, done := time.Now(), 0; done < a.lines; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-clock.C:
		}
		due := a.lines
		if passed := time.Since(begin); passed < a.during {
			due = int(float64(a.lines) * float64(passed) / float64(a.during))
		}
		due = min(due, done+maxAtOnce)
		for i, log := range logs {
			var text []byte
			last := (due + len(logs) - 1 - i) / len(logs) // the lines go to the logs in turn
			for ; counts[i] < last; counts[i]++ {
				text = appendLine(text, log, counts[i]+1, time.Now())
			}
			if _, err := files[i].Write(text); err != nil {
				return err
			}
		}
		done = due
		a.written.Store(int64(done))
	}
	return nil
}

// maxAtOnce bounds the lines that are written with one tick.
const maxAtOnce = 100_000

// numberOf returns the number in a line, and false if the line is not one that the application writes to the log.
func numberOf(line []byte, log string) (n int, ok bool) {
	const head = len("2006-01-02T15:04:05.000000Z ")
	const tail = len(" crc=01234567\n")
	if len(line) != lineLength {
		return 0, false
	}
	sum, err := strconv.ParseUint(string(line[lineLength-9:lineLength-1]), 16, 32)
	if err != nil || uint32(sum) != crc32.ChecksumIEEE(line[:lineLength-tail]) {
		return 0, false
	}
	want := log + " n="
	at := head + len(want)
	if string(line[head:at]) != want {
		return 0, false
	}
	n, err = strconv.Atoi(string(line[at : at+9]))
	return n, err == nil && n > 0
}
