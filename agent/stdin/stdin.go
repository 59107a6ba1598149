// Package stdin is the source that reads one stream, usually the agent's standard input, into a log.
//
// # Invariants
//
//   - Without rules for lines (package line), bytes pass as they are. Newlines are added only after a last line that has
//     none, and within a line that is longer than the limit, which is delivered in pieces.
//   - What was read and is not spooled yet is bounded: while the spool waits, so does the reader, and then its writer.
//   - A line that has come whole goes to the spool at once; while the spool is busy, further lines gather. Only an event
//     of several lines waits for the line that ends it, or until nothing has followed for a while.
//
// # Limitations
//
// A stream can't be read again: lines that were read but not yet spooled are lost if the process is killed, as are
// those that still stand in the pipe. Only the pipe's writer could prevent that. What a stop can't spool in time is in the
// spool's list of losses.
package stdin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/logscribe/logscribe/agent/line"
	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/spool"
)

const (
	// maxPending bounds what has been read and is not yet on its way to the spool, in bytes, beside one line.
	maxPending = 2 << 20
	// readSize is the size of one read, in bytes.
	readSize = 128 << 10
	// stopGrace is how long Run goes on after its context has ended: the application at the other end of a pipe often
	// gets the same signal, and still has something to say.
	stopGrace = 500 * time.Millisecond
	// warnEvery is how often long lines are warned of.
	warnEvery = 10 * time.Second
)

// Name stands for the stream in the spool's list of losses, in the place of a file's path.
const Name = "stdin"

// Spool is what the source needs of the spool, which waits for a disk that fails as it waits for room.
type Spool interface {
	Append(ctx context.Context, b spool.Batch) error
}

// Config is what a Source is made from.
type Config struct {
	Reader  io.Reader
	Tee     io.Writer // gets a copy of all that is read; nil for none
	Log     string
	Codec   block.Codec
	Lines   *line.Processor // what is done to lines; nil for nothing
	Host    string          // for prefixes
	MaxLine int             // bytes; longer lines are delivered in pieces
	CutMark string          // put behind each piece but the last
	Spool   Spool
	Logger  *slog.Logger
}

// Source reads one stream.
type Source struct {
	cfg   Config
	from  line.Source
	codec atomic.Uint32
	stats counters
	more  chan struct{} // capacity 1: pending has grown, or the stream ended
	room  chan struct{} // capacity 1: pending was taken
	done  chan struct{} // closed when Run returns

	// Run's alone.
	maker  line.Maker
	taken  int64     // bytes of the stream that are spooled or dropped
	warned time.Time // of a long line, the last time

	mu       sync.Mutex // guards what follows
	pending  []byte
	ended    error // why the reader stopped: io.EOF at the end of the stream
	stopping bool  // the reader ends with the read that it is in
	filtered line.Counts
}

// New returns a source, which reads nothing before Run.
func New(cfg Config) *Source {
	from := line.Source{
		Processor: cfg.Lines, Log: cfg.Log, MaxLine: cfg.MaxLine, CutMark: cfg.CutMark, Host: cfg.Host,
	}
	s := &Source{cfg: cfg, from: from, more: make(chan struct{}, 1), room: make(chan struct{}, 1), done: make(chan struct{})}
	s.SetCodec(cfg.Codec)
	return s
}

// Filtered returns what was done to lines. It is safe for concurrent use.
func (s *Source) Filtered() line.Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.filtered
}

// SetCodec sets how blocks are encoded from now on. It is safe for concurrent use.
func (s *Source) SetCodec(codec block.Codec) { s.codec.Store(uint32(codec)) }

// Run reads to the end of the stream and returns nil once all lines are spooled. After ctx has ended it goes on for a
// moment, then returns nil with what it has read spooled. An error says that the stream could not be read, or, after
// ctx has ended, its lines not be spooled.
//
// A read that blocks can't be interrupted: after ctx has ended, Run returns without it. The goroutine that reads ends
// with that read, at the latest with the process.
func (s *Source) Run(ctx context.Context) error {
	defer close(s.done)
	go s.read()
	grace, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(stopGrace, end) })()
	var work []byte
	ending := line.More
	for {
		var ended error
		waited := len(work)
		work, ended = s.take(work)
		switch {
		case grace.Err() != nil:
			return s.last(ctx, work)
		case ended != nil:
			ending = line.Last
		case len(work) > waited:
			ending = line.More
		}
		var err error
		work, err = s.spool(grace, work, ending)
		switch {
		case err != nil && grace.Err() != nil && !errors.Is(err, spool.ErrUncertain): // what may be stored must not come again
			return s.last(ctx, work)
		case err != nil:
			return err
		}
		if ended != nil {
			return readError(ended)
		}
		ending = s.wait(grace)
	}
}

// wait waits until there is more to do, and says what stands behind what was read. An event that is held back has its
// time from the last look at it on, which is when the stream last brought something.
func (s *Source) wait(ctx context.Context) line.Ending {
	var idle <-chan time.Time
	if s.maker.Held {
		idle = time.After(s.cfg.Lines.Timeout())
	}
	select {
	case <-s.more:
	case <-ctx.Done():
	case <-idle:
		return line.Idle
	}
	return line.More
}

