package tail

import (
	"bytes"
	"cmp"
	"container/list"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/logscribe/logscribe/agent/line"
	"github.com/logscribe/logscribe/spool"
)

// Source tails files into a spool. Its one conductor, the goroutine of Run, decides which files there are and what
// became of them; a few workers read them; short-lived committers wait for the spool.
type Source struct {
	cfg      Config
	sections []*section
	log      *slog.Logger
	quiet    *limiter
	budget   *semaphore.Weighted
	stats    counters
	commits  sync.WaitGroup
	scanned  atomic.Uint64 // scans that were applied
	kicked   chan struct{} // has an entry if searched or ended has one; conductor receives, anybody sends
	stopped  chan struct{} // closed when Run returns

	reconfigurations chan reconfiguration // Reconfigure sends, the conductor receives

	// The conductor's alone.
	since     int64    // up to when the last run had seen all; see active.go
	started   int64    // when this run began
	dropped   bool     // a generation was forgotten since the last scan
	first     bool     // no scan was done yet with this spool
	resumed   *resumed // what is known besides checkpoints; nil unless the first scan is still to come after a loss
	lineages  map[string]*lineage
	byInode   map[inode]*generation
	byName    map[string]*generation   // by present name, and by the name behind a link
	devices   map[uint64]bool          // those of the checkpoints that were loaded
	copies    map[identity]*generation // new files that hold the beginning of a known one
	missing   map[*generation]instant  // since when no name leads to it and no descriptor is open
	uncovered []*generation            // orphans of paths that no section covers
	over      map[*lineage]uint32      // those with past generations alone, and the scan by which they were so
	postponed map[*lineage]*generation // to be settled again when the poller comes by, but not while that one occupies an inode; nil for files without a lineage
	aliases   map[*generation]string   // the names behind links at paths
	folders   folderCache
	polls     pollHeap
	watch     *watcher // nil if there is none
	writes    writes
	scans     scanState
	errands   errands

	mu            sync.Mutex
	work          sync.Cond // signalled when ready grows
	ready         []*generation
	leaving       bool                      // a stop has begun; workers go on for a moment
	stopping      bool                      // workers end
	failures      map[*generation]instant   // when the last open or read failed, of those that are failing
	begins        map[*generation]beginning // of those of which nothing was read, before copies were last looked for
	opened        *list.List                // of *descriptor, most recently used first
	filtered      map[string]line.Counts
	registrations []registration               // oldest first; while there is one, a registrar runs
	searched      []*generation                // their name leads to another file or to none
	ended         []*generation                // dead or dormant since a moment ago
	glimpsed      []*lineage                   // it is known what is in their compressed files since a moment ago
	owed          map[*generation][]spool.Loss // see losses.go
	saw           sight                        // all that there was by then is known, and stored
	looking       int                          // generations whose rest is looked for in compressed files, and glimpses
}

// New checks the config and loads the checkpoints. The error names what is wrong.
func New(cfg Config) (*Source, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	sections, err := parseSections(cfg.Sections, cfg.Host)
	if err != nil {
		return nil, err
	}
	s := &Source{
		cfg: cfg, sections: sections, log: cfg.Logger, quiet: newLimiter(),
		budget: semaphore.NewWeighted(max(budget, 2*int64(cfg.chunk))), kicked: make(chan struct{}, 1),
		lineages: map[string]*lineage{}, byInode: map[inode]*generation{}, byName: map[string]*generation{},
		devices: map[uint64]bool{}, copies: map[identity]*generation{},
		aliases: map[*generation]string{}, missing: map[*generation]instant{}, failures: map[*generation]instant{},
		postponed: map[*lineage]*generation{}, over: map[*lineage]uint32{}, begins: map[*generation]beginning{}, owed: map[*generation][]spool.Loss{},
		opened: list.New(), filtered: map[string]line.Counts{},
		stopped: make(chan struct{}), reconfigurations: make(chan reconfiguration), errands: errands{of: map[*lineage]*errand{}},
	}
	s.work.L = &s.mu
	if err := s.load(); err != nil {
		return nil, err
	}
	return s, nil
}

// load makes the generations of which the spool has a checkpoint. Where they are now, the first scan finds out.
func (s *Source) load() error {
	var started, resumed []byte
	err := s.cfg.Spool.EachCheckpoint(keyPrefix, func(key string, value []byte) error {
		switch key {
		case startedKey:
			started = bytes.Clone(value)
		case resumedKey:
			resumed = bytes.Clone(value)
		default:
			return s.loadOne(key, value)
		}
		return nil
	})
	if errors.Is(err, errCheckpointVersion) {
		return err
	}
	if err != nil {
		return fmt.Errorf("load file checkpoints: %w", err)
	}
	s.first = started == nil
	s.resumed = newResumed(resumed)
	s.loadActive(started)
	for _, l := range s.lineages {
		slices.SortFunc(l.generations, func(a, b *generation) int { return cmp.Compare(a.ordinal, b.ordinal) })
		l.current = l.generations[len(l.generations)-1]
		s.floorOf(l)
	}
	return nil
}

