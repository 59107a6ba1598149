package tail

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/logscribe/logscribe/agent/cut"
	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/spool"
)

// reader turns the bytes of the generations that its worker holds into batches. It has the worker's buffer.
type reader struct {
	source *Source
	buffer []byte
}

// quietScan is the length of an unfinished line from which on new bytes alone are searched for its newline, so that a
// line that comes in a million writes is not read a million times from its beginning.
const quietScan = 4 << 10

// read takes one chunk of a generation that the caller holds. It returns whether there is more to read at once.
func (r *reader) read(ctx context.Context, g *generation) (again bool) {
	s := r.source
	if !s.mayRead(g) {
		return false
	}
	f, err := s.descriptor(g)
	if err != nil {
		s.failedOpen(g, err)
		return false
	}
	info, err := f.Stat()
	if err != nil {
		s.failedRead(g, err)
		return false
	}
	size := info.Size()
	s.note(g, statOf(info))
	if size < g.position {
		s.restart(g, size)
		return true
	}
	limit, ok := s.clear(g, size)
	if !ok {
		return false
	}
	want := min(limit-g.position, int64(s.cfg.chunk))
	if want < 0 || s.deferred(g, want) {
		return false
	}
	if r.unfinished(f, g, limit) {
		return r.settle(ctx, g, limit == size)
	}
	if err := s.budget.Acquire(ctx, max(want, minWeight)); err != nil {
		return false
	}
	data, err := r.chunk(f, g, want)
	switch {
	case errors.Is(err, errTruncated):
		s.budget.Release(max(want, minWeight))
		s.restart(g, size)
		return true
	case err != nil:
		s.budget.Release(max(want, minWeight))
		s.failedRead(g, err)
		return false
	}
	return r.deliver(ctx, g, f, data, want, size)
}

// mayRead is false if the generation waits for another, or has a batch waiting behind the one in flight already.
func (s *Source) mayRead(g *generation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.prepared != nil {
		g.more = true
		return false
	}
	return g.blockers == 0 && !g.dead
}

// note records what the holder has seen of the file.
func (s *Source) note(g *generation, st fileStat) {
	checked := st.mtime
	if age := time.Now().UnixNano() - st.mtime; age < int64(clockTick) && age > -int64(clockTick) {
		checked = 0 // another change may leave the same time: look again, whatever it is then
	}
	s.mu.Lock()
	g.links, g.checked = st.links, checked
	g.failing = false
	if st.size != g.seen {
		g.closing = false // it still gets lines
	}
	s.mu.Unlock()
}

// deferred says whether to wait for the batch in flight: while one is being committed, only a good deal of bytes is
// worth a batch of its own. Little ones gather in the file, and so batches grow with the time that a commit takes.
func (s *Source) deferred(g *generation, want int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !g.inflight || want >= block.TargetRawSize && !g.closing {
		return false
	}
	g.more = true
	return true
}

// unfinished says whether there is nothing but a line without an end from the position to limit, when that can be told
// from the new bytes alone.
func (r *reader) unfinished(f *os.File, g *generation, limit int64) bool {
	if g.seen-g.position < quietScan || limit-g.position > int64(r.source.cfg.MaxLine) || limit <= g.seen {
		return false
	}
	buf := r.room(int(limit - g.seen))
	n, err := f.ReadAt(buf, g.seen)
	if err != nil || n < len(buf) || bytes.IndexByte(buf, '\n') >= 0 {
		return false
	}
	r.source.mu.Lock()
	g.seen = limit
	g.active = time.Now()
	r.source.mu.Unlock()
	return true
}

func (r *reader) room(n int) []byte {
	if len(r.buffer) < n+1 { // a byte more, for a newline that is to be added
		r.buffer = make([]byte, max(n+1, min(2*n, r.source.cfg.chunk+tailSize)+1, 64<<10))
	}
	return r.buffer[:n]
}

var errTruncated = errors.New("the file was truncated")

// chunk reads up to want bytes from the position on, together with the bytes of the tail probe before it: if these are
// not what they were, the file was truncated and written anew, however long it is.
func (r *reader) chunk(f *os.File, g *generation, want int64) ([]byte, error) {
	before := int(g.tail.size)
	buf := r.room(before + int(want))
	n, err := f.ReadAt(buf, g.position-int64(before))
	if err != nil && err != io.EOF {
		return nil, err
	}
	if n < before || !g.tail.matches(buf[:before]) {
		return nil, errTruncated
	}
	return buf[before:n], nil
}

