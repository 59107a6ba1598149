package tail

import (
	"context"
	"io"
	"math"
	"slices"
	"time"

	"github.com/logscribe/logscribe/spool"
)

// A compressed file is never read as lines of its own. But where a generation was compressed and removed before it was
// read to its end, for nothing was running or nobody could keep up, its rest is taken out of the compressed file: that
// takes over the generation's place and position, and is read like any other file through packedFile. Once it is read
// to its end it stays known as a file that is never read.
//
// To find it means to decompress what may be a lot, so that workers do it, while the lineage waits. A generation of which
// nothing was read has no content to be known by. So it is what is left when all others have found theirs: a file that holds
// nothing of theirs (missed.go), and that was last written to between the last look at the generation and the last write to
// the next one; for compressed files keep that time.

// candidates are files of which one may hold the rest of a generation.
type candidates struct {
	files []sibling
	found int  // index of the one that does, -1 if none
	known bool // found is set
}

// looked says whether it is known which of them holds the rest.
func (c *candidates) looked() bool { return c != nil && c.known }

// holds says whether the rest of g is in the file.
func (s *Source) holds(ctx context.Context, g *generation, sib sibling) (bool, error) {
	f, err := s.openSibling(sib)
	if err != nil {
		return false, err
	}
	defer f.Close()
	defer context.AfterFunc(ctx, func() { f.Close() })()
	var content io.ReaderAt = f
	if sib.packed() {
		content = &packedFile{raw: f}
	}
	return verify(content, g.position, g.head, g.tail)
}

