package tail

import (
	"context"
	"log/slog"
	"strings"

	"github.com/logscribe/logscribe/spool"
)

// A rehearsal finds out what a source that starts now would do, by doing it: it is a source that evaluates the globs, finds
// known files again, and decides about copies and compressed files, but reads no lines, and stores nothing.

// frozen is a spool that holds checkpoints, and forgets what it is given.
type frozen map[string][]byte

func (f frozen) Append(context.Context, spool.Batch) error { return nil }

func (f frozen) EachCheckpoint(prefix string, visit func(key string, value []byte) error) error {
	for key, value := range f {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		if err := visit(key, value); err != nil {
			return err
		}
	}
	return nil
}

// rehearse returns a source that has just found all there is. Files are opened only in the folders that it is asked about;
// none of them is open at return. The error is about the sections.
func rehearse(sections []Section, host string, checkpoints map[string][]byte, folders map[string]bool) (*Source, error) {
	s, err := New(Config{Sections: sections, Host: host, Spool: frozen(checkpoints), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	for range 2 { // what one scan leaves open the next one may decide
		s.scan(ctx)
		s.scans.next.Stop()
		s.lookAtReady(ctx, folders)
	}
	for e := s.opened.Front(); e != nil; e = e.Next() {
		e.Value.(*descriptor).Close()
	}
	return s, nil
}

// scan evaluates all globs and takes in what that finds.
func (s *Source) scan(ctx context.Context) {
	for s.startScan(ctx); s.scans.done != nil; {
		select {
		case part := <-s.scans.parts:
			s.applyMatches(ctx, part)
		case w := <-s.scans.done:
			s.applyScan(ctx, w)
		}
	}
}

// maxLooks bounds how often one file is looked at, should it change all the time.
const maxLooks = 10

// lookAtReady does the work of the conductor and of the workers until none is left.
func (s *Source) lookAtReady(ctx context.Context, folders map[string]bool) {
	r := &reader{source: s}
	looks := map[*generation]int{}
	for {
		s.commits.Wait()
		s.handleKick(ctx)
		for len(s.errands.queue) > 0 {
			s.runErrand(ctx)
		}
		s.commits.Wait()
		if len(s.ready) == 0 {
			return
		}
		g := s.next()
		looks[g]++
		concerned := g.lineage != nil && folders[g.lineage.folder()]
		if concerned && looks[g] <= maxLooks {
			r.look(ctx, g)
		}
		s.release(g, false)
	}
}
