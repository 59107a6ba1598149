package store

import (
	"context"
	"errors"
	"time"
)

const (
	// scanEvery is how often the keeper looks at all folders, and deletes files that have become too old.
	scanEvery = time.Minute
	// spaceEvery is how often it looks at the free space of the volumes.
	spaceEvery = 2 * time.Second
	// restBetween is its rest after rotations: they come by the hundred a second.
	restBetween = 100 * time.Millisecond
	// restAfterError is its rest before it tries the quiet logs again.
	restAfterError = 5 * time.Second
)

// keepHouse starts the goroutines that rotate quiet logs, delete rotated files, compress them and forget producers, as far
// as the options want any of it; with manual the tests stand in for them.
func (s *Store) keepHouse(manual bool) {
	ctx, cancel := context.WithCancel(context.Background())
	s.dismiss = cancel
	compresses := s.anyPolicy(func(p *Policy) bool { return p.Compression.extension() != "" })
	if compresses || s.minFree > 0 || s.anyPolicy((*Policy).keeps) {
		s.archive = newArchive()
	}
	if manual {
		return
	}
	s.housekeeping.Go(func() { s.keep(ctx) })
	if compresses {
		s.housekeeping.Go(func() { s.compressAll(ctx) })
	}
}

// keep is the keeper goroutine.
func (s *Store) keep(ctx context.Context) {
	var periods time.Time // when it last looked for periods that are over, on the wall clock
	var scanned, made, forgot time.Time
	for ctx.Err() == nil {
		now := s.now()
		if next := s.nextPeriod(periods); !next.IsZero() && !now.Before(next) || now.Before(periods) {
			if err := s.rotateQuiet(ctx); err != nil {
				s.note("can't rotate the files of quiet logs", err)
				rest(ctx, restAfterError)
			} else {
				periods = now
			}
		}
		if s.archive != nil && time.Since(scanned) >= scanEvery {
			s.note("can't look for rotated files", s.scan(ctx))
			s.trimAll(ctx)
			s.summarize()
			scanned = time.Now()
		}
		if s.minFree > 0 && time.Since(made) >= spaceEvery {
			s.note("can't keep space free", s.makeRoom(ctx))
			made = time.Now()
		}
		if time.Since(forgot) >= forgetEvery {
			s.note("can't forget producers", s.forgetProducers(ctx))
			s.note("can't forget files", s.forgetFiles(ctx))
			forgot = time.Now()
		}
		if !s.awaitWork(ctx, periods) {
			return
		}
		if s.archive != nil {
			s.trim(s.receive())
		}
	}
}

// awaitWork returns when there may be something to do for the keeper, with false if ctx has ended. The wall clock may be
// set at any time, or stand still while the host sleeps; so it returns at every scan at the latest.
func (s *Store) awaitWork(ctx context.Context, periods time.Time) bool {
	wait := scanEvery
	if s.minFree > 0 {
		wait = spaceEvery
	}
	if next := s.nextPeriod(periods); !next.IsZero() {
		wait = min(wait, next.Sub(s.now()))
	}
	var news chan struct{}
	if s.archive != nil {
		news = s.archive.news
	}
	select {
	case <-time.After(wait):
	case <-news:
		return rest(ctx, restBetween)
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// rest waits, and returns whether ctx goes on.
func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// note reports an error of the housekeeping.
func (s *Store) note(message string, err error) {
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, ErrClosed) {
		s.grumble(message, "error", err)
	}
}

// grumble reports trouble of the housekeeping, unless other trouble was reported just before.
func (s *Store) grumble(message string, args ...any) {
	s.mu.Lock()
	now := time.Now()
	due := now.Sub(s.grumbled) >= complainEvery
	if due {
		s.grumbled = now
	}
	s.mu.Unlock()
	if due {
		s.logger.Error(message, args...)
	}
}
