package store

import (
	"cmp"
	"slices"

	"golang.org/x/sys/unix"
)

// DefaultMaxOpenFiles is the number of logs that may have their active file open at the same time, if Options do not say.
// To open a file again for each of its lines costs several times what the line does.
const DefaultMaxOpenFiles = 16384

// maxOpenFiles returns how many of the wanted logs may have their file open. It leaves half of the process's descriptors
// to connections and to files that were just rotated.
func maxOpenFiles(wanted int) int {
	if wanted <= 0 {
		wanted = DefaultMaxOpenFiles
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return wanted
	}
	return int(min(uint64(wanted), max(16, limit.Cur/2)))
}

// closeIdle closes files of logs that have nothing uncommitted, those first that have not been used for longest, if too
// many are open. It returns whether there is room for one more. A log that was closed opens its file at its next use.
func (s *Store) closeIdle() bool {
	if int(s.open.Load()) < s.maxOpen {
		return true
	}
	s.mu.Lock()
	var idle []*logFile
	for _, l := range s.logs {
		if _, dirty := s.dirty[l]; !dirty {
			idle = append(idle, l)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(idle, func(a, b *logFile) int { return cmp.Compare(a.used.Load(), b.used.Load()) })
	for _, l := range idle {
		if int(s.open.Load()) <= s.maxOpen*3/4 { // some more than needed, so that this is rare
			break
		}
		l.closeIfIdle()
	}
	return int(s.open.Load()) < s.maxOpen
}

// closeIfIdle closes the log's file unless somebody uses it or something of it is uncommitted.
func (l *logFile) closeIfIdle() {
	if !l.mu.TryLock() {
		return
	}
	defer l.mu.Unlock()
	if l.file != nil && !l.pending && !l.inRound {
		l.close()
	}
}