// lookInto has a worker find out whether the rest of g is in one of the compressed files among these, or in a copy. It
// returns whether there are any. What few bytes were read of a file does not tell its copy from an independent file.
func (s *Source) lookInto(g *generation, unknown []sibling) bool {
	var files []sibling
	for _, sib := range unknown {
		may := sib.packed() || g.position >= headSize
		if may && sib.stat.mtime > g.mtime-int64(2*time.Second) { // some tools set mere seconds
			files = append(files, sib)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.lookedInside || g.head.size == 0 || len(files) == 0 {
		return false
	}
	g.lookedInside, g.dormant = true, false // a newer one waits for it from now on
	g.inside = &candidates{files: files, found: -1}
	s.looking++
	s.enqueueLocked(g)
	return true
}

func (s *Source) candidatesOf(g *generation) *candidates {
	s.mu.Lock()
	defer s.mu.Unlock()
	return g.inside
}

// lookInto is the worker's part; it holds the generation.
func (r *reader) lookInto(ctx context.Context, g *generation, c *candidates) {
	if c.known {
		return
	}
	s := r.source
	moved := false
	found := slices.IndexFunc(c.files, func(sib sibling) bool {
		ok, err := s.holds(ctx, g, sib)
		moved = moved || hasMoved(err)
		return ok
	})
	if ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.inside != c {
		return // nobody asks any more
	}
	c.found, c.known, g.lookedInside = found, true, !moved
	s.searchLocked(g)
}

// lookedInto goes on with what the worker has found out.
func (s *Source) lookedInto(ctx context.Context, g *generation) {
	s.mu.Lock()
	files, found := g.inside.files, g.inside.found
	g.inside = nil
	s.looking--
	if !g.truncated && (g.file != nil || g.underwayLocked()) { // a worker was about to open it, and has read what is in it
		found, g.lookedInside = -1, false
		s.enqueueLocked(g)
	}
	s.mu.Unlock()
	l := g.lineage
	var c *generation
	if found >= 0 && !g.dead && s.byInode[files[found].stat.inode] == nil {
		c = s.successor(g, files[found])
		if packed(c.name) {
			s.stats.unpacked.Add(1)
		}
		s.sayRemoved(g, c.name)
	}
	// Of a truncated file what was found is the past, and it goes on itself; one that is gone is replaced by that. If nothing was
	// found, it is gone for good, unless that was no proper look.
	switch {
	case g.dead:
	case g.truncated && c != nil:
		looked := time.Now().UnixNano()
		_, siblings := s.collect(l)
		s.restartBehind(ctx, g, c, s.unknownOf(ctx, l, siblings), looked)
	case g.truncated:
		s.resolve(ctx, g)
	case c != nil:
		s.replace(ctx, g, c)
	case !g.lookedInside: // a file was renamed meanwhile, or g was opened after all; settle has it looked for again
	case g.orphaned:
		s.layToRest(ctx, g)
	default:
		s.mu.Lock()
		s.sleepLocked(g)
		s.mu.Unlock()
	}
	s.settle(ctx, l)
}

// unaskLocked drops what was asked about a generation that leaves its lineage: no worker may come by to find it out. If a
// section covers it again, it is asked anew.
func (s *Source) unaskLocked(g *generation) {
	g.truncated, g.placed = false, false
	if g.inside != nil {
		g.inside, g.lookedInside = nil, false
		s.looking--
	}
}

// lookingInside says whether it must first be found out what is in compressed siblings. What takes the place of a
// generation that is no more must be known before newer ones are. What the same look has seen at the path or beside it is
// there: it may bear another name by now, which the next look will find. A generation that was closed with lines on their way
// to the spool is looked for when these are stored: until then its place begins where they do.
func (s *Source) lookingInside(ctx context.Context, l *lineage, at *fileStat, siblings []sibling, beside siblingsByInode) bool {
	s.mu.Lock()
	generations := slices.Clone(l.generations)
	s.mu.Unlock()
	var unknown []sibling
	var unread []*generation
	looking := false
	for _, g := range generations {
		s.mu.Lock()
		untouched, underway := g.position == 0, g.underwayLocked()
		gone := g.ordinal > 0 && !g.dead && !g.past && !g.proven && !g.truncated && !g.givenUp && g.file == nil && g.inside == nil
		looking = looking || g.inside != nil && !g.truncated
		s.mu.Unlock()
		if _, found := beside.of(g.id); !gone || g.lookedInside || found || at != nil && at.identity.same(g.id) {
			continue
		}
		if name, _ := s.find(g); name != "" {
			continue
		}
		if underway {
			s.postponed[l] = g
			looking = true
			continue
		}
		if unknown == nil {
			unknown = s.unknownOf(ctx, l, siblings)
		}
		switch {
		case g.dead: // its inode is that of one of them
		case untouched:
			unread = append(unread, g)
		case s.lookInto(g, unknown):
			looking = true
		case g.orphaned:
			s.layToRest(ctx, g)
		}
	}
	for _, g := range unread {
		looking = looking || s.lookForUnread(ctx, g, siblings, beside)
	}
	return looking
}

// lookForUnread has a compressed file take the place of a generation that is no more and of which nothing was read: the
// first of those that may be made of it and hold nothing of any other. It returns whether to ask again. If no newer one is known
// none need take its place: all that nobody has read is read behind what is known.
func (s *Source) lookForUnread(ctx context.Context, g *generation, siblings []sibling, beside siblingsByInode) (again bool) {
	s.mu.Lock()
	opening, opened := g.state == held || g.underwayLocked(), g.file != nil
	s.mu.Unlock()
	l := g.lineage
	switch {
	case opened:
		return false
	case opening: // which may take long
		s.postponed[l] = g
		return true
	}
	end := s.endOf(l, g, beside)
	may := func(sib sibling) bool { return mayBeMadeOf(g, sib, end) }
	if s.glimpsing(ctx, l, siblings, beside, may) {
		return true
	}
	unknown := s.unknownOf(ctx, l, siblings)
	s.mu.Lock()
	newest := !slices.ContainsFunc(l.generations, func(o *generation) bool { return o.ordinal > g.ordinal })
	s.mu.Unlock()
	i := -1
	if !newest { // else what nobody has read follows it anyway, each in its place
		i = slices.IndexFunc(unknown, func(sib sibling) bool { return may(sib) && s.isNews(l, sib) })
	}
	switch {
	case g.dead:
	case i >= 0:
		s.sayRemoved(g, unknown[i].path)
		s.stats.unpacked.Add(1)
		s.replace(ctx, g, s.successor(g, unknown[i]))
	case g.orphaned:
		s.bury(ctx, g)
	default: // what is compressed from now on is not made of it
		s.mu.Lock()
		g.lookedInside = true
		s.mu.Unlock()
	}
	return false
}

// mayBeMadeOf says whether an unknown sibling may be a compressed file made of a generation of which nothing was read: by
// what is known of the time when that was written to, from when it was last seen to end.
func mayBeMadeOf(g *generation, sib sibling, end int64) bool {
	return sib.packed() && !writtenBefore(sib, g.mtime) && sib.stat.mtime <= end
}

// endOf returns when a generation was written to at the latest: as the writer goes from an older file to a newer one, that is
// the last write to one of those that are newer and still there, or if none is, what endLocked says. One that is empty says
// nothing: the writer may not know of it yet.
func (s *Source) endOf(l *lineage, g *generation, beside siblingsByInode) int64 {
	s.mu.Lock()
	newer := slices.DeleteFunc(slices.Clone(l.generations), func(o *generation) bool { return o.ordinal <= g.ordinal })
	seen, none := g.mtime, l.endLocked(g)
	s.mu.Unlock()
	end, empty := int64(math.MaxInt64), false
	for _, o := range newer {
		st, found := s.statNow(o)
		if sib, ok := beside.of(o.id); ok {
			st, found = sib.stat, true
		}
		switch {
		case found && st.size == 0:
			empty = true
		case found && st.mtime >= seen: // or the clock was set back
			end = min(end, st.mtime)
		}
	}
	if end == math.MaxInt64 && !empty {
		return none
	}
	return end
}

func (s *Source) sayRemoved(g *generation, name string) {
	s.log.Info("file was removed, and another one has its content; reading what was not read yet out of that",
		"path", g.path, "log", g.log, "file", name, "position", g.position)
}

// orphan keeps a generation in its lineage until it is known whether it was compressed, and frees its inode, and the key
// of its checkpoint, for another.
func (s *Source) orphan(ctx context.Context, g *generation) {
	delete(s.byInode, g.id.inode)
	s.rename(g, "")
	s.becomeOrphan(g)
	s.mu.Lock()
	c, ended := g.checkpointLocked(), g.proven || g.lookedInside && g.inside == nil
	s.mu.Unlock()
	s.register(ctx, nil, spool.Checkpoint{Key: orphanKey(c.id), Value: c.encode()}, spool.Checkpoint{Key: checkpointKey(g.id.inode)})
	if ended {
		s.layToRest(ctx, g)
	}
}
