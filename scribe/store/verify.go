package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/logscribe/logscribe/internal/boltfile"
	"github.com/logscribe/logscribe/internal/logname"
)

// Verification is what Verify says of a root.
type Verification struct {
	Path      string `json:"path"`
	InUse     bool   `json:"in_use"` // a Scribe has it open
	Root      string `json:"root"`   // its identity
	Logs      int    `json:"logs"`
	Producers int    `json:"producers"` // in all logs together
	Files     int    `json:"files"`     // that were checked
	Bytes     int64  `json:"bytes"`     // of them, on the disk
	// Unverified is how many of the files the ledger has no checksum of: only their size or their end were checked.
	Unverified int       `json:"unverified"`
	Problems   []Finding `json:"problems"` // what is lost or damaged
	Notes      []Finding `json:"notes"`    // what differs, and does no harm
}

// Finding is something that differs from the ledger.
type Finding struct {
	File string `json:"file"` // below the root
	What string `json:"what"`
}

// verifier holds the files below a root against the ledger.
type verifier struct {
	*Verification
	root    *os.Root
	ledger  *os.File
	entries map[string]entry
	records map[string]map[int64]original // of rotated files, by log and time of the rotation; only read of a root that is not in use
	known   map[string]struct{}           // files that belong to a log of the ledger

	listed string   // the folder that was listed last
	names  []string // in it, in their order
}

// Verify reads the ledger of the root at path, and then every byte of the files below it, and says what differs. It changes
// nothing. A Scribe may have the root open, or open it meanwhile: then what it has not committed yet is no difference, and
// rotated files that are missing, and files of no log, are not looked for. The names of all files are held in memory. The
// error wraps ErrDamaged or ErrVersion where the ledger can't be read, or is ctx's; then there is no report.
func Verify(ctx context.Context, path string) (*Verification, error) {
	v := &verifier{
		Verification: &Verification{Path: path, Problems: []Finding{}, Notes: []Finding{}}, known: map[string]struct{}{},
	}
	if err := v.open(); err != nil {
		return nil, fmt.Errorf("verify %s: %w", path, err)
	}
	defer v.close()
	for _, log := range slices.Sorted(maps.Keys(v.entries)) {
		if err := v.log(ctx, log); err != nil {
			return nil, fmt.Errorf("verify %s: %w", path, err)
		}
	}
	v.strangers()
	return v.Verification, nil
}

// open opens the root and reads the ledger, under a lock that keeps a Scribe from starting meanwhile. The files, which take
// longer, are read without it.
func (v *verifier) open() error {
	name := filepath.Join(v.Path, ledgerName)
	file, inUse, err := boltfile.OpenForReading(name)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no ledger, %s: is this the root of a Scribe?", name)
	}
	if err != nil {
		return err
	}
	v.ledger, v.InUse = file, inUse != nil
	if v.root, err = os.OpenRoot(v.Path); err == nil {
		err = v.readLedger()
	}
	if err == nil {
		v.ledger, err = os.Open(name)
		file.Close() // and with it the lock
	}
	if err != nil {
		v.close()
	}
	return err
}

func (v *verifier) close() {
	v.ledger.Close()
	if v.root != nil {
		v.root.Close()
	}
}

// log checks the files of one log. A Scribe that has them open may commit and rotate meanwhile, and what looks like a
// problem be none: one that stays is seen again and again, and nothing of the log changes meanwhile.
func (v *verifier) log(ctx context.Context, name string) error {
	before := *v.Verification
	var last []Finding
	same := 0
	for n := 1; ; n++ {
		v.logOnce(ctx, name, v.entries[name])
		if ctx.Err() != nil {
			return ctx.Err()
		}
		found := v.Problems[len(before.Problems):]
		if len(found) == 0 || !v.taken() {
			return nil
		}
		if same++; !slices.Equal(found, last) {
			same = 1
		}
		if same == stable {
			return nil
		}
		last = slices.Clone(found)
		before.InUse = true
		*v.Verification, v.listed = before, ""
		if n == attempts {
			v.note(v.entries[name].form.active(name), "it changes too fast to be checked while the Scribe runs")
			return nil
		}
		time.Sleep(pauseBetween)
		e, err := v.entry(name)
		if err != nil {
			return err
		}
		v.entries[name] = e
	}
}

// taken returns whether a Scribe has the root open by now.
func (v *verifier) taken() bool {
	if !v.InUse {
		if file, inUse, err := boltfile.OpenForReading(v.ledger.Name()); err == nil {
			v.InUse = inUse != nil
			file.Close()
		}
	}
	return v.InUse
}

func (v *verifier) logOnce(ctx context.Context, name string, e entry) {
	names, err := v.list(logname.Dir(name))
	if err != nil {
		v.problem(logname.Dir(name), "the folder can't be read: %v", err)
		return
	}
	var uncommitted []string // rotated since the last commit, oldest first
	there := map[int64]struct{}{}
	for f := range rotatedAmong(names, name) {
		file := f.name(name)
		v.known[file], there[f.stamp] = struct{}{}, struct{}{}
		if e.uncommitted(f) {
			uncommitted = append(uncommitted, file)
		} else {
			v.checkRotated(ctx, file, f.extension, v.original(name, f.stamp))
		}
	}
	v.missing(name, there)
	v.checkActive(ctx, name, e, uncommitted)
}

