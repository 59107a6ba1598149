package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/logscribe/logscribe/internal/failpoint"
	"github.com/logscribe/logscribe/internal/logname"
)

// Reason is why a rotated file was deleted.
type Reason string

// The reasons, named like the settings.
const (
	KeepAge   Reason = "keep_age"
	KeepFiles Reason = "keep_files"
	KeepBytes Reason = "keep_bytes"
	MinFree   Reason = "min_free"
)

// exceeded returns why the oldest file of the shelf must go, "" if it may stay.
func (p *Policy) exceeded(sh *shelf, now time.Time) Reason {
	switch {
	case len(sh.files) == 0:
		return ""
	case p.KeepAge > 0 && now.Sub(time.UnixMicro(sh.files[0].stamp)) > p.KeepAge:
		return KeepAge
	case p.KeepFiles > 0 && len(sh.files) > p.KeepFiles:
		return KeepFiles
	case p.KeepBytes > 0 && sh.bytes > p.KeepBytes:
		return KeepBytes
	}
	return ""
}

// trimAll deletes what the policies do not keep, of all logs.
func (s *Store) trimAll(ctx context.Context) {
	s.archive.mu.Lock()
	var logs []string
	for log := range s.archive.shelves {
		logs = append(logs, log)
	}
	s.archive.mu.Unlock()
	for part := range slices.Chunk(logs, 100) { // others may have the archive in between
		if ctx.Err() != nil {
			return
		}
		s.trim(part)
	}
}

// trim deletes what the policies do not keep, of these logs.
func (s *Store) trim(logs []string) {
	s.archive.mu.Lock()
	defer s.archive.mu.Unlock()
	now := s.now()
	for _, log := range logs {
		sh := s.archive.shelves[log]
		if sh == nil {
			continue
		}
		p := s.policy(log)
		for reason := p.exceeded(sh, now); reason != ""; reason = p.exceeded(sh, now) {
			if !s.discard(log, sh, reason) {
				break
			}
		}
	}
}

// discard deletes the oldest file of the shelf, and returns whether it is gone. If not, the next scan lets it be tried
// again.
func (s *Store) discard(log string, sh *shelf, reason Reason) bool {
	f := sh.files[0]
	err := failpoint.Reach(failpoint.DiscardRemove)
	if err == nil {
		err = s.root.Remove(f.name(log))
	}
	switch {
	case err == nil:
		s.stats.discarded(reason, f.size)
	case !errors.Is(err, fs.ErrNotExist): // others were faster
		s.grumble("can't delete a rotated file", "file", f.name(log), "reason", string(reason), "error", err)
		return false
	}
	sh.remove(0)
	return true
}

// makeRoom deletes the oldest rotated files on each volume that has less space free than it should.
func (s *Store) makeRoom(ctx context.Context) error {
	s.archive.mu.Lock()
	defer s.archive.mu.Unlock()
	logs := map[uint64][]string{} // by volume
	for log, sh := range s.archive.shelves {
		logs[sh.device] = append(logs[sh.device], log)
	}
	var errs []error
	for _, on := range logs {
		free, err := s.free(logname.Dir(on[0]))
		if err == nil && free < s.minFree {
			err = s.discardOldest(ctx, on, s.minFree-free)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// discardOldest deletes the oldest files of the logs until that many bytes are given back.
func (s *Store) discardOldest(ctx context.Context, logs []string, bytes int64) error {
	type candidate struct {
		log string
		rotatedFile
	}
	var all []candidate
	for _, log := range logs {
		for _, f := range s.archive.shelves[log].files {
			all = append(all, candidate{log, f})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Compare(a.stamp, b.stamp) })
	for _, c := range all {
		if bytes <= 0 || ctx.Err() != nil {
			return nil
		}
		sh := s.archive.shelves[c.log]
		if sh.files[0].stamp == c.stamp && s.discard(c.log, sh, MinFree) { // else the one before it could not be deleted
			bytes -= c.size
		}
	}
	if bytes > 0 {
		return fmt.Errorf("%d bytes too few are free, and there is no rotated file left that could be deleted", bytes)
	}
	return nil
}

// free returns how many bytes are free, for this process, on the volume of a folder below the root.
func (s *Store) free(dir string) (int64, error) {
	free, _, err := s.volume(dir)
	return free, err
}

// volume returns the same, and the size of the volume.
func (s *Store) volume(dir string) (free, total int64, err error) {
	f, err := s.root.Open(dir)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return 0, 0, fmt.Errorf("find the free space of %s: %w", dir, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), int64(st.Blocks) * int64(st.Bsize), nil
}

// device returns the volume of a folder below the root, 0 if it can't be told.
func (s *Store) device(dir string) uint64 {
	f, err := s.root.Open(dir)
	if err != nil {
		return 0
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return 0
	}
	return uint64(st.Dev)
}
