package tail

import (
	"math"
	"path/filepath"
	"slices"

	"github.com/logscribe/logscribe/agent/line"
)

// generation is one file, from its creation to its end, under whatever names it bears. There may be very many, and most of
// them quiet, so that what only few ever have is behind a pointer, or in a map of the Source.
//
// All fields are guarded by Source.mu, but id and orphaned, which are the conductor's, and where it is said. The worker that
// holds the generation may read position, seen, head, tail and file without the mutex, because only the holder changes them.
type generation struct {
	id identity

	// Where its lines go.
	lineage *lineage // nil while no section covers it
	ordinal uint64   // 0 if it is known so that it is never read
	path    string   // where it was found first, or rather: where its writer thought it was
	log     string
	section *section // what is done to them; that of the lineage, or the last one

	// Where it is.
	name    string  // its name now; "" if none is known
	away    instant // since when it is not at its path; zero while it is
	deleted instant // since when it has no name at all; zero while it has
	mtime   int64   // its last modification that was seen while it was at its path

	// How far it is read. committed <= position <= seen.
	position   int64 // handed to the committer up to here; the end of a line
	committed  int64 // durable up to here
	seen       int64 // looked at up to here: position, or further by an unfinished line
	checked    int64 // modification time of the file before it was last looked into; 0 if that tells nothing; see goneLocked
	active     instant
	unsaved    instant // since when position is beyond what was last submitted; zero if it isn't
	head, tail probe   // of the bytes before position

	// All small fields stand here, together, so that they take little room.
	linked  bool       // it has a name
	dormant bool       // away, read to its end and closed; it is looked at again only if a scan finds it changed
	dead    bool       // it is no more, and its checkpoint is removed
	within  line.State // what position leaves open
	held    bool       // whole lines behind position belong to an event that may still grow

	state   state
	again   bool // to be queued again when the holder lets go
	givenUp bool // deleted, and closed before it was read to its end
	mourned bool // what that loses is counted
	closing bool // to be let go at its end
	ending  bool // its last batch is under way; nobody may hold it then
	failing bool // the last open or read failed
	broken  bool // its compressed file is damaged
	unmet   bool // it is known from a checkpoint, and was not looked into since

	truncated    bool // it no longer holds what was read of it; the conductor decides before it is read again
	vetted       bool // copies were looked for since it began as Source.begins says
	placed       bool // it has a place that was another's, and is not read before its path is settled: older ones may be asleep yet
	lookedInside bool // candidates were looked into once since it was last seen
	orphaned     bool // its inode is another file's by now, or may be
	past         bool // it is known for what it was compressed to alone; see past.go
	proven       bool // it was read to its end since New

	stored       bool  // the spool has a checkpoint of it, or of what it takes the place of
	unregistered bool  // the checkpoint that was registered is not stored yet; that counts as a batch in flight
	inflight     bool  // a batch is being appended
	more         bool  // to be queued when the batch in flight is committed
	blockers     int32 // number of waiters that hold it up
	dueIndex     int32 // in the poller's heap, -1 if not there; the conductor's alone

	// Reading. file is opened and closed by the holder, or by whoever finds the generation idle.
	file  *descriptor // nil while it is closed
	grown int64       // the largest size that was seen since its content began

	// What became of a file whose content is not where it was; see copies.go and packed.go.
	begun  int64       // its modification time before copies were last looked for; 0 if that tells nothing
	inside *candidates // files that may hold its rest, while they are looked into; the holder does

	prepared *batch // to be appended after that in flight

	// Order among generations; see order.go.
	after   *afterOnce
	cleared int64   // it may read up to here
	pending int64   // it may read up to here when blockers is 0
	waiters *waiter // those that it holds up, the first of a list

	due instant // next look by the poller; the conductor's alone
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
		head: g.head, tail: g.tail, grown: g.grown, past: g.past, path: g.path, log: g.log,
	}
}

func fromCheckpoint(c checkpoint) *generation {
	return &generation{
		id: c.id, path: c.path, log: c.log, ordinal: c.ordinal, mtime: c.mtime, checked: c.checked, past: c.past,
		position: c.position, committed: c.position, seen: c.position, cleared: c.position,
		head: c.head, tail: c.tail, grown: c.grown, unmet: true, dormant: true, stored: true, linked: true, dueIndex: -1,
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

// beginAnewLocked has nothing be known of what is in the file.
func (g *generation) beginAnewLocked() {
	g.truncated, g.lookedInside, g.begun, g.vetted = false, false, 0, false
	g.position, g.committed, g.seen, g.cleared, g.grown = 0, 0, 0, 0, 0
	g.head, g.tail, g.within, g.held, g.unsaved = probe{}, probe{}, line.State{}, false, 0
}

// asleepLocked says whether the generation must sleep on, as older ones may be asleep and must wake first.
func (g *generation) asleepLocked() bool { return g.dormant && g.lineage != nil && g.lineage.waiting }

// underwayLocked says whether a batch behind its first checkpoint is on the way to the spool.
func (g *generation) underwayLocked() bool { return g.inflight && !g.unregistered }

// quietLocked says whether the generation may be closed without anything being lost that is known of.
func (g *generation) quietLocked() bool {
	return g.state == idle && !g.inflight && g.blockers == 0 && g.waiters == nil
}

// lineage is a path that a section matches, with the generations that stood there one after another.
type lineage struct {
	path    string
	section *section
	log     string
	scan    uint32 // the last scan that found a file at the path

	settled    instant // when its files were last accounted for
	folderTime int64   // the folder's modification time before that; 0 if that tells nothing

	// What tells whether a compressed file beside the path holds something that nobody has read; see missed.go.
	glimpse   *glimpse // what those hold that were looked into; nil if there are none
	accounted int64    // when all copies of the file at the path were known, nanoseconds since 1970

	// Guarded by Source.mu, and changed by the conductor alone.
	waiting     bool          // it can't be settled before something is known about an older generation
	generations []*generation // oldest first, without those that are dead
	floor       floor         // the last of floorOf that was not zero
	last        uint64        // the highest ordinal that was given
	current     *generation   // the newest that stood at the path; nil if it is forgotten
}

func (l *lineage) nextOrdinalLocked() uint64 {
	l.last++
	return l.last
}

// endLocked returns when the next generation after g that is known was born, by the clock of file times.
func (l *lineage) endLocked(g *generation) int64 {
	end := int64(math.MaxInt64)
	for _, o := range l.generations {
		born := o.id.born
		if born <= 0 || packed(o.name) { // which was born when it was compressed
			born = o.mtime
		}
		if o.ordinal > g.ordinal && born >= g.mtime { // or the clock was set back
			end = min(end, born)
		}
	}
	return end
}

// moveLastLocked makes one of the generations the newest.
func (l *lineage) moveLastLocked(g *generation) {
	l.generations = slices.DeleteFunc(l.generations, func(o *generation) bool { return o == g })
	g.ordinal = l.nextOrdinalLocked()
	l.generations = append(l.generations, g)
	l.current = g
}

// folder returns where the path's rotated files are.
func (l *lineage) folder() string { return filepath.Dir(l.path) }
