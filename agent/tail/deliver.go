package tail

import (
	"context"
	"io"
	"time"

	"github.com/logscribe/logscribe/agent/line"
)

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
	b.note(to.Log, to.File, r.maker.Counts)
	s.advance(ctx, g, b, step)
	return g.seen < size || ending == line.Last
}

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
		s.oweLocked(g, b.Losses...)
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