// loadOne makes the generation of one checkpoint.
func (s *Source) loadOne(key string, value []byte) error {
	c, err := decodeCheckpoint(key, value)
	if errors.Is(err, errCheckpointVersion) {
		return err
	}
	if err != nil {
		s.stats.badCheckpoints.Add(1)
		s.log.Error("checkpoint is damaged; if its file is still there, it is read from its beginning", "err", err)
		return nil
	}
	g := fromCheckpoint(c)
	if g.orphaned = key != checkpointKey(c.id.inode); !g.orphaned {
		s.byInode[g.id.inode] = g
		s.devices[g.id.dev] = true
	}
	if l := s.lineageOf(c.path); l != nil {
		s.mu.Lock()
		s.joinLocked(g, l)
		s.mu.Unlock()
	} else if g.orphaned {
		s.uncovered = append(s.uncovered, g)
	}
	return nil
}

func (s *Source) joinLocked(g *generation, l *lineage) {
	if g.path == l.path {
		g.path = l.path // one string for all; there are very many
	}
	if g.log == l.log {
		g.log = l.log
	}
	g.lineage, g.section = l, l.section
	l.generations = append(l.generations, g)
	l.last = max(l.last, g.ordinal)
}

// Run tails until ctx ends, and returns nil then, half a second later at most: deleted files get that long to be read to
// their ends, and new ones to become known to the spool. At return no goroutine is left and all descriptors are closed. It
// may be called once.
func (s *Source) Run(ctx context.Context) error {
	defer close(s.stopped)
	work, cancel := context.WithCancel(context.WithoutCancel(ctx)) // ends later, for files that won't be there again
	defer cancel()
	s.startWatch()
	var workers sync.WaitGroup
	for range min(max(2, runtime.GOMAXPROCS(0)), 8) {
		workers.Go(func() { s.worker(work) })
	}
	s.conduct(ctx, work)

	left := s.farewell()
	cancel()
	s.mu.Lock()
	s.stopping = true
	s.work.Broadcast()
	s.mu.Unlock()
	workers.Wait()
	s.commits.Wait()
	s.scans.running.Wait()
	s.watch.close()
	s.mournAll(left)
	s.payAll()
	for e := s.opened.Front(); e != nil; e = e.Next() {
		e.Value.(*descriptor).Close()
	}
	return nil
}

// conduct handles all that may change what files there are, until done ends. What it begins goes on until ctx ends.
func (s *Source) conduct(done, ctx context.Context) {
	poll := time.NewTicker(s.cfg.PollInterval)
	defer poll.Stop()
	s.startScan(ctx)
	for {
		select {
		case <-done.Done():
			return
		case e := <-s.watchEvents():
			s.handle(ctx, e)
		case <-s.writes.rest:
			s.writes.rest = nil
		case err := <-s.watch.errors():
			s.watchFailed(err)
		case r := <-s.reconfigurations:
			s.reconfigure(ctx, r.sections)
			close(r.done)
		case <-s.kicked:
			s.handleKick(ctx)
		case <-s.errands.due():
			s.runErrand(ctx)
		case part := <-s.scans.parts:
			s.applyMatches(ctx, part)
		case w := <-s.scans.done:
			s.applyScan(ctx, w)
		case <-s.scans.timer():
			s.startScan(ctx)
		case now := <-poll.C:
			s.poll(ctx, instantOf(now))
		}
	}
}

// kick has the conductor look at searched and ended.
func (s *Source) kick() {
	select {
	case s.kicked <- struct{}{}:
	default:
	}
}

// searchLocked has the conductor look for a generation whose name leads nowhere.
func (s *Source) searchLocked(g *generation) {
	s.searched = append(s.searched, g)
	s.kick()
}

// handleKick looks for the files that a worker did not find, and forgets those that have ended.
func (s *Source) handleKick(ctx context.Context) {
	s.mu.Lock()
	searched, ended, glimpsed := s.searched, s.ended, s.glimpsed
	s.searched, s.ended, s.glimpsed = nil, nil, nil
	s.looking -= len(glimpsed)
	s.mu.Unlock()
	for _, g := range ended {
		switch {
		case g.dead:
			s.drop(g)
		case g.past:
			s.retire(ctx, g)
		case packed(g.name):
			s.mu.Lock()
			g.ordinal = 0 // as in its checkpoint
			s.mu.Unlock()
			if g.lineage != nil {
				s.forgetPast(ctx, g.lineage)
			}
		}
	}
	for _, l := range glimpsed {
		if s.lineages[l.path] == l {
			s.settle(ctx, l)
			s.resolveAll(ctx, l)
		}
	}
	for _, g := range searched {
		s.mu.Lock()
		looked, looking, truncated := g.inside.looked(), g.inside != nil, g.truncated
		s.mu.Unlock()
		switch {
		case looked:
			s.lookedInto(ctx, g)
			continue
		case looking:
			continue // a worker does
		case truncated:
			s.resolve(ctx, g)
			continue
		}
		s.sought(g, nil)
	}
}

// enqueue is enqueueLocked for the conductor, which also keeps an eye on the generation from then on.
func (s *Source) enqueue(g *generation) {
	s.mu.Lock()
	s.enqueueLocked(g)
	s.mu.Unlock()
	s.schedule(g, now().Add(s.cfg.PollInterval))
}
