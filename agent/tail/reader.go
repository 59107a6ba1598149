package tail

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"time"

	"github.com/logscribe/logscribe/agent/line"
	"github.com/logscribe/logscribe/internal/block"
)

// reader turns the bytes of the generations that its worker holds into batches. It has the worker's buffer.
type reader struct {
	source *Source
	buffer []byte
	maker  line.Maker
}

// quietScan is the length of an unfinished line from which on new bytes alone are searched for its newline, so that a
// line that comes in a million writes is not read a million times from its beginning.
const quietScan = 4 << 10

// read takes one chunk of a generation that the caller holds. It returns whether there is more to read at once.
func (r *reader) read(ctx context.Context, g *generation) (again bool) {
	s := r.source
	f, st, ok := r.look(ctx, g)
	if !ok {
		return false
	}
	size := st.size
	limit, ok := s.clear(g, size)
	if !ok {
		return false
	}
	to := s.destination(g, st)
	want := min(limit-g.position, int64(max(s.cfg.chunk, to.Processor.Window(s.cfg.MaxLine))))
	if want < 0 || s.deferred(g, want) {
		if tail, err := probeAt(f, g.position-int64(g.tail.size), int64(g.tail.size)); err == nil && tail == g.tail {
			s.whole(g, st)
		}
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
		s.cutShort(g, beginning{})
		return false
	case err != nil:
		s.budget.Release(max(want, minWeight))
		s.failedRead(g, err)
		return false
	}
	s.whole(g, st)
	return r.deliver(ctx, g, f, data, to, want, size)
}

// look opens the file of a generation that the caller holds, if that need not wait, and finds out whether what was read of
// it is still there. What it finds instead others are told.
func (r *reader) look(ctx context.Context, g *generation) (f handle, st fileStat, ok bool) {
	s := r.source
	if c := s.candidatesOf(g); c != nil {
		r.lookInto(ctx, g, c)
		return nil, st, false
	}
	if !s.mayRead(g) {
		return nil, st, false
	}
	f, err := s.descriptor(ctx, g)
	if errors.Is(err, errTruncated) {
		s.cutShort(g, beginning{})
		return nil, st, false
	}
	if ctx.Err() != nil {
		return nil, st, false
	}
	if err != nil {
		s.failedOpen(g, err)
		return nil, st, false
	}
	info, err := f.Stat()
	if err != nil {
		s.failedRead(g, err)
		return nil, st, false
	}
	st = statOf(info)
	s.note(g, st)
	if st.size < g.position {
		s.cutShort(g, beginning{})
		return nil, st, false
	}
	if g.position == 0 && s.unvetted(g, st) {
		s.cutShort(g, beginningOf(f, st.size))
		return nil, st, false
	}
	return f, st, true
}

// mayRead is false if the generation waits for another, is not registered yet, or has a batch waiting behind the one in
// flight already.
func (s *Source) mayRead(g *generation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.prepared != nil || g.unregistered {
		g.more = true
		return false
	}
	return g.blockers == 0 && !g.dead && !g.truncated
}

// note records what the holder has seen of the file.
func (s *Source) note(g *generation, st fileStat) {
	s.mu.Lock()
	g.links, g.checked = st.links, telling(st.mtime)
	if g.failing {
		g.failing = false
		delete(s.failures, g)
	}
	if st.size != g.seen {
		g.closing = false // it still gets lines
	}
	if packed(g.name) {
		g.closing = true // it never does
	}
	s.mu.Unlock()
}

// telling returns a modification time, or 0 if it is so recent that another change may leave the same time.
func telling(mtime int64) int64 {
	if age := time.Now().UnixNano() - mtime; age < int64(clockTick) && age > -int64(clockTick) {
		return 0
	}
	return mtime
}

// unvetted says whether a file of which nothing was read may have been truncated since copies were last looked for.
func (s *Source) unvetted(g *generation, st fileStat) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	vetted := g.vetted && (st.size == 0 || s.begins[g].size > 0)
	if st.size == 0 {
		g.vetted = false // this was one look, which finds nothing to read; what comes and goes before the next leaves no trace
	}
	return st.size < g.grown || g.away.IsZero() && !vetted && st.mtime != g.begun
}

