package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/logscribe/logscribe/agent/line"
	"github.com/logscribe/logscribe/agent/tail"
	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/identity"
	"github.com/logscribe/logscribe/internal/logname"
	"github.com/logscribe/logscribe/internal/size"
	"github.com/logscribe/logscribe/internal/transport"
	"github.com/logscribe/logscribe/spool"
)

// defaultMaxLine is the length in bytes up to which lines are delivered whole, unless the user says otherwise.
const defaultMaxLine = 1 << 20

// Config is what an Agent is made from.
type Config struct {
	// Name stands beside the producer in the Scribes' status; if empty, the host's name.
	Name string
	// Identity is what Scribes remember under how far the files were read, so that the agent can go on there if it loses
	// its spool; empty for none. No two agents may have the same one.
	Identity string
	// Mediators are the addresses, HOST:PORT, of mediators or of a single Scribe; the first that answers is used.
	Mediators []string
	// Dialer, if set, makes the connections instead: it leads to an embedded Scribe. Mediators must be empty then.
	Dialer func(ctx context.Context, addr string) (net.Conn, error)
	Spool  SpoolConfig
	TLS    transport.TLS
	Files  []FileConfig
	Stdin  *StdinConfig // nil reads no standard input
	// MaxLine is the length of a line, in bytes without its newline, beyond which it comes in pieces; 0 is 1 MiB.
	MaxLine int64
	// CutMark is put behind each piece of such a line but the last.
	CutMark string
	// DrainTimeout bounds the wait for receipts after the end of standard input.
	DrainTimeout time.Duration
	Logger       *slog.Logger // nil discards
	// Waits, if set, is called each time that Start finds that it must wait, with the reason.
	Waits func(reason error)
	// Software is the program's version, told to the other side.
	Software string
	// ReloadError returns why the last reload of the settings failed, "" if it did not; nil if there are no reloads.
	ReloadError func() string
}

// SpoolConfig is the [spool] table.
type SpoolConfig struct {
	Path        string
	MaxSize     int64  // bytes; size.Unlimited, or 0, is no limit
	WhenFull    string // "block" or "drop_oldest"
	WhenDamaged string // "refuse", "repair" or "set_aside"; "" is "refuse"
	Compression string // "s2", "zstd" or "none"
}

// FileConfig is a [[file]] table.
type FileConfig struct {
	Paths   []string // globs
	Exclude []string // globs
	Log     string   // a template: {host} {stem} {name} {dir}
	Start   string   // "beginning" or "end"
	Lines   line.Rules
	// CloseDeletedAfter is how long a deleted file that has unread lines is kept open; 0 for ever.
	CloseDeletedAfter time.Duration
}

// StdinConfig is a [[stdin]] table.
type StdinConfig struct {
	Log    string
	Lines  line.Rules
	Reader io.Reader
	Tee    io.Writer // nil for none
}

// Validate returns an error that names the first value that can't be right. It opens no files, and
// does not ask where to send to.
func (c *Config) Validate() error {
	if len(c.Files) == 0 && c.Stdin == nil {
		return errors.New("nothing to read: no files and no standard input")
	}
	if c.Stdin != nil {
		if err := logname.Check(c.Stdin.Log); err != nil {
			return err
		}
		if err := line.CheckStreamPrefix(c.Stdin.Lines.Prefix); err != nil {
			return fmt.Errorf("stdin: lines: prefix: %w", err)
		}
		if _, err := line.New(c.Stdin.Lines); err != nil {
			return fmt.Errorf("stdin: lines: %w", err)
		}
	}
	if err := line.CheckMaxLine(c.maxLine()); err != nil {
		return fmt.Errorf("max_line: %w", err)
	}
	if err := line.CheckCutMark(c.CutMark); err != nil {
		return fmt.Errorf("cut_mark: %w", err)
	}
	if c.Identity != "" {
		if err := identity.Check(c.Identity); err != nil {
			return err
		}
		if len(c.Files) == 0 {
			return errors.New("an identity goes with files: standard input can't be read again")
		}
	}
	if err := c.checkMaxSize(); err != nil {
		return fmt.Errorf("spool.max_size: %w", err)
	}
	if _, err := spool.ParsePolicy(c.Spool.WhenFull); err != nil {
		return fmt.Errorf("spool.when_full: %w", err)
	}
	if _, err := spool.ParseRemedy(c.Spool.WhenDamaged); err != nil {
		return fmt.Errorf("spool.when_damaged: %w", err)
	}
	if _, err := block.ParseCodec(c.Spool.Compression); err != nil {
		return fmt.Errorf("spool.compression: %w", err)
	}
	_, err := c.sections()
	return err
}

func (c *Config) maxLine() int64 {
	if c.MaxLine == 0 {
		return defaultMaxLine
	}
	return c.MaxLine
}

// checkMaxSize refuses a spool that could not hold what is read at once within its size.
func (c *Config) checkMaxSize() error {
	n := c.Spool.MaxSize
	if err := spool.CheckMaxSize(n); err != nil || n <= 0 {
		return err
	}
	var bytes, drafts int64
	if c.Stdin != nil {
		bytes, drafts = c.largestBatch(c.Stdin.Lines)
	}
	for i := range c.Files {
		b, d := c.largestBatch(c.Files[i].Lines)
		bytes, drafts = max(bytes, b), max(drafts, d)
	}
	if smallest := spool.SmallestFor(bytes, int(drafts)); n < smallest {
		return fmt.Errorf("%s is too small for what is read at once: with max_line at %s and these rules for lines, the smallest size is %s",
			size.Format(n), size.Format(c.maxLine()), size.Format(smallest))
	}
	return nil
}

// largestBatch returns how many bytes of records, in how many drafts, a source may hand to the spool at once. Both sources
// close a batch with the block with which it exceeds readAtOnce bytes; a block has whole lines of block.TargetRawSize, or
// one that is longer. A codec adds a few bytes to what it can't shrink.
func (c *Config) largestBatch(rules line.Rules) (bytes, drafts int64) {
	const readAtOnce = 2 << 20
	longest := max(block.TargetRawSize, c.maxLine()+int64(len(c.CutMark))+1)
	if p, err := line.New(rules); err == nil && p != nil {
		longest = block.MaxRawSize // a prefix, and what is put in, may make much of little
	}
	raw := readAtOnce + longest
	drafts = raw/(block.TargetRawSize/2) + 2 // two blocks that follow each other have more than that together
	return raw + raw/64 + drafts*block.MaxCheckpointSize, drafts
}

// sections returns the [[file]] tables as the tail package takes them.
func (c *Config) sections() ([]tail.Section, error) {
	codec, err := block.ParseCodec(c.Spool.Compression)
	if err != nil {
		return nil, err
	}
	var all []tail.Section
	for _, f := range c.Files {
		s := tail.Section{
			Paths: f.Paths, Exclude: f.Exclude, Log: f.Log, Codec: codec, CloseDeletedAfter: f.CloseDeletedAfter, Lines: f.Lines,
		}
		if _, err := line.New(f.Lines); err != nil {
			return nil, fmt.Errorf("lines: %w", err)
		}
		switch f.Start {
		case "", "beginning":
		case "end":
			s.FromEnd = true
		default:
			return nil, fmt.Errorf("start: unknown place %q: use beginning or end", f.Start)
		}
		all = append(all, s)
	}
	return all, nil
}

// name returns the agent's name.
func (c *Config) name() (string, error) {
	if c.Name != "" {
		return c.Name, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("find a name for this agent: %w; set name", err)
	}
	return host, nil
}
