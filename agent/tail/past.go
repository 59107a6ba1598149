package tail

import (
	"container/heap"
	"context"
	"slices"
	"time"

	"github.com/logscribe/logscribe/spool"
)

// What was compressed beside a path is either older than all generations that are known, or made of one of them, or holds
// what nobody has read. For this to be all there is, the generations that are known must be the newest without a gap. So one
// that was read and deleted stays known as long as an older file could be what it was compressed to: by its time, and the
// probes of its content (missed.go). It is past: it has neither name nor descriptor, holds up nobody, and the key of its
// checkpoint is that of an orphan, as its inode is another file's soon.
//
// The oldest one is forgotten when the next was last written to, or born, in a later second: what was made of the oldest is
// older than all that is known by then, also where the tool that compressed it has kept mere seconds of its time.

// staysKnownLocked says whether a generation that was read and deleted must stay known: beside others of its lineage, and if no
// scan has begun since it was written to, as what it was compressed to passes for old by the time of that.
func (s *Source) staysKnownLocked(g *generation) bool {
	l := g.lineage
	return l != nil && g.ordinal > 0 && (max(g.mtime, g.checked) >= s.saw.stamp ||
		slices.ContainsFunc(l.generations, func(o *generation) bool { return o != g && o.ordinal > 0 }))
}

// orphanedAs returns the identity of an orphan. Where the file system knows no times of birth it gets one that no file has,
// or it would pass for the file that has its inode.
func orphanedAs(id identity, ordinal uint64) identity {
	if id.born == 0 {
		id.born = -int64(ordinal)
	}
	return id
}

// layToRest makes an orphan past: what is compressed beside its path does not hold its rest, which is lost.
func (s *Source) layToRest(ctx context.Context, g *generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unreadLocked(g)
	g.past, g.dormant, g.grown = true, true, 0
	if losses := s.payLocked(g); len(losses) > 0 {
		c := g.checkpointLocked()
		s.registerLocked(ctx, registration{more: []spool.Checkpoint{{Key: g.key(), Value: c.encode()}}, losses: losses})
	}
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
	p := &generation{
		id: orphanedAs(identity{inode: g.id.inode}, g.ordinal), path: g.path, log: g.log, section: g.section, ordinal: g.ordinal, lineage: g.lineage,
		mtime: fileClock(), position: g.position, committed: g.position, seen: g.position, head: g.head, tail: g.tail,
		dormant: true, orphaned: true, past: true, stored: true, dueIndex: -1,
	}
	l := g.lineage
	g.ordinal = l.nextOrdinalLocked()
	l.generations[len(l.generations)-1] = p
	l.generations = append(l.generations, g)
	c := p.checkpointLocked()
	s.registerLocked(ctx, registration{more: []spool.Checkpoint{{Key: orphanKey(c.id), Value: c.encode()}}})
}

// retire takes a deleted generation, which is past from now on, from all that leads to files.
func (s *Source) retire(ctx context.Context, g *generation) {
	if s.byInode[g.id.inode] == g {
		delete(s.byInode, g.id.inode)
	}
	s.rename(g, "")
	g.id, g.orphaned = orphanedAs(g.id, g.ordinal), true
	if g.dueIndex >= 0 {
		heap.Remove(&s.polls, int(g.dueIndex))
	}
	if g.lineage != nil {
		s.forgetPast(ctx, g.lineage)
	}
}

// forgetPast forgets the oldest of a lineage's past generations, as long as nothing that is there can be made of them. If there
// are no others, a later scan ends the lineage (endLineages).
func (s *Source) forgetPast(ctx context.Context, l *lineage) {
	past, next := s.pastOf(l)
	if next == nil && len(past) > 0 {
		if _, noted := s.over[l]; !noted {
			s.over[l] = s.scans.number
		}
		return
	}
	delete(s.over, l)
	for i, g := range past {
		if i+1 < len(past) && !past[i+1].begunAfter(g) || i+1 == len(past) && !next.begunAfter(g) {
			return
		}
		s.drop(g)
		s.erase(ctx, g)
	}
}

// pastOf returns the lineage's oldest generations, as far as they are past, and the one after them; nil if there is none.
func (s *Source) pastOf(l *lineage) (past []*generation, next *generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range l.generations {
		switch {
		case g.ordinal == 0:
		case !g.past:
			return past, g
		default:
			past = append(past, g)
		}
	}
	return past, nil
}

// endLineages forgets all generations of the lineages that had none but past ones before the scan began that has seen all now.
// What they were compressed to is older than that scan. It returns the checkpoints, to be removed when the time of the scan is
// stored.
func (s *Source) endLineages() (gone []spool.Checkpoint) {
	for l, noted := range s.over {
		if noted == s.scans.number {
			continue
		}
		delete(s.over, l)
		past, next := s.pastOf(l)
		if next != nil {
			continue
		}
		for _, g := range past {
			s.drop(g)
			gone = append(gone, spool.Checkpoint{Key: orphanKey(g.id)})
		}
		s.mu.Lock()
		l.floor = floor{s.scans.stamp, s.scans.stamp}
		s.mu.Unlock()
	}
	return gone
}

// begunAfter says whether the time of a generation, as its checkpoint has it at least, is in a later second than the last
// write to a past one.
func (g *generation) begunAfter(past *generation) bool {
	at := g.mtime
	if !g.past && !packed(g.name) { // it grows, and may be stored later
		if at = g.id.born; at > g.mtime {
			return false
		}
	}
	return at-at%int64(time.Second) > past.mtime
}
