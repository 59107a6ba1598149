package tail

import (
	"cmp"
	"context"
	"encoding/binary"
	"path/filepath"
	"slices"
	"time"

	"github.com/logscribe/logscribe/spool"
)

// A file beside a path whose files nobody has seen yet, or a compressed one, may be older than all that is to be read, or
// new: made and rotated away while nothing was running. What tells them apart is the time up to which the source had
// seen all that there was, which is stored with the checkpoints. It may be stored late, for what was seen since then is
// known. But it must not be older than a compressed file that the last generation of a path was made to when that is forgotten;
// so it is stored with the removal of checkpoints, by the registrar alone.
//
// Whether an unknown file is old can't be one question, as what it is compared with differs: for a path with known
// generations the oldest of them (floor), where there is none the last run (unseen), for what was lost of one generation
// that one (writtenBefore).

// unseen says whether a sibling that is not known came to be after the last run with this spool had seen all there was.
// One that is compressed must be older than this run: later ones are made of files that were read.
func (s *Source) unseen(sib sibling) bool {
	st := sib.stat
	if s.first || st.mtime < s.since || st.born != 0 && st.born < s.since {
		return false
	}
	return !sib.packed() || s.madeBefore(st)
}

// madeBefore says whether a compressed file was complete when this run began. One that was made in the same tick of the clock
// of file times may be younger, and counts as older.
func (s *Source) madeBefore(st fileStat) bool { return max(st.born, st.mtime) <= s.started }

// floor is when a lineage's oldest known generation was last written, and born; zero if there is none.
type floor struct{ written, born int64 }

// above says whether what is in a sibling was last written before that; which can't be told if the clock was set back since.
// A file that was born before that was written before, too; but a compressed one is younger than what is in it.
func (f floor) above(sib sibling) bool {
	if !sib.packed() && time.Now().UnixNano() < f.written {
		return false
	}
	return writtenBefore(sib, f.written) || !sib.packed() && sib.stat.born != 0 && sib.stat.born < f.born
}

// floorOf returns the lineage's floor, which is the last one if no generation is left. A gap in the ordinals is where one is
// forgotten, for it was read, and so was all before it.
func (s *Source) floorOf(l *lineage) floor {
	s.mu.Lock()
	defer s.mu.Unlock()
	var oldest *generation
	for _, g := range slices.Backward(l.generations) {
		if g.ordinal == 0 || oldest != nil && g.ordinal+1 < oldest.ordinal { // 0: it was there before the path was first seen
			break
		}
		oldest = g
	}
	if oldest != nil {
		l.floor = floor{written: oldest.mtime, born: max(0, oldest.id.born)}
		if oldest.id.born > oldest.mtime { // what is in a compressed file is older than the file
			l.floor.born = 0
		}
	}
	return l.floor
}

// writtenBefore says whether what is in a sibling was last written before mtime. Some tools keep mere seconds or microseconds
// when they compress.
func writtenBefore(sib sibling, mtime int64) bool {
	for _, unit := range []int64{int64(time.Second), int64(time.Microsecond)} {
		if sib.packed() && sib.stat.mtime%unit == 0 {
			mtime -= mtime % unit
		}
	}
	return sib.stat.mtime < mtime
}

// expect makes the lineage of which a new file is the rotated first generation, if it was made and rotated while nothing
// was running. A name may be that of several bases, as app.log-20260101.5 is; the shortest is the likely one.
func (s *Source) expect(path string, st fileStat) {
	if len(s.lineagesRotatedTo(path)) > 0 {
		return
	}
	bases := rotationBases(filepath.Base(path))
	slices.SortFunc(bases, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
	for _, base := range bases {
		suffix, _ := rotationSuffix(base, filepath.Base(path))
		if sib := (sibling{path: path, suffix: suffix, stat: st}); !s.unseen(sib) || s.independent(sib) {
			continue
		}
		if s.lineageOf(filepath.Join(filepath.Dir(path), base)) != nil {
			return
		}
	}
}

// sight is a time up to which all that there was is known.
type sight struct {
	at    time.Time
	stamp int64 // at by the clock of file times
}

// sawAll records that all that there was when a scan began is known now, or will be once what is queued is stored: were the
// time stored before that, a crash would leave files that are older and yet unknown.
//
// That is not so of a path that waits for what is on its way to the spool, or for its reader: what came beside it while
// nothing was running may be unknown yet, and is left out after a crash. Yet the time goes on, or deleted files would stay open
// for as long as any log is stuck.
func (s *Source) sawAll(ctx context.Context) {
	saw := sight{at: s.scans.began, stamp: s.scans.stamp}
	s.mu.Lock()
	looking := s.looking
	s.mu.Unlock()
	if looking > 0 { // what compressed files hold is not known yet
		return
	}
	gone := s.endLineages()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dropped {
		s.dropped = false
		s.registerLocked(ctx, registration{more: gone, stamp: true})
	}
	if n := len(s.registrations); n > 0 {
		s.registrations[n-1].saw = saw
	} else {
		s.saw = saw
	}
}

// checkpoint says up to when all was seen. Its value is
//
//	offset  width  meaning
//	0       1      version of this layout, 1
//	1       8      nanoseconds since 1970, big-endian; missing in what the first releases wrote
func (saw sight) checkpoint() spool.Checkpoint {
	return spool.Checkpoint{Key: startedKey, Value: binary.BigEndian.AppendUint64([]byte{1}, uint64(saw.stamp))}
}

// loadActive takes the stored value; nil at the very first start.
func (s *Source) loadActive(value []byte) {
	s.started = time.Now().UnixNano()
	s.since = fileClock()
	if len(value) == 9 {
		s.since = min(s.since, int64(binary.BigEndian.Uint64(value[1:])))
	}
	s.saw = sight{at: time.Unix(0, s.since), stamp: s.since}
}
