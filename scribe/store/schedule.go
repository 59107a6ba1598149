package store

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/logscribe/logscribe/internal/failpoint"
)

// maxParallelRotations bounds the quiet logs that are rotated at the same time. Together they share the ledger's
// transactions.
const maxParallelRotations = 16

// rotateIfOver rotates the active file if it has lines of a period that is over.
func (l *logFile) rotateIfOver(now time.Time) error {
	if l.size == 0 || !periodOver(time.UnixMicro(l.begun), now, l.policy.RotateEvery) {
		return nil
	}
	if err := l.rotate(); err != nil {
		return err
	}
	l.store.stats.rotatedByTime.Add(1)
	return nil
}

// nextPeriod returns when the next period of any policy begins, the zero time if there are none.
func (s *Store) nextPeriod(now time.Time) time.Time {
	var next time.Time
	s.anyPolicy(func(p *Policy) bool {
		if p.RotateEvery > 0 {
			if end := periodEnd(now, p.RotateEvery); next.IsZero() || end.Before(next) {
				next = end
			}
		}
		return false
	})
	return next
}

// rotateQuiet rotates the files of all logs whose period is over though nobody writes to them.
func (s *Store) rotateQuiet(ctx context.Context) error {
	if err := s.Commit(ctx); err != nil { // the ledger then knows of all lines of the past period
		return err
	}
	entries, err := s.ledger.entries()
	if err != nil {
		return err
	}
	now := s.now()
	var group errgroup.Group
	group.SetLimit(maxParallelRotations)
	for name, e := range entries {
		period := s.policy(name).RotateEvery
		over := e.begun == 0 || periodOver(time.UnixMicro(e.begun), now, period)
		if e.size == 0 || period <= 0 || !over {
			continue
		}
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { s.rotateLog(name, now); return nil })
	}
	group.Wait() // its functions return no errors
	return s.Commit(ctx)
}

// rotateLog rotates the file of a log whose period is over. A failure is the log's own.
func (s *Store) rotateLog(name string, now time.Time) {
	s.awaitRoom()
	l := s.log(name)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.ready(); err != nil {
		s.complain(name, err)
		return
	}
	l.pending = true
	s.changed(l, 0)
	err := failpoint.Reach(failpoint.QuietRotate)
	if err == nil {
		err = l.rotateIfOver(now)
	}
	if err == nil {
		err = failpoint.Reach(failpoint.QuietRotated)
	}
	if err != nil {
		_ = l.fail(err) // which tells it
	}
}
