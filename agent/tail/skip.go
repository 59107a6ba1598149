package tail

import (
	"io"
	"time"
)

// skip moves a new generation's position to the end of its last whole line, and returns whether nothing is behind that.
func (s *Source) skip(g *generation, st fileStat) (all bool) {
	size := st.size
	position, head, tail := size, probe{}, probe{}
	if f, err := s.cfg.open(g.name); err == nil {
		defer f.Close()
		position = lastLineEnd(f, size, int64(s.cfg.MaxLine))
		if head, tail, err = probes(f, position); err != nil {
			head, tail = probe{}, probe{}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g.position, g.committed, g.seen, g.cleared = position, position, position, position
	g.head, g.tail = head, tail
	g.grown, g.checked = size, telling(st.mtime)
	g.active = min(g.active, instantOf(time.Unix(0, st.mtime)))
	return position == size && g.checked == st.mtime
}

// lastLineEnd returns where the last whole line of the first size bytes ends, or size if the line at the end is longer
// than limit.
func lastLineEnd(f io.ReaderAt, size, limit int64) int64 {
	var buf [256]byte
	for end := size; end > 0 && end > size-limit; {
		from := max(0, end-int64(len(buf)))
		n, err := f.ReadAt(buf[:end-from], from)
		if err != nil && err != io.EOF {
			return size
		}
		for i := n - 1; i >= 0; i-- {
			if buf[i] == '\n' {
				return from + int64(i) + 1
			}
		}
		if end = from; end == 0 {
			return 0
		}
	}
	return size
}