// last spools what was read before the grace period ended, in time of its own, and what the reader brings in that time.
func (s *Source) last(ctx context.Context, work []byte) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	for work = s.stop(work); len(work) > 0; work = s.stop(work) {
		var err error
		if work, err = s.spool(ctx, work, line.Last); errors.Is(err, spool.ErrUncertain) {
			return err
		}
		if err != nil {
			s.lose(s.stop(work))
			return err
		}
	}
	return nil
}

// stop lets the reader end, so that what is not read stays in the pipe, and appends what it has read to work.
func (s *Source) stop(work []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	work = append(work, s.pending...)
	s.pending = nil
	return work
}

func readError(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("read the input: %w", err)
}

// read is the goroutine that reads ahead.
func (s *Source) read() {
	chunk := make([]byte, readSize)
	for {
		n, err := s.cfg.Reader.Read(chunk)
		s.tee(chunk[:n])
		s.mu.Lock()
		s.pending = append(s.pending, chunk[:n]...)
		s.ended = err
		full, stopping := len(s.pending) >= maxPending, s.stopping
		s.mu.Unlock()
		signal(s.more)
		if err != nil || stopping {
			return
		}
		if full {
			select {
			case <-s.room:
			case <-s.done:
				return
			}
		}
	}
}

// take appends what has been read to work.
func (s *Source) take(work []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) >= maxPending {
		signal(s.room)
	}
	work = append(work, s.pending...)
	s.pending = s.pending[:0]
	return work, s.ended
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// spool stores the whole lines of work, all of it if it is the last, and returns what is left, also after an error.
func (s *Source) spool(ctx context.Context, work []byte, ending line.Ending) ([]byte, error) {
	from := s.from
	from.Codec = block.Codec(s.codec.Load())
	work = slices.Grow(work, from.Room())
	s.maker.Begin(from, s.maker.State, ending)
	rest := work
	var err error
	for {
		state, counts := s.maker.State, s.maker.Counts
		drafts, n := s.drafts(rest)
		if losses := s.changed(counts, s.maker.Counts); len(drafts)+len(losses) > 0 {
			err = s.cfg.Spool.Append(ctx, spool.Batch{Drafts: drafts, Losses: losses})
		}
		if err == nil {
			s.stats.add(drafts)
		}
		if err != nil {
			s.maker.State, s.maker.Counts = state, counts
			err = fmt.Errorf("%d bytes of input could not be spooled: %w", len(rest), err)
			break
		}
		if n == 0 {
			break
		}
		rest = rest[n:]
		s.taken += int64(n)
	}
	s.mu.Lock()
	s.filtered.Add(s.maker.Counts)
	s.mu.Unlock()
	return append(work[:0], rest...), err
}

// changed returns what is to be said of lines that were delivered, but not as they came, by the counts before and after.
func (s *Source) changed(before, after line.Counts) (losses []spool.Loss) {
	for reason, lines := range map[spool.Reason]int64{spool.InPieces: after.Cut - before.Cut, spool.Clipped: after.Clipped - before.Clipped} {
		if lines > 0 {
			losses = append(losses, spool.Loss{Log: s.cfg.Log, File: Name, Reason: reason, Lines: uint64(lines)})
		}
	}
	return losses
}

// lose counts what was read and can't be stored before the end. It needs no room among the lines; if even that can't be
// stored soon, the error that the caller returns is all that tells.
func (s *Source) lose(rest []byte) {
	if len(rest) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	lines := bytes.Count(rest, []byte{'\n'})
	if rest[len(rest)-1] != '\n' {
		lines++
	}
	l := spool.Loss{Log: s.cfg.Log, File: Name, Reason: spool.Stopped, Lines: uint64(lines), Bytes: uint64(len(rest))}
	if err := s.cfg.Spool.Append(ctx, spool.Batch{Losses: []spool.Loss{l}}); err != nil {
		s.cfg.Logger.Error("the spool does not take that input is lost", "bytes", len(rest), "error", err)
	}
}

// drafts makes blocks of the first bytes of data, and returns how many they are. What the blocks' lines become is bounded
// too: a prefix may make much of little.
func (s *Source) drafts(data []byte) (drafts []block.Draft, size int) {
	for raw := 0; raw < maxPending; {
		long := s.maker.Counts.Cut
		d, n := s.maker.Next(nil, data[size:])
		if n == 0 {
			break
		}
		if s.maker.Counts.Cut > long {
			s.longLine(s.taken + int64(size))
		}
		if d.Count > 0 {
			drafts = append(drafts, d)
		}
		raw += int(d.RawSize)
		size += n
	}
	return drafts, size
}

// longLine says that a line is delivered in pieces, but not for each of them.
func (s *Source) longLine(offset int64) {
	if now := time.Now(); now.Sub(s.warned) >= warnEvery {
		s.warned = now
		s.cfg.Logger.Warn("a line is longer than the limit: it is delivered in pieces",
			"log", s.cfg.Log, "offset", offset, "max_line", s.cfg.MaxLine)
	}
}

// tee copies what was read, until that fails.
func (s *Source) tee(p []byte) {
	if s.cfg.Tee == nil {
		return
	}
	if _, err := s.cfg.Tee.Write(p); err != nil {
		s.cfg.Logger.Warn("can't copy the input any more", "error", err)
		s.cfg.Tee = nil
	}
}
