package tail

import (
	"iter"
	"os"
	"slices"
	"strings"
	"time"
)

// folderCache keeps listings of folders for as long as they are surely what a new listing would be. Without it, deleting
// ten thousand files would list their folder ten thousand times.
type folderCache struct {
	listings map[string]listing
}

type listing struct {
	names []string // sorted
	mtime int64    // of the folder, taken before the listing
	taken time.Time
}

const (
	maxListings = 16
	// clockTick is more than the step of the clock that modification times are taken from: two changes within one step
	// leave the same time.
	clockTick = 50 * time.Millisecond
)

// candidates yields the names in the folder that begin with the stem of base. The listing may be older by slack than it
// would have to be.
func (c *folderCache) candidates(folder, base string, slack time.Duration) iter.Seq[string] {
	prefix := base
	if i := strings.LastIndexByte(base, '.'); i > 0 {
		prefix = base[:i]
	}
	names := c.names(folder, slack)
	from, _ := slices.BinarySearch(names, prefix)
	return func(yield func(string) bool) {
		for _, name := range names[from:] {
			if !strings.HasPrefix(name, prefix) || !yield(name) {
				return
			}
		}
	}
}

func (c *folderCache) names(folder string, slack time.Duration) []string {
	l, ok := c.listings[folder]
	if ok && slack > 0 && time.Since(l.taken) < slack {
		return l.names
	}
	st, err := statPath(folder)
	if err != nil {
		return nil
	}
	if ok && l.mtime == st.mtime && l.taken.UnixNano()-l.mtime > int64(clockTick) {
		return l.names
	}
	taken := time.Now()
	f, err := os.Open(folder)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(-1) // what could be read is better than nothing
	slices.Sort(names)
	if c.listings == nil || len(c.listings) >= maxListings {
		c.listings = map[string]listing{}
	}
	c.listings[folder] = listing{names: names, mtime: st.mtime, taken: taken}
	return names
}

func (c *folderCache) clear() { c.listings = nil }
