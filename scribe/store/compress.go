package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"

	"github.com/logscribe/logscribe/internal/failpoint"
	"github.com/logscribe/logscribe/internal/logname"
)

const (
	// compressEvery is how often the compressor looks for files.
	compressEvery = 5 * time.Second
	// retryAfter is how long a file is left alone that could not be compressed.
	retryAfter = 10 * time.Minute
	// syncEvery is the number of bytes after which the compressor syncs what it writes: little by little, so that it
	// holds up neither the committer's syncs nor the end of the program.
	syncEvery = 4 << 20
	// pieceSize is how much it reads between looks at its context.
	pieceSize = 256 << 10
)

// compressAll is the compressor goroutine. It compresses one file after the other, oldest first, at the lowest priority.
func (s *Store) compressAll(ctx context.Context) {
	lowPriority()
	for {
		for _, j := range s.compressible() {
			if ctx.Err() != nil {
				return
			}
			s.compressOne(ctx, j)
		}
		if !rest(ctx, compressEvery) {
			return
		}
	}
}

// job is a file to be compressed.
type job struct {
	log  string
	file rotatedFile
	with Compression
}

// compressible returns the files that are to be compressed now, oldest first.
func (s *Store) compressible() []job {
	a := s.archive
	a.mu.Lock()
	defer a.mu.Unlock()
	now := s.now()
	var jobs []job
	for log, sh := range a.shelves {
		p := s.policy(log)
		if p.Compression.extension() == "" {
			continue
		}
		until := now.Add(-p.CompressAfter).UnixMicro()
		for _, f := range sh.files {
			if f.extension == "" && f.stamp <= until && f.after <= now.UnixMicro() {
				jobs = append(jobs, job{log, f, p.Compression})
			}
		}
	}
	slices.SortFunc(jobs, func(a, b job) int { return cmp.Compare(a.file.stamp, b.file.stamp) })
	return jobs
}

// compressOne puts a compressed file in the place of a plain one. Whatever fails, the plain one stays until the
// compressed one is whole, synced and verified.
func (s *Store) compressOne(ctx context.Context, j job) {
	err := s.compress(ctx, j)
	s.archive.mu.Lock()
	s.archive.working = ""
	if err != nil && ctx.Err() == nil {
		s.stats.notCompressed.Add(1)
		if sh := s.archive.shelves[j.log]; sh != nil {
			if i, found := sh.find(j.file.stamp); found {
				sh.files[i].after = s.now().Add(retryAfter).UnixMicro()
			}
		}
	}
	s.archive.mu.Unlock()
	s.note("can't compress a rotated file; it stays as it is", err)
}

func (s *Store) compress(ctx context.Context, j job) error {
	plain := j.file.name(j.log)
	source, err := s.root.Open(plain)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	defer source.Close()
	for _, extension := range logname.Compressed {
		if _, err := s.root.Lstat(plain + extension); err == nil {
			return s.finishOld(ctx, j, source, plain+extension)
		}
	}
	target := plain + j.with.extension()
	temp := temporary(target)
	s.archive.mu.Lock()
	s.archive.working = temp
	s.archive.mu.Unlock()
	s.removeTemporary(temp)
	sum, err := s.pack(ctx, source, temp, j.with)
	if err == nil {
		err = s.replace(ctx, j, sum, temp, target)
	}
	if err != nil {
		s.removeTemporary(temp)
	}
	return err
}

// finishOld removes the plain file if its compressed copy, which is there already, is whole: a crash came in between.
// Copies that others have made may differ: then both stay.
func (s *Store) finishOld(ctx context.Context, j job, source io.Reader, copied string) error {
	sum, err := tallyOf(reader{ctx, source})
	if err != nil {
		return err
	}
	if err := s.syncCopy(copied); err != nil { // nobody knows whether who made it did
		return err
	}
	if err := s.replace(ctx, j, sum, copied, copied); err != nil {
		return fmt.Errorf("both it and its compressed copy exist; if the copy is not whole, delete it: %w", err)
	}
	return nil
}

func (s *Store) syncCopy(name string) error {
	file, err := s.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(s.datasync(file), file.Close())
}

