package tail

import (
	"context"
	"path/filepath"
	"slices"
	"time"
)

// sibling is a file beside a path that bears a rotated name of it.
type sibling struct {
	path   string
	suffix string
	stat   fileStat
}

// siblingsByInode finds a file among many siblings.
type siblingsByInode map[inode]sibling

func byInode(siblings []sibling) siblingsByInode {
	index := make(siblingsByInode, len(siblings))
	for _, sib := range siblings {
		if _, twice := index[sib.stat.inode]; !twice {
			index[sib.stat.inode] = sib
		}
	}
	return index
}

// of returns the sibling that is the file of that identity.
func (x siblingsByInode) of(id identity) (sib sibling, found bool) {
	sib, found = x[id.inode]
	return sib, found && sib.stat.identity.same(id)
}

// collect returns what is at the lineage's path, nil if no regular file is, and its rotated siblings. It looks until two
// looks agree: a rename in the middle of one might hide a file from it. Where files are renamed faster than they can be
// looked at, what any of the looks has seen counts, under the name it had then.
func (s *Source) collect(l *lineage) (at *fileStat, siblings []sibling) {
	at, last := s.collectOnce(l)
	all := last
	for range 10 {
		at2, siblings := s.collectOnce(l)
		same := (at == nil) == (at2 == nil) && (at == nil || at.identity == at2.identity) &&
			slices.EqualFunc(last, siblings, func(a, b sibling) bool {
				return a.path == b.path && a.stat.identity == b.stat.identity
			})
		if same {
			return at2, siblings
		}
		at, last, all = at2, siblings, union(siblings, all)
	}
	return at, all
}

// union returns all of siblings, and those of earlier ones that are not among them, and that were not compressed since.
func union(siblings, earlier []sibling) []sibling {
	seen := make(map[inode]bool, len(siblings))
	for _, sib := range siblings {
		seen[sib.stat.inode] = true
	}
	for _, sib := range earlier {
		if !seen[sib.stat.inode] && !slices.ContainsFunc(siblings, sib.becameIn) {
			siblings = append(siblings, sib)
		}
	}
	return siblings
}

// becameIn says whether a sibling was compressed to p, as the time of what is in that tells: by its name alone, p may be made
// of another one that had that name before.
func (sib sibling) becameIn(p sibling) bool {
	return p.packed() && !sib.packed() && !writtenBefore(p, sib.stat.mtime) && p.stat.mtime <= sib.stat.mtime
}

func (s *Source) collectOnce(l *lineage) (at *fileStat, siblings []sibling) {
	if st, err := s.cfg.stat(l.path); err == nil && st.regular {
		at = &st
	}
	siblings = s.siblingsOf(l.path, 0)
	if alias := s.aliasOf(l); alias != "" {
		siblings = append(siblings, s.siblingsOf(alias, 0)...)
	}
	return at, siblings
}

func (s *Source) aliasOf(l *lineage) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.aliases[l.current]
}

// siblingsOf returns the regular files beside path that bear a rotated name of it, finished compressed ones included,
// without those whose name is younger than slack.
func (s *Source) siblingsOf(path string, slack time.Duration) []sibling {
	folder, base := filepath.Dir(path), filepath.Base(path)
	var siblings []sibling
	for name := range s.folders.candidates(folder, base, slack) {
		suffix, ok := rotationSuffix(base, name)
		if packed(name) {
			suffix, ok = packedSuffix(base, name)
		}
		if !ok {
			continue
		}
		at := filepath.Join(folder, name)
		if st, err := s.cfg.stat(at); err == nil && st.regular {
			siblings = append(siblings, sibling{path: at, suffix: suffix, stat: st})
		}
	}
	return slices.DeleteFunc(siblings, func(sib sibling) bool {
		if !sib.packed() {
			return false
		}
		_, err := s.cfg.stat(sib.unpacked())
		return err == nil // it is being made
	})
}

// unknownOf returns the siblings that are no generations and that belong to no nearer lineage, oldest first.
func (s *Source) unknownOf(ctx context.Context, l *lineage, siblings []sibling) (unknown []sibling) {
	for _, sib := range siblings {
		if !s.nearerThan(l, sib.path) && s.identify(ctx, sib.path, sib.stat) == nil {
			unknown = append(unknown, sib)
		}
	}
	slices.SortStableFunc(unknown, oldestFirst)
	return unknown
}

// nearerThan says whether path is rather a rotated name of another lineage: app-1-20260101.log is one of app-1.log, and
// of app.log only if there is no app-1.log.
func (s *Source) nearerThan(l *lineage, path string) bool {
	return slices.ContainsFunc(s.lineagesRotatedTo(path), func(other *lineage) bool { return len(other.path) > len(l.path) })
}
