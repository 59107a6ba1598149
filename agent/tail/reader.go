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
	"github.com/logscribe/logscribe/spool"
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
		s.vouch(f, g, st)
		return false
	}
	if r.unfinished(f, g, limit) {
		s.vouch(f, g, st)
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
	return g.blockers == 0 && !g.dead && !g.truncated && !g.placed
}

// note records what the holder has seen of the file.
func (s *Source) note(g *generation, st fileStat) {
	s.mu.Lock()
	g.linked, g.checked = st.links > 0, telling(st.mtime)
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

// vouch is whole if what is before the position is what it was.
func (s *Source) vouch(f handle, g *generation, st fileStat) {
	if tail, err := probeAt(f, g.position-int64(g.tail.size), int64(g.tail.size)); err == nil && tail == g.tail {
		s.whole(g, st)
	}
}

// whole records that a file held what was read of it when st was taken.
func (s *Source) whole(g *generation, st fileStat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := g.waiters; w != nil; w = w.next {
		w.looks = max(0, w.looks-1)
		g.again = g.again || w.looks > 0
	}
	if g.away.IsZero() && st.size > 0 { // the time of an empty file may be that of a truncation, which comes after the copy
		g.mtime = max(g.mtime, st.mtime)
	}
	if st.size < g.grown && g.file != nil { // or a stop has seen a deleted file grow since st was taken
		if info, err := g.file.Stat(); err == nil && statOf(info).size >= g.grown {
			return
		}
	}
	g.unmet = false
	if lost := g.grown - st.size; lost > 0 { // cut off behind the position
		s.loseLocked(g, spool.Truncated, lost, 0)
		g.unsaved, g.more = now().Add(-saveDelay), g.inflight // the checkpoint that goes with it is overdue
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

var errTruncated = errors.New("the file was truncated")

// room returns n bytes of the buffer, behind which there is as much as a line may get added.
func (r *reader) room(n int) []byte {
	more := len(r.source.cfg.CutMark) + 1 // for what is to be added to a line
	if len(r.buffer) < n+more {
		r.buffer = make([]byte, max(n+more, min(2*n, r.source.cfg.chunk+tailSize)+more, 64<<10))
	}
	return r.buffer[:n]
}

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

// maxBatch bounds what the lines of a batch become, in bytes: a prefix may make much of little.
const maxBatch = defaultChunk

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
