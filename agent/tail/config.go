package tail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/logscribe/logscribe/agent/line"
	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/spool"
)

// Section is one set of files that are tailed alike.
type Section struct {
	// Paths are doublestar globs; relative ones begin at the working directory.
	Paths []string
	// Exclude are globs of files that Paths would match but that are no files of this section. A pattern without a
	// slash is matched with the file's name alone.
	Exclude []string
	// Log is the log's name, in which {host}, {stem}, {name} and {dir} stand for the host, the file's name without its
	// last extension, the file's name, and the name of its folder.
	Log string
	// FromEnd skips what the files hold at the very first start with a spool. Files found later are read in full.
	FromEnd bool
	// CloseDeletedAfter is how long a deleted file with unread lines is kept open, and its space with it, because the
	// spool takes no more. What letting it go loses is counted. 0 is for ever: nothing is lost.
	CloseDeletedAfter time.Duration
	// Codec is how the blocks' payloads are encoded.
	Codec block.Codec
	// Lines is what is done to lines before they go into the spool.
	Lines line.Rules
}

// Spool is what the source needs of the spool.
type Spool interface {
	// Append stores the batch in one transaction; it is durable at return, and b may then be reused. It blocks while
	// the spool is full and is safe for concurrent use. After an error nothing of b is stored.
	Append(ctx context.Context, b spool.Batch) error
	// EachCheckpoint calls visit for each checkpoint whose key begins with prefix, and ends with visit's first error. The
	// value is valid until visit returns.
	EachCheckpoint(prefix string, visit func(key string, value []byte) error) error
}

// Config says what is tailed, and how.
type Config struct {
	Sections []Section
	Host     string // the value of {host}
	Spool    Spool
	Logger   *slog.Logger // default: slog.Default()
	// CarryCheckpoints gives every block the checkpoint at its end, so that reading can go on there even if the spool is
	// lost. The block's Reached.Source is the key under which the spool keeps the file's checkpoint, Reached.Value its
	// value.
	CarryCheckpoints bool

	PollInterval time.Duration // between two looks at an active file, default 1s; idle files are looked at less often
	ScanInterval time.Duration // between two evaluations of all globs, default 5s; longer where one takes long
	Grace        time.Duration // how long a renamed or deleted file must be quiet before it is let go, default 1m
	ForgetAfter  time.Duration // how long a file must be gone before its checkpoint is removed, default 10m
	MaxLine      int           // bytes of a line, without its newline, beyond which it is cut into pieces, default 1 MiB
	CutMark      string        // put behind each piece of such a line but the last
	MaxOpen      int           // descriptors kept open for files that have nothing to read, default 512

	scanFactor int                                 // from one scan to the next it is at least so many times what one takes, default 100
	chunk      int                                 // bytes read at a time, default 2 MiB
	open       func(path string) (*os.File, error) // default: openFile
	stat       func(path string) (fileStat, error) // default: statPath
	fstat      func(*os.File) (fileStat, error)    // default: statFile
	watch      func() (*watcher, error)            // default: newWatcher
}

const (
	defaultChunk = 2 << 20
	budget       = 16 << 20 // bytes of lines that may wait for the spool, of all files
	minWeight    = 64 << 10 // what even the smallest batch takes of the budget, so that their number is limited too
)

// withDefaults returns the config with its gaps filled, or an error that names what is wrong.
func (c Config) withDefaults() (Config, error) {
	fill := func(d *time.Duration, name string, value time.Duration) error {
		if *d < 0 {
			return fmt.Errorf("tail: %s %v is negative", name, *d)
		}
		if *d == 0 {
			*d = value
		}
		return nil
	}
	err := errors.Join(
		fill(&c.PollInterval, "poll interval", time.Second),
		fill(&c.ScanInterval, "scan interval", 5*time.Second),
		fill(&c.Grace, "grace period", time.Minute),
		fill(&c.ForgetAfter, "forget-after", 10*time.Minute),
	)
	if err != nil {
		return c, err
	}
	if c.Spool == nil {
		return c, errors.New("tail: no spool")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.MaxLine == 0 {
		c.MaxLine = 1 << 20
	}
	if err := line.CheckMaxLine(int64(c.MaxLine)); err != nil {
		return c, fmt.Errorf("tail: max line: %w", err)
	}
	if err := line.CheckCutMark(c.CutMark); err != nil {
		return c, fmt.Errorf("tail: cut mark: %w", err)
	}
	if c.MaxOpen <= 0 {
		c.MaxOpen = 512
	}
	c.scanFactor = cmp.Or(c.scanFactor, defaultScanFactor)
	c.chunk = max(cmp.Or(c.chunk, defaultChunk), c.MaxLine+1) // a line must fit, or it would never be read
	if c.open == nil {
		c.open = openFile
	}
	if c.watch == nil {
		c.watch = newWatcher
	}
	if c.stat == nil {
		c.stat = statPath
	}
	if c.fstat == nil {
		c.fstat = statFile
	}
	return c, nil
}