// pack writes the compressed source to a new file, which is synced when it returns, and returns the source's tally.
func (s *Store) pack(ctx context.Context, source *os.File, temp string, with Compression) (tally, error) {
	info, err := source.Stat()
	if err != nil {
		return tally{}, err
	}
	if err := failpoint.Reach(failpoint.CompressCreate); err != nil {
		return tally{}, err
	}
	file, err := s.openFile(temp, os.O_EXCL|os.O_WRONLY)
	if err != nil {
		return tally{}, err
	}
	defer file.Close()
	out, err := encoder(&syncingWriter{file: file, sync: s.datasync}, with)
	if err != nil {
		return tally{}, err
	}
	sum, err := tallyOf(io.TeeReader(reader{ctx, source}, out))
	if err := errors.Join(err, out.Close()); err != nil {
		return tally{}, err
	}
	if err := failpoint.Reach(failpoint.CompressSync); err != nil {
		return tally{}, err
	}
	if err := s.datasync(file); err != nil {
		return tally{}, err
	}
	return sum, s.root.Chtimes(temp, time.Time{}, info.ModTime())
}

// verify returns an error unless the compressed file is whole and becomes what the tally is of.
func (s *Store) verify(ctx context.Context, name, extension string, want tally) error {
	file, err := s.root.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	in, err := decoder(reader{ctx, file}, extension)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer in.Close()
	got, err := tallyOf(in)
	if err == nil && got != want {
		err = errors.New("it does not hold the same bytes")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// replace verifies the compressed file and puts it in the place of the plain one.
func (s *Store) replace(ctx context.Context, j job, sum tally, temp, target string) error {
	if err := failpoint.Reach(failpoint.CompressVerify); err != nil {
		return err
	}
	if err := s.verify(ctx, temp, path.Ext(target), sum); err != nil {
		return err
	}
	a := s.archive
	a.mu.Lock()
	defer a.mu.Unlock()
	plain := j.file.name(j.log)
	sh := a.shelves[j.log]
	if sh == nil {
		sh = &shelf{}
	}
	i, found := sh.find(j.file.stamp)
	info, err := s.root.Lstat(plain)
	switch {
	case !found || errors.Is(err, fs.ErrNotExist): // deleted meanwhile; of an old copy the next scan takes care
		if temp != target {
			return s.root.Remove(temp)
		}
		return nil
	case err != nil:
		return err
	case info.Size() != sum.bytes:
		return fmt.Errorf("%s has changed while it was compressed", plain)
	}
	packed, err := s.exchange(plain, temp, target)
	if err != nil {
		return err
	}
	f := &sh.files[i]
	sh.bytes += packed - f.size
	f.size, f.extension = packed, path.Ext(target)
	s.stats.compressed.Add(1)
	s.stats.packed.Add(sum.bytes)
	s.stats.saved.Add(sum.bytes - packed)
	return nil
}

// exchange gives the compressed file its name, makes that durable, and only then removes the plain one. It returns the
// compressed file's size in bytes.
func (s *Store) exchange(plain, temp, target string) (int64, error) {
	if err := failpoint.Reach(failpoint.CompressRename); err != nil {
		return 0, err
	}
	if err := s.root.Rename(temp, target); err != nil {
		return 0, err
	}
	if err := failpoint.Reach(failpoint.CompressRenamed); err != nil {
		return 0, err
	}
	if err := s.syncFolder(path.Dir(plain)); err != nil {
		return 0, err
	}
	packed, err := s.root.Lstat(target)
	if err != nil {
		return 0, err
	}
	if err := failpoint.Reach(failpoint.CompressRemove); err != nil {
		return 0, err
	}
	return packed.Size(), s.root.Remove(plain)
}

// reader reads until its context ends.
type reader struct {
	ctx context.Context
	io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// syncingWriter syncs its file as it grows.
type syncingWriter struct {
	file     *os.File
	sync     func(*os.File) error
	unsynced int
}

func (w *syncingWriter) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	if w.unsynced += n; err == nil && w.unsynced >= syncEvery {
		w.unsynced = 0
		err = w.sync(w.file)
	}
	return n, err
}
