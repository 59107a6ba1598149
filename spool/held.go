package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"

	"github.com/logscribe/logscribe/internal/boltfile"
)

// heldError says who keeps the spool from being opened, and what to do about it.
type heldError struct {
	text  string
	cause *boltfile.LockedError
}

func (e *heldError) Error() string { return e.text }
func (e *heldError) Unwrap() error { return e.cause }

// openError names the file in an error of an agent, and says what to do about a lock.
func openError(path string, err error) error {
	return opening(path, err, "another agent", "stop it, or use another spool")
}

// toolError is openError for those who want a spool to themselves for a moment.
func toolError(path string, err error) error { return opening(path, err, "an agent", "stop it first") }

func opening(path string, err error, agent, advice string) error {
	if errors.Is(err, ErrLocked) {
		return refusal(path, err, agent, advice)
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok { // it names the file
		return fmt.Errorf("open spool: %w", err)
	}
	return fmt.Errorf("open spool %s: %w", path, err)
}

func refusal(path string, err error, agent, advice string) error {
	locked, ok := errors.AsType[*boltfile.LockedError](err)
	if !ok {
		locked = &boltfile.LockedError{}
	}
	said := ""
	switch {
	case locked.Reading:
		said = locked.Error() + "; wait for its end, or stop it"
	case len(locked.Holders) == 0:
		said = agent + " holds the spool, or a command that repairs it; " + advice
	case repairs(locked.Holders[0]):
		said = locked.Who() + " repairs it; wait for its end"
	default:
		said = agent + " holds the spool: " + locked.Who() + "; " + advice
	}
	return &heldError{fmt.Sprintf("open spool %s: %s", path, said), locked}
}

// repairs says whether the process is one of scribe-agent spool repair.
func repairs(h boltfile.Holder) bool {
	i := slices.Index(h.Args, "spool")
	return i > 0 && i+1 < len(h.Args) && h.Args[i+1] == "repair"
}

// AwaitReaders calls open, which opens the spool at path or repairs it, again while commands read the spool, for at most
// ten seconds; after a second that is logged. It returns open's error, or the context's when that ends.
func AwaitReaders(ctx context.Context, path string, logger *slog.Logger, open func() error) error {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return boltfile.AwaitReaders(ctx, func(err error) {
		locked, _ := errors.AsType[*boltfile.LockedError](err)
		logger.Warn("the spool is being read: waiting for the end of that, at most ten seconds", "spool", path, "by", locked.Who())
	}, open)
}
