package e2e

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/spool"
)

const (
	spoolLog  = "power/spool"
	spoolMark = "the last line" // the key of the checkpoint
	// spoolBehind is how many lines the writer of a spool keeps in it; older ones it settles.
	spoolBehind = 2000
)

// spoolWriterEnv makes this test's program one that does nothing but append lines to the spool it names, and write to
// stdout the number of the last one whenever Append has returned. See TestMain.
const spoolWriterEnv = "LOGSCRIBE_E2E_SPOOL"

func writeSpool(path string, say io.Writer) error {
	s, err := spool.Open(path, spool.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	for last := s.Queue(spoolLog).Next - 1; ; {
		end := last + 1 + uint64(rand.IntN(100))
		batch := spool.Batch{
			Drafts:      []block.Draft{block.NewDraft(nil, spoolLog, fedLines(spoolLog, last+1, end), block.S2)},
			Checkpoints: []spool.Checkpoint{{Key: spoolMark, Value: fmt.Append(nil, end)}},
		}
		if err := s.Append(context.Background(), batch); err != nil {
			return err
		}
		fmt.Fprintln(say, end)
		last = end
		if last > spoolBehind {
			s.Settle(spoolLog, last-spoolBehind)
		}
	}
}
