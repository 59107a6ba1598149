package e2e

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// rotation is how a writer names the files that it has filled.
type rotation int

const (
	shifted rotation = iota // app.log.1 is the newest, and each rotation renames all
	dated                   // app.log-20060102T150405.000000
)

// rotated is a file that a writer has filled.
type rotated struct {
	name       string // where it is, without .gz, unless files are shifted
	packed     bool
	start, end int64 // the bytes written in all when it was empty, and full
}

// rotations counts what a writer did with its files.
type rotations struct {
	all    int
	copied int // by copying and truncating
	packed int
	unread int // compressed before all of it was delivered
}

func (r *rotations) add(o rotations) {
	r.all += o.all
	r.copied += o.copied
	r.packed += o.packed
	r.unread += o.unread
}

func (w *writer) create() (err error) {
	w.file, err = os.OpenFile(w.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	w.fresh()
	return err
}

// fresh begins the count of an empty file.
func (w *writer) fresh() {
	w.size, w.limit = 0, w.minFile+w.rng.IntN(20*w.minFile)
	w.start = int64(len(w.bytes()))
}

// rotate parts with the full file, and begins a new one. Now and then it compresses old files, and deletes the oldest, so
// that its inode becomes that of another one.
func (w *writer) rotate(ctx context.Context) error {
	w.tally.all++
	if err := w.deleteOldest(); err != nil {
		return err
	}
	rotate := w.renameAway
	if w.copies {
		rotate = w.copyAway
	}
	if err := rotate(ctx); err != nil {
		return err
	}
	return w.pack(ctx)
}

// renameAway renames the file. A program may go on writing to it for a moment, before it makes a new one.
func (w *writer) renameAway(ctx context.Context) error {
	name, err := w.makeWay()
	if err == nil {
		err = os.Rename(w.path, w.nameOf(name, 1))
	}
	if err != nil {
		return err
	}
	for range w.rng.IntN(3) {
		w.fill()
		if err := w.flush(w.rng.IntN(len(w.pending))); err != nil {
			return err
		}
		w.rest(ctx)
	}
	if err := w.flush(len(w.pending)); err != nil {
		return err
	}
	if err := w.file.Close(); err != nil {
		return err
	}
	w.keep(name)
	w.rest(ctx)
	return w.create()
}

// copyAway copies the file and truncates it. It goes on writing while it copies; what it would write between the end of
// the copy and the truncation nobody could ever read, so there it does not.
func (w *writer) copyAway(ctx context.Context) error {
	w.tally.copied++
	name, err := w.makeWay()
	if err != nil {
		return err
	}
	if err := w.flush(w.rng.IntN(len(w.pending) + 1)); err != nil {
		return err
	}
	err = w.into(w.nameOf(name, 1), w.path, func(to io.Writer, from io.Reader) error {
		if _, err := io.CopyN(to, from, w.rng.Int64N(int64(w.size))); err != nil {
			return err
		}
		w.rest(ctx)
		if err := w.flush(len(w.pending)); err != nil { // a copy ends at the end of a line, or a line would be torn
			return err
		}
		_, err := io.Copy(to, from)
		return err
	})
	if err != nil {
		return err
	}
	w.rest(ctx)
	w.keep(name)
	if err := w.file.Truncate(0); err != nil {
		return err
	}
	w.fresh()
	return nil
}

// into makes a new file out of another one.
func (w *writer) into(to, from string, convert func(io.Writer, io.Reader) error) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := convert(dst, src); err != nil {
		dst.Close()
		return err
	}
	return dst.Close()
}

// keep enters the file that is full now among the rotated ones.
func (w *writer) keep(name string) {
	w.kept = append(w.kept, rotated{name: name, start: w.start, end: int64(len(w.bytes()))})
}

// makeWay frees the name of the next rotated file. It returns the name unless files are shifted.
func (w *writer) makeWay() (name string, err error) {
	if w.rotation == dated {
		for stamp := ""; stamp <= w.stamp; {
			stamp = time.Now().UTC().Format("20060102T150405.000000")
			name = w.path + "-" + stamp
		}
		w.stamp = name[len(w.path)+1:]
		return name, nil
	}
	for i := range w.kept { // the oldest has the highest number
		n := len(w.kept) - i
		if err := os.Rename(w.keptName(i), w.nameOf("", n+1)+w.kept[i].extension()); err != nil {
			return "", err
		}
	}
	return "", nil
}

// nameOf returns the name of a rotated file, or where the one is that is the n-th newest if files are shifted.
func (w *writer) nameOf(name string, n int) string {
	if w.rotation == dated {
		return name
	}
	return fmt.Sprintf("%s.%d", w.path, n)
}

func (w *writer) keptName(i int) string {
	return w.nameOf(w.kept[i].name, len(w.kept)-i) + w.kept[i].extension()
}

func (r rotated) extension() string {
	if r.packed {
		return ".gz"
	}
	return ""
}

// deleteOldest deletes the oldest rotated file, mostly, if all of it is delivered.
func (w *writer) deleteOldest() error {
	if !w.deletes || len(w.kept) == 0 || w.rng.IntN(4) == 0 || w.kept[0].end > w.delivered() {
		return nil
	}
	name := w.keptName(0)
	w.kept = w.kept[1:]
	return os.Remove(name)
}

// pack compresses rotated files, mostly. What comes and is compressed before anybody has looked at it, while an agent is
// running, is told by times of birth alone, which not all file systems have; so each is compressed when some of it is
// delivered, or while the agent is down, unless the writer is hasty.
func (w *writer) pack(ctx context.Context) error {
	for i := range w.kept {
		if !w.packs || w.kept[i].packed || w.rng.IntN(3) == 0 {
			continue
		}
		var err error
		pack := func() { err = w.packOne(ctx, i) }
		if w.hasty || w.delivered != nil && w.delivered() > w.kept[i].start {
			pack()
		} else if w.down != nil {
			w.down(pack)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// packOne does what gzip does: the compressed file is beside the plain one until it is complete, and gets its times.
func (w *writer) packOne(ctx context.Context, i int) error {
	plain := w.keptName(i)
	info, err := os.Stat(plain)
	if err != nil {
		return err
	}
	err = w.into(plain+".gz", plain, func(to io.Writer, from io.Reader) error {
		z, err := gzip.NewWriterLevel(to, gzip.BestSpeed)
		if err != nil {
			return err
		}
		if _, err := io.CopyN(z, from, w.rng.Int64N(info.Size())); err != nil {
			return err
		}
		w.rest(ctx)
		if _, err := io.Copy(z, from); err != nil {
			return err
		}
		return z.Close()
	})
	if err != nil {
		return err
	}
	if err := os.Chtimes(plain+".gz", info.ModTime(), info.ModTime()); err != nil {
		return err
	}
	w.rest(ctx)
	w.tally.packed++
	if w.delivered == nil || w.delivered() < w.kept[i].end {
		w.tally.unread++
	}
	w.kept[i].packed = true
	return os.Remove(plain)
}
