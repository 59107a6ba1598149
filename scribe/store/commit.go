package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/logname"
)

// maxParallelSyncs bounds the files that a round syncs at the same time.
const maxParallelSyncs = 16

// round is one turn of the committer.
type round struct {
	done chan struct{} // closed when it is over
	err  error         // set before that if the ledger could not be written
}

func newRound() *round { return &round{done: make(chan struct{})} }

// snapshot is what a round commits of one log.
type snapshot struct {
	log     *logFile
	file    *os.File   // the active file at the time of the snapshot
	full    []*os.File // the files rotated before it
	size    int64
	sum     checksum
	rotated int64
	begun   int64
	filled  []filledFile // the files rotated since the last snapshot
	marks   map[block.Producer]uint64
	reached map[source][]byte
	volume  volume // appended since the last snapshot
	err     error
}

// changed says that bytes are being appended to the log: it is part of the next round.
func (s *Store) changed(l *logFile, bytes int) {
	s.mu.Lock()
	s.dirty[l] = struct{}{}
	s.uncommitted += int64(bytes)
	early := s.uncommitted >= earlyRound
	s.mu.Unlock()
	if early {
		s.wantRound()
	}
}

// folderChanged says that the folder must be synced with the next round.
func (s *Store) folderChanged(dir string) {
	s.mu.Lock()
	s.folders[dir] = struct{}{}
	s.mu.Unlock()
}

func (s *Store) wantRound() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// Commit returns once a round is over that covers all that was appended before the call. Committed and Ticket.Lost tell
// what became of it. The error is ctx's, ErrClosed, or the ledger's: then nothing may be acknowledged.
func (s *Store) Commit(ctx context.Context) error {
	s.mu.Lock()
	r := s.running // covers what is not dirty any more
	if len(s.dirty) > 0 || s.ledgerFailed {
		r = s.next
	}
	s.mu.Unlock()
	if r == nil {
		return nil
	}
	s.wantRound()
	return s.await(ctx, r)
}

func (s *Store) await(ctx context.Context, r *round) error {
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stopped:
		select {
		case <-r.done:
			return r.err
		default:
			return ErrClosed
		}
	}
}

// awaitRoom holds the use of a log back while too much waits to be committed, in bytes or in open files.
func (s *Store) awaitRoom() {
	for {
		s.mu.Lock()
		r, full := s.next, s.uncommitted >= maxUncommitted
		s.mu.Unlock()
		if !full && s.closeIdle() {
			return
		}
		s.wantRound()
		if errors.Is(s.await(context.Background(), r), ErrClosed) {
			return
		}
	}
}

// commitRounds is the committer goroutine.
func (s *Store) commitRounds() {
	defer close(s.stopped)
	for {
		select {
		case <-s.kick:
			_ = s.commitRound() // those who wait for it get its error
		case <-s.closing:
			s.lastRound = s.commitRound()
			return
		}
	}
}

// commitRound takes all that changed since the last round and commits it. It returns the ledger's error.
func (s *Store) commitRound() error {
	s.mu.Lock()
	r, dirty := s.next, s.dirty
	s.running, s.next = r, newRound()
	s.runningSince = time.Now()
	s.dirty = map[*logFile]struct{}{}
	s.uncommitted = 0
	failed := s.ledgerFailed
	s.mu.Unlock()

	var snapshots []*snapshot
	for l := range dirty {
		if snap := l.snapshot(); snap != nil {
			snapshots = append(snapshots, snap)
		}
	}
	s.mu.Lock()
	folders := s.folders // taken last: the folder of every rotation in the snapshots must be among them
	s.folders = map[string]struct{}{}
	s.mu.Unlock()
	if len(snapshots) > 0 || failed {
		r.err = s.commit(snapshots, folders)
	} else {
		s.keepFolders(folders)
	}

	s.mu.Lock()
	s.running = nil
	s.mu.Unlock()
	close(r.done)
	return r.err
}