// deliver makes a batch of the whole lines in data and has it committed.
func (r *reader) deliver(ctx context.Context, g *generation, f *os.File, data []byte, weight, size int64) (again bool) {
	s := r.source
	final := g.closing && g.position+int64(len(data)) >= size
	to := s.destination(g)
	b := newBatch(weight)
	used, long := 0, g.longLine
	var head, tail probe
	var err error
	for used < len(data) && err == nil {
		p := cut.Next(data[used:], s.cfg.MaxLine, final)
		if p.Size == 0 {
			break
		}
		b.add(p, to.log, data[used:], to.codec)
		used += p.Size
		if s.cfg.CarryCheckpoints {
			head, tail, err = r.probes(f, g, data, used)
			b.reach(to.checkpoint, g.position+int64(used), head, tail)
		}
		tooLong := p.Broken && (used < len(data) || !final)
		if tooLong && !long {
			s.longLine(g.path, to.log)
		}
		long = tooLong
	}
	if used == 0 {
		b.recycle()
		s.budget.Release(b.weight)
		s.looked(g, len(data))
		return r.settle(ctx, g, g.position+int64(len(data)) == size)
	}
	if !s.cfg.CarryCheckpoints {
		head, tail, err = r.probes(f, g, data, used)
	}
	if err != nil {
		b.recycle()
		s.budget.Release(b.weight)
		if err == io.EOF { // cut short since the read
			s.restart(g, size)
			return true
		}
		s.failedRead(g, err)
		return false
	}
	s.advance(ctx, g, b, advance{used: used, seen: len(data), head: head, tail: tail, long: long})
	return g.seen < size || final
}

// destination is where a generation's lines go, as it is when a batch of them is begun.
type destination struct {
	log        string
	codec      block.Codec
	checkpoint checkpoint // before the batch
}

func (s *Source) destination(g *generation) destination {
	s.mu.Lock()
	defer s.mu.Unlock()
	return destination{log: g.log, codec: g.codec, checkpoint: g.checkpointLocked()}
}

// looked records how far there is an unfinished line.
func (s *Source) looked(g *generation, n int) {
	s.mu.Lock()
	if seen := g.position + int64(n); seen != g.seen {
		g.seen = seen
		g.active = time.Now()
	}
	s.mu.Unlock()
}

// probes returns the probes for the position after used bytes of data, which begins at the position.
func (r *reader) probes(f *os.File, g *generation, data []byte, used int) (head, tail probe, err error) {
	before := int(g.tail.size)
	read := r.buffer[:before+len(data)] // data with the old tail before it
	end := before + used
	tail = probeOf(read[max(0, end-tailSize):end])
	if head = g.head; head.size < headSize {
		size := min(g.position+int64(used), headSize)
		if g.position == int64(before) {
			head = probeOf(read[:size]) // read begins where the file begins
		} else {
			head, err = probeAt(f, 0, size)
		}
	}
	return head, tail, err
}

// advance is a step of a generation's position.
type advance struct {
	used, seen int // bytes from the old position
	head, tail probe
	long       bool
}

// advance moves the position, completes the batch with the checkpoint and submits it. All that is one step for others:
// between a position that has moved and a batch that is in flight, the batch would seem to be committed, and a newer
// generation's lines might overtake it.
func (s *Source) advance(ctx context.Context, g *generation, b *batch, a advance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g.seen = g.position + int64(a.seen)
	g.position += int64(a.used)
	g.head, g.tail, g.longLine = a.head, a.tail, a.long
	g.active = time.Now()
	b.end = g.position
	c := g.checkpointLocked()
	b.Checkpoints = []spool.Checkpoint{{Key: checkpointKey(g.id.inode), Value: c.encode()}}
	s.submitLocked(ctx, g, b)
}

// settle ends a look that found no whole line. A generation that is to be let go is, at its end.
func (r *reader) settle(ctx context.Context, g *generation, atEnd bool) (again bool) {
	s := r.source
	s.mu.Lock()
	closing := g.closing && atEnd
	inflight := g.inflight
	s.mu.Unlock()
	if !closing || inflight {
		return !atEnd
	}
	s.letGo(ctx, g)
	return false
}

// restart begins again at the first byte: what was read of the file is no longer in it.
func (s *Source) restart(g *generation, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restartLocked(g, size)
}

func (s *Source) restartLocked(g *generation, size int64) {
	s.stats.truncations.Add(1)
	s.log.Warn("file was truncated or rewritten in place; reading it from its beginning",
		"path", g.path, "log", g.log, "position", g.position, "size", size)
	g.position, g.seen, g.cleared = 0, 0, 0
	g.head, g.tail, g.longLine = probe{}, probe{}, false
	if !g.inflight {
		g.committed = 0
	}
	s.releaseLocked(g, func(waiter) bool { return true }) // their target is a place that is no more
}

func (s *Source) longLine(path, log string) {
	s.stats.longLines.Add(1)
	if s.quiet.may("long line", 10*time.Second) {
		s.log.Warn("line is too long and is cut into pieces", "path", path, "log", log, "max_line", s.cfg.MaxLine)
	}
}

// failedOpen handles an error of descriptor.
func (s *Source) failedOpen(g *generation, err error) {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errMoved) {
		s.mu.Lock()
		s.searchLocked(g)
		s.mu.Unlock()
		return
	}
	s.failedRead(g, err)
}

// failedRead handles errors that may pass: the file is tried again later, and meanwhile nothing waits for it.
func (s *Source) failedRead(g *generation, err error) {
	s.mu.Lock()
	g.failing = true
	g.failed = time.Now()
	file := s.dropLocked(g)
	s.mu.Unlock()
	if file != nil {
		file.Close()
	}
	if s.quiet.may("unreadable "+g.path, time.Hour) {
		s.log.Warn("cannot read file; it is tried again at every scan", "path", g.path, "err", err)
	}
}