// unchanged says whether what was just read of a file is what stood there when it was looked at before: what was before
// the position then, or if there was nothing, what it began with when copies were last looked for.
func (s *Source) unchanged(f handle, g *generation, before []byte) (bool, error) {
	if g.position > 0 {
		buf := probeBuffers.Get().(*[headSize]byte)
		defer probeBuffers.Put(buf)
		n, err := f.ReadAt(buf[:len(before)], g.position-int64(len(before)))
		if err == io.EOF {
			err = nil
		}
		return bytes.Equal(buf[:n], before), err
	}
	s.mu.Lock()
	home, vetted, begun, begins := g.away.IsZero(), g.vetted, g.begun, s.begins[g]
	s.mu.Unlock()
	if !home {
		return true, nil
	}
	if vetted && begins.size > 0 {
		return verify(f, begins.size, begins.head, begins.tail)
	}
	info, err := f.Stat()
	return err == nil && statOf(info).mtime == begun, err
}

// whole records that a file held what was read of it when st was taken.
func (s *Source) whole(g *generation, st fileStat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.away.IsZero() && st.size > 0 { // the time of an empty file may be that of a truncation, which comes after the copy
		g.mtime = max(g.mtime, st.mtime)
	}
	if st.size < g.grown && g.file != nil { // or a stop has seen a deleted file grow since st was taken
		if info, err := g.file.Stat(); err == nil && statOf(info).size >= g.grown {
			return
		}
	}
	if lost := g.grown - st.size; lost > 0 { // cut off behind the position
		s.loseLocked(g, lostTruncated, lost, 0)
	}
	g.grown = st.size
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
func (r *reader) unfinished(f handle, g *generation, limit int64) bool {
	if g.seen-g.position < quietScan || limit-g.position > int64(r.source.cfg.MaxLine) || limit <= g.seen {
		return false
	}
	buf := r.room(int(limit - g.seen))
	n, err := f.ReadAt(buf, g.seen)
	if err != nil || n < len(buf) || bytes.IndexByte(buf, '\n') >= 0 {
		return false
	}
	r.source.mu.Lock()
	g.seen, g.grown = limit, limit
	g.active = now()
	r.source.mu.Unlock()
	return true
}

func (r *reader) room(n int) []byte {
	more := len(r.source.cfg.CutMark) + 1 // for what is to be added to a line
	if len(r.buffer) < n+more {
		r.buffer = make([]byte, max(n+more, min(2*n, r.source.cfg.chunk+tailSize)+more, 64<<10))
	}
	return r.buffer[:n]
}

var errTruncated = errors.New("the file was truncated")

// chunk reads up to want bytes from the position on, together with the bytes of the tail probe before it: if these are
// not what they were, the file was truncated and written anew, however long it is. That may have happened in the middle
// of the read, too; so they must still be there after it.
func (r *reader) chunk(f handle, g *generation, want int64) ([]byte, error) {
	before := int(g.tail.size)
	buf := r.room(before + int(want))
	n, err := f.ReadAt(buf, g.position-int64(before))
	if err != nil && err != io.EOF {
		return nil, err
	}
	if n < before || !g.tail.matches(buf[:before]) {
		return nil, errTruncated
	}
	if _, compressed := f.(*packedFile); n > before && !compressed {
		if ok, err := r.source.unchanged(f, g, buf[:before]); err != nil || !ok {
			return nil, cmp.Or(err, errTruncated)
		}
	}
	return buf[before:n], nil
}

// deliver makes a batch of the whole lines in data and has it committed.
func (r *reader) deliver(ctx context.Context, g *generation, f handle, data []byte, to destination, weight, size int64) (again bool) {
	s := r.source
	ending := to.ending
	if g.position+int64(len(data)) < size {
		ending = line.More
	}
	b := newBatch(weight)
	step, err := r.fill(b, g, f, data, to, ending)
	switch {
	case step.used == 0:
		b.recycle()
		s.budget.Release(b.weight)
		s.looked(g, len(data), r.maker.Held)
		return r.settle(ctx, g, g.position+int64(len(data)) == size)
	case err != nil:
		b.recycle()
		s.budget.Release(b.weight)
		if err == io.EOF { // cut short since the read
			s.cutShort(g, beginning{})
			return false
		}
		s.failedRead(g, err)
		return false
	}
	s.count(to.Log, r.maker.Counts)
	s.advance(ctx, g, b, step)
	return g.seen < size || ending == line.Last
}

// maxBatch bounds what the lines of a batch become, in bytes: a prefix may make much of little.
const maxBatch = defaultChunk

// fill makes blocks of the data, which begins at the position.
func (r *reader) fill(b *batch, g *generation, f handle, data []byte, to destination, ending line.Ending) (step advance, err error) {
	m, used := &r.maker, 0
	m.Begin(to.Source, g.within, ending)
	for used < len(data) && b.raw < maxBatch {
		long := m.Counts.Cut
		d, n := m.Next(b.free(), data[used:])
		if n == 0 {
			step.seen = len(data)
			break
		}
		if m.Counts.Cut > long {
			r.source.longLine(g.path, to.Log, g.position+int64(used))
		}
		used += n
		if d.Count == 0 {
			continue // all of them were dropped
		}
		b.add(d)
		if r.source.cfg.CarryCheckpoints {
			head, tail, err := r.probes(f, g, data, used)
			if err != nil {
				return advance{used: used}, err
			}
			b.reach(to.checkpoint, g.position+int64(used), head, tail)
		}
	}
	step.used, step.seen = used, max(step.seen, used)
	step.within, step.held = m.State, m.Held
	if used > 0 {
		step.head, step.tail, err = r.probes(f, g, data, used)
	}
	return step, err
}

// destination is what a generation's lines become and where they go, as it is when a batch of them is begun.
type destination struct {
	line.Source
	ending     line.Ending // if the batch reaches the end of the file
	checkpoint checkpoint  // before the batch
}

func (s *Source) destination(g *generation, st fileStat) destination {
	s.mu.Lock()
	defer s.mu.Unlock()
	to := destination{
		Source: line.Source{
			Processor: g.section.lines, Log: g.log, Codec: g.section.codec, MaxLine: s.cfg.MaxLine, CutMark: s.cfg.CutMark,
			Host: s.cfg.Host, File: g.path,
		},
		checkpoint: g.checkpointLocked(),
	}
	switch {
	case g.closing:
		to.ending = line.Last
	case s.abandonedLocked(g, st), g.seen == st.size && s.dueLocked(g, now()):
		to.ending = line.Idle
	}
	return to
}

// looked records how far there is an unfinished line, or an event that may still grow.
func (s *Source) looked(g *generation, n int, held bool) {
	s.mu.Lock()
	g.held = held
	if seen := g.position + int64(n); seen != g.seen {
		g.seen = seen
		g.active = now()
	}
	s.mu.Unlock()
}

// probes returns the probes for the position after used bytes of data, which begins at the position.
func (r *reader) probes(f handle, g *generation, data []byte, used int) (head, tail probe, err error) {
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
	within     line.State
	held       bool
}

// advance moves the position, completes the batch with the checkpoint and submits it. All that is one step for others:
// between a position that has moved and a batch that is in flight, the batch would seem to be committed, and a newer
// generation's lines might overtake it. Where all lines were dropped, there may be nothing to commit for a while.
func (s *Source) advance(ctx context.Context, g *generation, b *batch, a advance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.position == 0 {
		delete(s.begins, g)
	}
	g.seen = g.position + int64(a.seen)
	g.position += int64(a.used)
	g.head, g.tail, g.within, g.held = a.head, a.tail, a.within, a.held
	g.active = now()
	if len(b.Drafts) == 0 && g.mayWaitLocked(g.active) {
		b.recycle()
		s.budget.Release(b.weight)
		return
	}
	s.saveLocked(ctx, g, b)
}

// settle ends a look that found no whole line. A generation that is to be let go is, at its end.
func (r *reader) settle(ctx context.Context, g *generation, atEnd bool) (again bool) {
	s := r.source
	s.mu.Lock()
	closing := g.closing && atEnd
	if closing && g.file != nil { // it may have been deleted since its size was taken, and written to in between
		if info, err := g.file.Stat(); err == nil && statOf(info).size > g.seen {
			s.mu.Unlock()
			return true
		}
	}
	inflight := g.inflight || s.savedLocked(ctx, g, closing)
	s.mu.Unlock()
	if !closing || inflight {
		return !atEnd
	}
	s.letGo(ctx, g)
	return false
}

func (s *Source) longLine(path, log string, offset int64) {
	s.stats.longLines.Add(1)
	if s.quiet.may("long line", 10*time.Second) {
		s.log.Warn("line is too long and is cut into pieces", "path", path, "offset", offset, "log", log, "max_line", s.cfg.MaxLine)
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
	if g.givenUp {
		s.mu.Unlock()
		return
	}
	g.failing = true
	s.failures[g] = now()
	file := s.dropLocked(g)
	s.mu.Unlock()
	if file != nil {
		file.Close()
	}
	if s.quiet.may("unreadable "+g.path, time.Hour) {
		s.log.Warn("cannot read file; it is tried again at every scan", "path", g.path, "err", err)
	}
}
