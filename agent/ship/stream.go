package ship

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/logscribe/logscribe/internal/block"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"github.com/logscribe/logscribe/spool"
)

const (
	// protocolVersion is the version of the protocol that this release speaks.
	protocolVersion = 1
	// streamBudget is the number of payload bytes after which a stream ends, so that its receipt comes. It is what a
	// lane keeps in flight, so it bounds the throughput over a long round trip.
	streamBudget = 8 << 20
	// readChunk is the number of payload bytes that a log sends before the next log has its turn.
	readChunk = 512 << 10
	// stallTimeout is how long a stream may make no progress, neither in sending nor in getting its receipts.
	stallTimeout = 30 * time.Second
)

var errStalled = fmt.Errorf("no progress for %v", stallTimeout)

// stream is one Append call.
type stream struct {
	shipper *Shipper
	client  *client
	call    grpc.ClientStreamingClient[logscribev1.AppendRequest, logscribev1.AppendResponse]
	stall   *time.Timer
	budget  int       // payload bytes left
	began   time.Time // when its first block was sent; zero before that

	*readBuffers
}

// readBuffers are reused by each read, and by the streams that follow.
type readBuffers struct {
	blocks []block.Block
	buf    []byte
}

var readBuffersPool = sync.Pool{New: func() any { return new(readBuffers) }}

// cursor is how far a stream has come with one log.
type cursor struct {
	log   *logState
	queue spool.Queue // as it was before the stream
	most  int         // payload bytes that a turn may bring, in whole blocks; less than readChunk for a single turn
	next  uint64      // the first position not sent
	sent  bool        // it had a turn
	raw   uint64      // bytes of the lines sent
	err   error       // the spool's trouble with this log
}

// run ships what waits of the logs, up to the budget, and returns the receipts by log. The logs' oldest lines have one
// producer. The cursors' errors tell which logs the spool could not read.
func (s *Shipper) run(ctx context.Context, client *client, cursors []*cursor) (map[string]*logscribev1.Receipt, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	st := &stream{shipper: s, client: client, budget: streamBudget, readBuffers: readBuffersPool.Get().(*readBuffers)}
	defer readBuffersPool.Put(st.readBuffers)
	st.stall = time.AfterFunc(stallTimeout, func() { cancel(errStalled) })
	defer st.stall.Stop()
	receipts, err := st.exchange(ctx, cursors)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errStalled) {
		err = cause
	}
	return receipts, err
}

func (st *stream) exchange(ctx context.Context, cursors []*cursor) (map[string]*logscribev1.Receipt, error) {
	var err error
	if st.call, err = st.client.Append(ctx); err != nil {
		return nil, err
	}
	if err := st.sendAll(cursors); err != nil && !errors.Is(err, io.EOF) { // EOF: the server ended the call and says why
		return nil, err
	}
	response, err := st.call.CloseAndRecv()
	if err != nil {
		return nil, err
	}
	st.shipper.stats.answered(st.began)
	receipts := make(map[string]*logscribev1.Receipt, len(response.Receipts))
	for _, r := range response.Receipts {
		receipts[r.Log] = r
	}
	return receipts, nil
}

func (st *stream) sendAll(cursors []*cursor) error {
	hello := st.shipper.hello(cursors[0].queue.Producer)
	if err := st.send(&logscribev1.AppendRequest{Message: &logscribev1.AppendRequest_Hello{Hello: hello}}); err != nil {
		return err
	}
	for _, c := range cursors { // all at once, so that a mediator may choose the owners of new logs together
		if err := st.open(c); err != nil {
			return err
		}
	}
	for more := true; more && st.budget > 0; {
		more = false
		for _, c := range cursors {
			if st.budget <= 0 {
				break
			}
			sent, err := st.sendSome(c)
			if err != nil {
				return err
			}
			more = more || sent
		}
	}
	return nil
}

func (st *stream) open(c *cursor) error {
	c.next = c.queue.Oldest
	open := &logscribev1.Open{Log: c.log.name, Oldest: c.queue.Sequence}
	return st.send(&logscribev1.AppendRequest{Message: &logscribev1.AppendRequest_Open{Open: open}})
}

// sendSome sends the log's next blocks, and says whether more may follow.
func (st *stream) sendSome(c *cursor) (bool, error) {
	c.sent = true
	if c.err != nil || c.most == 0 || c.next >= c.queue.Until {
		return false, nil
	}
	var err error
	st.blocks, st.buf, err = st.shipper.spool.Read(st.blocks[:0], st.buf[:0], c.log.name, c.next, min(c.most, readChunk))
	for i := range st.blocks {
		b := &st.blocks[i]
		if b.Producer != c.queue.Producer || c.next >= c.queue.Until {
			return false, nil // they go with the log's next stream
		}
		if err := st.sendBlock(b); err != nil {
			return false, err
		}
		c.raw += uint64(b.RawSize)
		c.next = c.queue.Oldest + b.Last() + 1 - c.queue.Sequence
	}
	switch {
	case errors.Is(err, spool.ErrGap): // blocks were dropped; the log's next stream begins behind them
		return false, nil
	case isA[*spool.BlockError](err) && c.next > c.queue.Oldest: // it will be the oldest one of the log's next stream
		return false, nil
	}
	c.err = err
	return len(st.blocks) > 0 && c.most == readChunk, nil
}

func (st *stream) sendBlock(b *block.Block) error {
	st.budget -= len(b.Payload)
	if st.began.IsZero() {
		st.began = time.Now()
	}
	st.shipper.stats.sent(b)
	return st.send(&logscribev1.AppendRequest{Message: &logscribev1.AppendRequest_Block{Block: &logscribev1.Block{
		Log: b.Log, First: b.First, Count: b.Count, Codec: logscribev1.Codec(b.Codec),
		RawSize: b.RawSize, Crc: b.CRC, Payload: b.Payload,
		Source: b.Reached.Source, Checkpoint: b.Reached.Value,
	}}})
}

func (st *stream) send(m *logscribev1.AppendRequest) error {
	err := st.call.Send(m)
	st.stall.Reset(stallTimeout)
	return err
}
