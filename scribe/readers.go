package scribe

import (
	"context"
	"log/slog"

	"github.com/logscribe/logscribe/internal/boltfile"
)

// AwaitReaders calls open, which makes a Scribe, again while commands read its ledger, for at most ten seconds. It returns
// open's error, which is ctx's if that ends before.
func AwaitReaders(ctx context.Context, logger *slog.Logger, open func() error) error {
	return boltfile.AwaitReaders(ctx, func(err error) {
		logger.Warn("the ledger is being read: waiting for the end of that, at most ten seconds", "error", err)
	}, open)
}
