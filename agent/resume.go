package agent

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/logscribe/logscribe/agent/tail"
	"github.com/logscribe/logscribe/internal/block"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"github.com/logscribe/logscribe/spool"
)

// An agent that has an identity, and a spool without a checkpoint of any file, asks the Scribes before it reads: the spool
// may have taken the place of one that was lost, or what is left of a damaged one. Until it has an answer it reads and
// ships nothing.

const (
	// askTimeout bounds one attempt.
	askTimeout = time.Minute
	// askPause is the longest pause between two attempts.
	askPause = 5 * time.Second
	// sayEvery is how often it is said that there is no answer yet.
	sayEvery = 10 * time.Second
)

// filePrefix begins the keys of the checkpoints of tailed files.
const filePrefix = "file/"

// generationKey is the key of the checkpoint that keeps which generation of the identity's spools this one is. Its value,
// integers big-endian:
//
//	offset  width  meaning
//	0       1      version of this layout, 1
//	1       8      the generation
func generationKey(identity string) string { return "identity/" + identity }

const generationVersion = 1

func encodeGeneration(generation uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{generationVersion}, generation)
}

// generation returns the stored generation, 0 if the Scribes were never asked.
func (a *Agent) generation() (uint64, error) {
	key := generationKey(a.cfg.Identity)
	stored, err := a.spool.Checkpoints(key)
	value := stored[key]
	switch {
	case err != nil || value == nil:
		return 0, err
	case len(value) != 9 || value[0] != generationVersion:
		return 0, fmt.Errorf("spool %s: the record of identity %q, %x, is not one that this release can read", a.spool.Path(), a.cfg.Identity, value)
	}
	return binary.BigEndian.Uint64(value[1:]), nil
}

// resume makes sure that an agent with an identity knows its generation and goes on where its files were read to. It
// returns the context's error if that ends before there is an answer.
func (a *Agent) resume(ctx context.Context) error {
	if a.cfg.Identity == "" || a.tail == nil {
		return nil
	}
	files, err := a.spool.Checkpoints(filePrefix)
	if err != nil || len(files) > 0 {
		return err
	}
	answer, err := a.askUntilAnswered(ctx)
	if err != nil {
		return err
	}
	left, err := a.spool.Reached()
	if err != nil {
		a.logger.Error("a damaged block hides how far a file was read; lines may be sent again", "error", err)
	}
	checkpoints := tail.Resumed(append(answer.checkpoints, left...), answer.since)
	if len(answer.absent) > 0 {
		a.logger.Warn("Scribes that are down were not asked: what only they have may be sent again", "absent", strings.Join(answer.absent, ", "))
	}
	if len(checkpoints) > 0 {
		a.logger.Info("the spool is empty: files are read on from where the Scribes have them", "identity", a.cfg.Identity,
			"files", len(checkpoints)-1, "generation", answer.generation)
	}
	checkpoints = append(checkpoints, spool.Checkpoint{Key: generationKey(a.cfg.Identity), Value: encodeGeneration(answer.generation)})
	if err := a.spool.Append(ctx, spool.Batch{Checkpoints: checkpoints}); err != nil {
		return err
	}
	return a.makeTail() // it reads the checkpoints
}

// askUntilAnswered asks again and again.
func (a *Agent) askUntilAnswered(ctx context.Context) (*resumeAnswer, error) {
	request := &logscribev1.ResumeRequest{Identity: a.cfg.Identity, Spool: newSpoolID()}
	var said time.Time
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, askPause) {
		request.NowMs = time.Now().UnixMilli()
		answer, err := a.ask(ctx, request)
		if err == nil {
			return answer, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if time.Since(said) >= sayEvery {
			said = time.Now()
			a.logger.Warn("the spool is empty: nothing is read until all Scribes have told how far the files were read before",
				"identity", a.cfg.Identity, "error", err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func newSpoolID() []byte {
	id := uuid.New()
	return id[:]
}

// resumeAnswer is an answer to Resume, put together.
type resumeAnswer struct {
	checkpoints []block.Checkpoint
	generation  uint64
	since       int64 // nanoseconds since 1970; 0 if it can't be told
	absent      []string
}

// ask makes one call.
func (a *Agent) ask(ctx context.Context, request *logscribev1.ResumeRequest) (*resumeAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	stream, err := logscribev1.NewScribeClient(a.conn).Resume(ctx, request)
	if err != nil {
		return nil, err
	}
	answer := &resumeAnswer{}
	earliest := request.NowMs
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		for _, c := range part.Checkpoints {
			answer.checkpoints = append(answer.checkpoints, block.Checkpoint{Source: c.Source, Value: c.Checkpoint})
		}
		answer.absent = append(answer.absent, part.Absent...)
		if part.Generation > 0 { // it begins the answer of a Scribe
			answer.generation = max(answer.generation, part.Generation)
			earliest = min(earliest, part.SinceMs)
		}
	}
	if answer.generation == 0 {
		return nil, errors.New("the answer has no generation")
	}
	if len(answer.absent) == 0 {
		answer.since = earliest * int64(time.Millisecond)
	}
	return answer, nil
}