// snapshot takes what is not committed of the log, nil if the log was reset meanwhile.
func (l *logFile) snapshot() *snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	intact := l.intact()
	if errors.Is(intact, errTampered) {
		l.noteTampering()
	}
	s := &snapshot{
		log: l, err: intact, file: l.file, full: l.full, size: l.size, sum: l.sum, rotated: l.lastStamp, begun: l.begun, filled: l.filled,
		marks: make(map[block.Producer]uint64, len(l.touched)), reached: l.reached, volume: l.appended,
	}
	for p := range l.touched {
		s.marks[p] = l.marks[p].appended
	}
	clear(l.touched)
	l.reached = nil
	l.full, l.filled, l.pending, l.appended = nil, nil, false, volume{}
	l.inRound = true
	return s
}

// commit syncs the snapshots' files and the folders, then enters the sound ones in the ledger. It returns the ledger's
// error; the others are in the logs.
func (s *Store) commit(snapshots []*snapshot, folders map[string]struct{}) error {
	defer s.stats.rounds.Since(time.Now())
	s.sync(snapshots, folders)
	var sound []*snapshot
	for _, snap := range snapshots {
		if snap.err == nil {
			sound = append(sound, snap)
		}
	}
	err := s.ledger.commit(sound, s.now())
	if err != nil {
		err = fmt.Errorf("write ledger: %w", err)
		s.stats.ledgerErrors.Add(1)
		s.logger.Error("nothing is acknowledged until the ledger can be written", "error", err)
	}
	s.mu.Lock()
	s.ledgerFailed = err != nil
	s.mu.Unlock()
	for _, snap := range snapshots {
		if snap.err == nil {
			snap.err = err
		}
		snap.settle()
	}
	return err
}

// sync makes files and folders durable, in parallel, and notes errors in the snapshots.
func (s *Store) sync(snapshots []*snapshot, folders map[string]struct{}) {
	var files errgroup.Group
	files.SetLimit(maxParallelSyncs)
	for _, snap := range snapshots {
		if snap.err != nil {
			continue
		}
		files.Go(func() error {
			for _, f := range append(snap.full, snap.file) {
				if err := s.syncFile(f); err != nil {
					snap.err = err
					return nil
				}
			}
			return nil
		})
	}
	broken := map[string]error{}
	for dir := range folders {
		if err := s.syncFolder(dir); err != nil {
			s.logger.Error("can't sync a folder", "folder", dir, "error", err)
			broken[dir] = err
			if !errors.Is(err, fs.ErrNotExist) {
				s.folderChanged(dir)
			}
		}
	}
	files.Wait() // its functions return no errors
	if len(broken) == 0 {
		return
	}
	for _, snap := range snapshots {
		if snap.err == nil {
			snap.err = folderError(broken, snap.log.name)
		}
	}
}

// folderError returns the error of a folder that the log lies in or below, nil if there is none.
func folderError(broken map[string]error, log string) error {
	for dir := logname.Dir(log); ; dir = path.Dir(dir) {
		if err := broken[dir]; err != nil {
			return fmt.Errorf("sync folder %s: %w", dir, err)
		}
		if dir == "." {
			return nil
		}
	}
}

// keepFolders leaves folders to the next round.
func (s *Store) keepFolders(folders map[string]struct{}) {
	s.mu.Lock()
	maps.Copy(s.folders, folders)
	s.mu.Unlock()
}

// settle tells the log what became of the snapshot.
func (snap *snapshot) settle() {
	for _, f := range snap.full {
		f.Close() // synced, or not acknowledged
	}
	l := snap.log
	if snap.err == nil {
		l.store.stats.committed(snap.volume)
		l.told.committed(snap.volume, l.store.now())
		l.store.archive.announce(l.name, snap.filled)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inRound = false
	l.roundOver.Broadcast()
	for _, f := range l.synced {
		f.Close()
	}
	l.synced = nil
	if l.file == nil {
		return // it was reset meanwhile; when it is opened again it reads from the ledger what the round made of it
	}
	if snap.err != nil {
		l.fail(snap.err) // the error stays in the log
		return
	}
	l.entry.size, l.entry.sum, l.entry.begun = snap.size, snap.sum, snap.begun
	l.entry.rotated = max(l.entry.rotated, snap.rotated)
	for p, sequence := range snap.marks {
		m := l.marks[p]
		m.committed = max(m.committed, sequence)
		l.marks[p] = m
	}
}
