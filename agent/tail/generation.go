package tail

import (
	"container/list"
	"path/filepath"
	"time"

	"github.com/logscribe/logscribe/agent/line"
	"github.com/logscribe/logscribe/internal/block"
)

// generation is one file, from its creation to its end, under whatever names it bears.
//
// All fields but the first are guarded by Source.mu. The worker that holds the generation may read position, seen,
// head, tail and file without the mutex, because only the holder changes them.
type generation struct {
	id identity

	// Where its lines go.
	lineage *lineage // nil while no section covers it
	ordinal uint64   // 0 if it is known so that it is never read
	path    string   // where it was found first, or rather: where its writer thought it was
	log     string
	codec   block.Codec
	lines   *line.Processor // nil if they pass as they are

	// Where it is.
	name    string  // its name now; "" if none is known
	alias   string  // the name behind the link at path; "" if path is no link
	away    instant // since when it is not at its path; zero while it is
	deleted instant // since when it has no name at all; zero while it has
	missing instant // since when no name leads to it and no descriptor is open
	mtime   int64   // its last modification that was seen while it was at its path
	links   uint64
	dormant bool // away, read to its end and closed; it is looked at again only if a scan finds it changed
	dead    bool // it is no more, and its checkpoint is removed

	// How far it is read. committed <= position <= seen.
	position   int64      // handed to the committer up to here; the end of a line
	committed  int64      // durable up to here
	seen       int64      // looked at up to here: position, or further by an unfinished line
	head, tail probe      // of the bytes before position
	checked    int64      // modification time of the file before it was last looked into; 0 if that tells nothing
	within     line.State // what position leaves open
	held       bool       // whole lines behind position belong to an event that may still grow
	active     instant
	unsaved    instant // since when position is beyond what was last submitted; zero if it isn't

	// Reading. file is opened and closed by the holder, or by whoever finds the generation idle.
	file    handle
	lru     *list.Element
	state   state
	again   bool // to be queued again when the holder lets go
	givenUp bool // deleted, and closed before it was read to its end
	mourned bool // what that loses is counted
	closing bool // to be let go at its end
	ending  bool // its last batch is under way; nobody may hold it then
	failing bool // the last open or read failed
	failed  instant
	grown   int64 // the largest size that was seen since its content began

	// What became of a file whose content is not where it was; see copies.go and packed.go.
	begun      int64     // its modification time before copies were last looked for; 0 if that tells nothing
	candidates []sibling // compressed files, one of which may hold its rest; the holder looks into them
	inside     int       // the one of them that does, -1 if none
	truncated  bool      // it no longer holds what was read of it; the conductor decides before it is read again
	vetted     bool      // copies were looked for a moment ago, and the file may be looked into once, though it is unread
	looked     bool      // inside is set
	sought     bool      // such files were looked into once
	orphaned   bool      // its inode is another file's by now
	proven     bool      // it was read to its end since New

	// Committing.
	prepared *batch // the one after that in flight
	inflight bool   // a batch is being appended
	more     bool   // to be queued when the batch in flight is committed

	// Order among generations; see order.go.
	after    []*afterOnce
	blockers int      // number of waiters entries that hold it up
	cleared  int64    // it may read up to here
	pending  int64    // it may read up to here when blockers is 0
	waiters  []waiter // those that it holds up

	// The conductor's alone.
	due      instant // next look by the poller
	dueIndex int     // in the poller's heap, -1 if not there
}

// state says who may work on a generation.
type state uint8

const (
	idle   state = iota
	queued       // in the ready queue
	held         // a worker reads it
)

func (g *generation) checkpointLocked() checkpoint {
	return checkpoint{
		id: g.id, position: g.position, mtime: g.mtime, checked: g.checked, ordinal: g.ordinal,
		head: g.head, tail: g.tail, path: g.path, log: g.log,
	}
}

func fromCheckpoint(c checkpoint) *generation {
	return &generation{
		id: c.id, path: c.path, log: c.log, ordinal: c.ordinal, mtime: c.mtime, checked: c.checked,
		position: c.position, committed: c.position, seen: c.position, cleared: c.position,
		head: c.head, tail: c.tail, dormant: true, links: 1, dueIndex: -1,
	}
}

// settledLocked returns up to where the generation is done with: looked at, and in the spool. An event that may still
// grow is not done with: it comes before the lines of a newer generation.
func (g *generation) settledLocked() int64 {
	switch {
	case g.inflight:
		return g.committed
	case g.held:
		return g.position
	}
	return g.seen
}

// quietLocked says whether the generation may be closed without anything being lost that is known of.
func (g *generation) quietLocked() bool {
	return g.state == idle && !g.inflight && g.blockers == 0 && len(g.waiters) == 0
}

// lineage is a path that a section matches, with the generations that stood there one after another.
type lineage struct {
	path    string
	section *section
	log     string
	scan    uint64 // the last scan that found a file at the path

	waiting    bool      // it can't be settled before something is known about an older generation
	settled    time.Time // when its files were last accounted for
	folderTime int64     // the folder's modification time before that

	// Guarded by Source.mu.
	generations []*generation // oldest first, without those that are dead
	floor       floor         // the last of floorOf that was not zero
	last        uint64        // the highest ordinal that was given
	current     *generation   // the newest that stood at the path; nil if it is forgotten
}

func (l *lineage) nextOrdinalLocked() uint64 {
	l.last++
	return l.last
}

// folder returns where the path's rotated files are.
func (l *lineage) folder() string { return filepath.Dir(l.path) }