// missing looks for files that the ledger knows and that are gone. The oldest ones may have been deleted by retention.
func (v *verifier) missing(log string, there map[int64]struct{}) {
	oldest := int64(math.MaxInt64)
	for stamp := range there {
		oldest = min(oldest, stamp)
	}
	gone := 0
	for _, stamp := range slices.Sorted(maps.Keys(v.records[log])) {
		if _, ok := there[stamp]; ok {
			continue
		}
		if stamp < oldest {
			gone++
		} else {
			v.problem(v.records[log][stamp].form.rotated(log, stamp), "it is missing, while older ones are there: something else has removed or renamed it")
		}
	}
	if gone > 0 && !v.InUse {
		v.note(v.entries[log].form.active(log), fmt.Sprintf("%d of its oldest rotated files are gone, as after retention", gone))
	}
}

// list returns the names in a folder, in their order; none if it does not exist.
func (v *verifier) list(dir string) ([]string, error) {
	if v.listed == dir {
		return v.names, nil
	}
	entries, err := fs.ReadDir(v.root.FS(), dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	v.listed, v.names = dir, nil
	for _, d := range entries {
		v.names = append(v.names, d.Name())
	}
	return v.names, nil
}

// checkActive checks the file that holds what is committed of the log behind its last committed rotation: the active one, or
// the first that was rotated since.
func (v *verifier) checkActive(ctx context.Context, name string, e entry, uncommitted []string) {
	file := e.form.active(name)
	v.known[file] = struct{}{}
	if len(uncommitted) > 0 {
		for _, f := range append(uncommitted[1:], file) {
			v.uncommitted(f, "all of it is not committed")
		}
		file = uncommitted[0]
		v.uncommitted(file, "its rotation is not committed")
	}
	info, err := v.root.Lstat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && e.size == 0:
		return // nothing was written yet
	case errors.Is(err, fs.ErrNotExist):
		v.problem(file, "it is missing, with %d committed bytes: something else has removed or renamed it", e.size)
		return
	case err != nil:
		v.problem(file, "%v", err)
		return
	case !info.Mode().IsRegular():
		v.problem(file, "it is no regular file: something else has replaced it")
		return
	case info.Size() < e.size:
		v.problem(file, "it has %d bytes, %d are committed: something else has cut or replaced it", info.Size(), e.size)
	case info.Size() > e.size:
		v.uncommitted(file, fmt.Sprintf("%d bytes behind the %d that are committed are not", info.Size()-e.size, e.size))
	}
	v.count(info)
	if e.size == 0 || info.Size() < e.size {
		return
	}
	if !e.sum.known {
		v.Unverified++
	}
	want := original{known: true, form: e.form, size: e.size, sum: e.sum}
	if err := v.checkContent(ctx, file, e.form.extension(), e.size, want); err != nil && ctx.Err() == nil {
		v.problem(file, "of what is committed in it: %v", err)
	}
}

// uncommitted notes what the next start takes back. Of a root that is in use that is to be expected.
func (v *verifier) uncommitted(file, what string) {
	if !v.InUse {
		v.note(file, what+"; the next start takes it back, and its sender sends it again")
	}
}

// checkRotated checks a file whose rotation is committed. Of one that an earlier release has rotated nothing is known.
func (v *verifier) checkRotated(ctx context.Context, file, extension string, want original) {
	info, err := v.root.Lstat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return // deleted, or compressed, meanwhile
	case err != nil:
		v.problem(file, "%v", err)
		return
	case !info.Mode().IsRegular():
		v.problem(file, "it is no regular file: something else has replaced it")
		return
	}
	v.count(info)
	if !want.known {
		v.Unverified++
	}
	if plain := strings.TrimSuffix(file, extension); plain != file {
		if _, err := v.root.Lstat(plain); err == nil {
			v.note(file, "the file that it was made of is still there: the compression was interrupted, and is ended by the next start")
		}
	}
	if err := v.checkContent(ctx, file, extension, math.MaxInt64, want); err != nil && ctx.Err() == nil && !errors.Is(err, fs.ErrNotExist) {
		v.problem(file, "%v", err)
	}
}

// strangers notes the files that belong to no log of the ledger. Of a Scribe that runs there may be new ones.
func (v *verifier) strangers() {
	if v.InUse {
		return
	}
	err := fs.WalkDir(v.root.FS(), ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			v.problem(file, "it can't be read: %v", err)
			return nil
		}
		if d.IsDir() && file == logname.StateDir {
			return fs.SkipDir
		}
		_, known := v.known[file]
		plain, temporary := fromTemporary(file)
		log, _, _, rotated := logname.SplitRotated(plain)
		_, ours := v.entries[log]
		switch {
		case d.IsDir() || known:
		case temporary && rotated && ours:
			v.note(file, "an interrupted compression has left it; a Scribe that compresses or deletes files removes it")
		default:
			v.note(file, "the ledger knows of no log that it belongs to")
		}
		return nil
	})
	if err != nil {
		v.problem(".", "%v", err)
	}
}

func (v *verifier) count(info fs.FileInfo) {
	v.Files++
	v.Bytes += info.Size()
}

func (v *verifier) problem(file, format string, args ...any) {
	v.Problems = append(v.Problems, Finding{file, fmt.Sprintf(format, args...)})
}

func (v *verifier) note(file, what string) { v.Notes = append(v.Notes, Finding{file, what}) }
