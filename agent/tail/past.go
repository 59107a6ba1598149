package tail

import (
	"container/heap"
	"context"
	"hash/crc32"
	"math"
	"time"

	"github.com/logscribe/logscribe/spool"
)

// What was compressed beside a path is either older than all generations that are known, or made of one of them, or holds
// what nobody has read. For this to be all there is, the generations that are known must be the newest without a gap. So one
// that was read and deleted stays known as long as an older file could be what it was compressed to: by its time, and the
// probes of its content (missed.go). It is past: once its end is stored it has neither name nor descriptor, holds up nobody, and
// the key of its checkpoint is that of an orphan, as its inode is another file's soon.
//
// The oldest ones are forgotten when the next was last written to, or born, in a later second than they were gone: what was
// made of them is older than all that is known by then, also where the tool that compressed it has kept mere seconds of the time
// of the last write, or has not kept it.

// maxPast bounds the past generations of a lineage, whatever clocks do.
const maxPast = 1000

// orphanedAs returns the identity of an orphan. Where the file system knows no times of birth it gets one that no file has, or
// it would pass for the file that has its inode, or for an orphan of another path.
func orphanedAs(c checkpoint) identity {
	if c.id.born == 0 {
		c.id.born = -int64(c.ordinal&math.MaxInt32<<32|uint64(crc32.ChecksumIEEE([]byte(c.path)))) - 1
	}
	return c.id
}

// goneLocked returns by when what a past generation was compressed to was there, by the clock of file times.
func (g *generation) goneLocked() int64 { return max(g.mtime, g.checked) }

// layToRest makes an orphan past: what is compressed beside its path does not hold its rest, which is lost.
func (s *Source) layToRest(ctx context.Context, g *generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unreadLocked(g)
	g.past, g.dormant, g.grown, g.checked = true, true, 0, fileClock()
	c := g.checkpointLocked()
	s.registerLocked(ctx, registration{more: []spool.Checkpoint{{Key: g.key(), Value: c.encode()}}, losses: s.payLocked(g)})
	s.progressLocked(g)
}

// leave puts a past generation in the place of what was read of a file that is truncated: copies of that which are compressed
// yet, and may lack its last lines, are told by it.
func (s *Source) leave(ctx context.Context, g *generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.lineage.generations[len(g.lineage.generations)-1] != g {
		return
	}
	now := fileClock()
	p := &generation{
		path: g.path, log: g.log, section: g.section, ordinal: g.ordinal, lineage: g.lineage, mtime: now, checked: now,
		position: g.position, committed: g.position, seen: g.position, head: g.head, tail: g.tail,
		dormant: true, orphaned: true, past: true, stored: true, dueIndex: -1,
	}
	p.id = orphanedAs(checkpoint{id: identity{inode: g.id.inode}, ordinal: g.ordinal, path: g.path})
	l := g.lineage
	g.ordinal = l.nextOrdinalLocked()
	l.generations[len(l.generations)-1] = p
	l.generations = append(l.generations, g)
	c := p.checkpointLocked()
	s.registerLocked(ctx, registration{more: []spool.Checkpoint{{Key: orphanKey(c.id), Value: c.encode()}}})
}

// retire takes a deleted generation that is past from all that leads to files. The inode may have been another file's already.
func (s *Source) retire(ctx context.Context, g *generation) {
	if g.orphaned {
		return
	}
	if s.byInode[g.id.inode] == g {
		delete(s.byInode, g.id.inode)
	}
	s.rename(g, "")
	s.becomeOrphan(g)
	if g.dueIndex >= 0 {
		heap.Remove(&s.polls, int(g.dueIndex))
	}
	switch {
	case g.lineage != nil:
		s.forgetPast(ctx, g.lineage)
	case !g.dead:
		s.uncovered = append(s.uncovered, g)
	}
}

// becomeOrphan gives a generation the identity of an orphan.
func (s *Source) becomeOrphan(g *generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id := orphanedAs(g.checkpointLocked()); id != g.id {
		g.id = id
	}
	g.orphaned = true
}

// forgetPast forgets the oldest of a lineage's past generations: those that were gone, with what they were compressed to, in an
// earlier second than that of what follows them. If there are no others, a later scan ends the lineage (endLineages).
func (s *Source) forgetPast(ctx context.Context, l *lineage) {
	past, cut, alone := s.pastOf(l)
	if alone && len(past) > 0 {
		if _, noted := s.over[l]; !noted {
			s.over[l] = s.scans.number
		}
		return
	}
	delete(s.over, l)
	for _, g := range past[:max(cut, len(past)-maxPast)] {
		s.drop(g)
		s.erase(ctx, g)
	}
}

// pastOf returns the lineage's past generations before the first that may be read yet, how many of them may be forgotten, and
// whether there are no others.
func (s *Source) pastOf(l *lineage) (past []*generation, cut int, alone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	alone = true
	gone := int64(0)
	for _, g := range l.generations {
		if g.ordinal == 0 {
			continue
		}
		if len(past) > 0 && g.begunAfterLocked(gone) {
			cut = len(past)
		}
		asleep := !g.past && g.dormant && g.name != "" // its file is kept, maybe for ever
		switch {
		case g.past && g.orphaned:
			past = append(past, g)
			gone = max(gone, g.goneLocked())
		case asleep:
			gone, alone = max(gone, g.mtime, g.checked), false
		default:
			return past, cut, false
		}
	}
	return past, cut, alone
}

// endLineages forgets all generations of the lineages that had none but past ones before the scan began that has seen all now.
// What they were compressed to is older than that scan. It returns the checkpoints, to be removed when the time of the scan is
// stored. A path that waits may have files that nobody knows yet.
func (s *Source) endLineages() (gone []spool.Checkpoint) {
	for l, noted := range s.over {
		if noted == s.scans.number || l.waiting {
			continue
		}
		delete(s.over, l)
		past, _, alone := s.pastOf(l)
		if !alone {
			continue
		}
		for _, g := range past {
			s.drop(g)
			gone = append(gone, spool.Checkpoint{Key: g.key()})
		}
		s.mu.Lock()
		l.floor = floor{s.scans.stamp, s.scans.stamp}
		s.mu.Unlock()
	}
	return gone
}

// begunAfterLocked says whether the time of a generation, as its checkpoint has it at least, is in a later second than that.
func (g *generation) begunAfterLocked(gone int64) bool {
	at := g.mtime
	if !g.past && !packed(g.name) { // it grows, and may be stored later
		if at = g.id.born; at > g.mtime {
			return false
		}
	}
	return at-at%int64(time.Second) > gone
}
