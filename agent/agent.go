// Package agent reads lines from files or from standard input, keeps them in a spool on local disk, and ships them to
// the Scribes that own their logs.
//
// # Invariants
//
//   - A line leaves the spool only on a receipt.
//   - A file's lines enter the spool together with the checkpoint that they reach, so that a restart goes on at the
//     exact byte.
//   - An agent with an identity begins with an empty spool where the Scribes say that the last one has brought its files.
//   - A reload puts a whole configuration into effect, or none of it.
//   - An agent may be killed at any instant; a clean stop does no more than to stop sooner.
//
// # Layout, in the order of the data
//
//	tail/   source: files, found by globs and followed through rotation
//	stdin/  source: one stream
//	line/   what is done to lines on the way: chosen, joined, redacted, and made blocks
//	cut/    where bytes that nothing is done to are parted into blocks
//	ship/   from the spool to the Scribes
//
// resume.go asks the Scribes before the sources begin, where an agent has an identity and an empty spool.
//
// metrics.go and health.go tell an operator how the agent does, and report.go tells the other side, for scribectl.
//
// reload.go changes the configuration of an agent that runs.
//
// The spool itself is the package spool at the top of the project.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/logscribe/logscribe/agent/line"
	"github.com/logscribe/logscribe/agent/ship"
	"github.com/logscribe/logscribe/agent/stdin"
	"github.com/logscribe/logscribe/agent/tail"
	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/transport"
	"github.com/logscribe/logscribe/spool"
)

// stopDrain bounds the wait for receipts once a clean stop was asked for.
const stopDrain = 500 * time.Millisecond

// UndeliveredError says that the drain timeout ended before all lines had a receipt. They stay in the spool, and the
// next agent with that spool sends them.
type UndeliveredError struct {
	Lines int64
	Spool string
}

func (e *UndeliveredError) Error() string {
	return fmt.Sprintf("%d lines are not delivered yet; they stay in the spool %s, and the next start with that spool sends them", e.Lines, e.Spool)
}

// Agent is a running agent.
type Agent struct {
	logger *slog.Logger
	spool  *spool.Spool
	tail   *tail.Source  // nil without files
	stdin  *stdin.Source // nil without standard input

	began     time.Time
	asideThen uint64        // lines that were set aside before
	prepared  chan struct{} // closed when prepare is done; shipper, and an agent that resumes its tail, are set then
	ended     chan struct{} // closed when Run returns
	dropped   highest       // lines that the spool ever said to have dropped
	shipper   *ship.Shipper

	// Reload alone writes what follows once the agent is prepared, and holds the mutex then.
	mu    sync.Mutex
	cfg   Config
	conn  *grpc.ClientConn
	creds *transport.Credentials
}

// New checks the configuration and opens the spool. The agent does nothing before Run.
func New(cfg Config) (_ *Agent, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	a := &Agent{cfg: cfg, logger: cfg.Logger, began: time.Now(), prepared: make(chan struct{}), ended: make(chan struct{})}
	if a.logger == nil {
		a.logger = slog.New(slog.DiscardHandler)
	}
	if a.cfg.Name, err = cfg.name(); err != nil {
		return nil, err
	}
	if a.creds, err = cfg.TLS.Client(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	policy, err := spool.ParsePolicy(cfg.Spool.WhenFull)
	if err != nil {
		return nil, err
	}
	remedy, err := spool.ParseRemedy(cfg.Spool.WhenDamaged)
	if err != nil {
		return nil, err
	}
	a.spool, err = spool.Open(cfg.Spool.Path, spool.Options{
		MaxSize: cfg.Spool.MaxSize, WhenFull: policy, WhenDamaged: remedy, Logger: a.logger,
	})
	if err != nil {
		return nil, err
	}
	a.asideThen = a.setAside()
	if err := a.dial(); err != nil {
		return nil, err
	}
	if err := a.makeSources(); err != nil {
		return nil, err
	}
	return a, nil
}

// The pauses of Start: between two attempts, and between two words about them.
const (
	startPause = time.Second
	startSay   = 10 * time.Second
)

// Start is New, but waits while the spool's disk is too full to open the spool, or to make it: whoever makes room there
// should not have to start the agent too. It also waits some seconds for those who read the spool. It returns the context's
// error if that ends before.
func Start(ctx context.Context, cfg Config) (a *Agent, err error) {
	for said := (time.Time{}); ; {
		err = spool.AwaitReaders(ctx, cfg.Spool.Path, cfg.Logger, func() (err error) { a, err = New(cfg); return err })
		if !errors.Is(err, spool.ErrDiskFull) {
			return a, err
		}
		if cfg.Waits != nil {
			cfg.Waits(err)
		}
		if cfg.Logger != nil && time.Since(said) >= startSay {
			said = time.Now()
			cfg.Logger.Error("the agent starts when the disk has room for its spool: nothing is read or shipped until then", "spool", cfg.Spool.Path, "error", err)
		}
		select {
		case <-time.After(startPause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (a *Agent) dial() (err error) {
	addrs := a.cfg.Mediators
	if len(addrs) == 0 && a.cfg.Dialer == nil {
		return errors.New("nowhere to send to: no mediators")
	}
	var options []grpc.DialOption
	if a.cfg.Dialer != nil {
		addrs = []string{"embedded:1"}
		options = append(options, grpc.WithContextDialer(a.cfg.Dialer))
	}
	a.conn, err = transport.Dial(addrs, a.creds, options...)
	return err
}

func (a *Agent) makeSources() error {
	if a.cfg.Stdin != nil {
		if err := a.makeStdin(); err != nil {
			return err
		}
	}
	if len(a.cfg.Files) == 0 {
		return nil
	}
	return a.makeTail()
}

func (a *Agent) makeStdin() error {
	codec, err := block.ParseCodec(a.cfg.Spool.Compression)
	if err != nil {
		return err
	}
	rules, err := line.New(a.cfg.Stdin.Lines)
	if err != nil {
		return err
	}
	host, err := hostname()
	if err != nil {
		return err
	}
	a.stdin = stdin.New(stdin.Config{
		Reader: a.cfg.Stdin.Reader, Tee: a.cfg.Stdin.Tee, Log: a.cfg.Stdin.Log, Codec: codec, Lines: rules, Host: host,
		MaxLine: int(a.cfg.maxLine()), CutMark: a.cfg.CutMark, Spool: a.spool, Logger: a.logger,
	})
	return nil
}

func (a *Agent) makeTail() error {
	sections, err := a.cfg.sections()
	if err != nil {
		return err
	}
	host, err := hostname()
	if err != nil {
		return err
	}
	a.tail, err = tail.New(tail.Config{
		Sections: sections, Host: host, Spool: a.spool, Logger: a.logger, CarryCheckpoints: a.cfg.Identity != "",
		MaxLine: int(a.cfg.maxLine()), CutMark: a.cfg.CutMark,
	})
	return err
}

func hostname() (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("find this host's name: %w", err)
	}
	return host, nil
}

// failedStop bounds a stop after the spool has failed.
const failedStop = 2 * time.Second

// Run reads and ships until ctx ends; an agent that reads only standard input also ends by itself, once all that it
// read has a receipt. It returns an UndeliveredError if the drain timeout ends before that, a SetAsideError if lines were
// given up, and nil after a clean stop: what is not delivered then stays in the spool, and is said. It also ends when the
// spool turns out to be damaged; then it does not wait for long for what hangs in the damaged file.
func (a *Agent) Run(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- a.run(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-a.spool.Failed():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(failedStop):
		return a.spool.Err()
	}
}

func (a *Agent) run(ctx context.Context) error {
	defer close(a.ended)
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-a.spool.Failed():
			cancel()
		case <-ctx.Done():
		}
	})
	defer watch.Wait()
	defer cancel()
	telling, stopTelling := context.WithCancel(context.WithoutCancel(ctx))
	defer stopTelling()
	var told sync.WaitGroup
	if a.cfg.Dialer == nil { // nobody can look into an embedded Scribe
		told.Go(func() { a.report(telling) })
	}
	err := a.work(ctx)
	stopTelling()
	told.Wait()
	return errors.Join(err, a.close())
}

// work reads and ships until ctx ends, or all of standard input has a receipt.
func (a *Agent) work(ctx context.Context) error {
	err := a.prepare(ctx)
	if ctx.Err() != nil {
		return a.spool.Err()
	}
	if err != nil {
		return err
	}
	work, stop := context.WithCancel(context.WithoutCancel(ctx)) // sources end first, then the shipper
	defer stop()
	var shipping errgroup.Group
	shipping.Go(func() error { return a.shipper.Run(work) })

	err = a.read(ctx)
	if err == nil {
		err = a.drain(ctx)
	}
	stop()
	return errors.Join(a.spool.Err(), err, shipping.Wait())
}

// prepare does what must be done before the first line is read or shipped.
func (a *Agent) prepare(ctx context.Context) error {
	if err := a.resume(ctx); err != nil {
		return err
	}
	cfg := ship.Config{Spool: a.spool, Conn: a.conn, Name: a.cfg.Name, Software: a.cfg.Software, Logger: a.logger}
	if a.tail != nil { // what else is read can't be read again
		var err error
		cfg.Identity = a.cfg.Identity
		if cfg.Generation, err = a.generation(); err != nil {
			return err
		}
	}
	a.shipper = ship.New(cfg)
	close(a.prepared)
	return nil
}

// read runs the sources until ctx ends, or until standard input does if nothing else is read.
func (a *Agent) read(ctx context.Context) error {
	sources, ctx := errgroup.WithContext(ctx)
	if a.tail != nil {
		sources.Go(func() error { return a.tail.Run(ctx) })
	}
	if a.stdin != nil {
		sources.Go(func() error { return a.stdin.Run(ctx) })
	}
	return sources.Wait()
}

// SetAsideError says that some of the lines that were read could not be delivered, and where they are.
type SetAsideError struct {
	Lines uint64
	Spool string
}

func (e *SetAsideError) Error() string {
	return fmt.Sprintf("%d lines are not delivered: no Scribe takes them, or they were damaged in the spool; they are set aside in %s.quarantine", e.Lines, e.Spool)
}

// setAside returns the number of lines that were ever set aside.
func (a *Agent) setAside() (lines uint64) {
	for _, q := range a.spool.Stats().Queues {
		lines += q.AsideLines
	}
	return lines
}

// drain waits until all lines have a receipt: after the end of standard input up to the drain timeout, at a clean stop
// for a moment only.
func (a *Agent) drain(ctx context.Context) error {
	a.mu.Lock()
	timeout := a.cfg.DrainTimeout
	a.mu.Unlock()
	timed, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(stopDrain, cancel) })()
	if a.spool.WaitEmpty(timed) == nil {
		if lines := a.setAside() - a.asideThen; lines > 0 && ctx.Err() == nil {
			return &SetAsideError{Lines: lines, Spool: a.spool.Path()}
		}
		return nil
	}
	left := &UndeliveredError{Lines: a.spool.Lines(), Spool: a.spool.Path()}
	if ctx.Err() == nil {
		return left
	}
	a.logger.Info("stopped: lines stay in the spool, and the next start with it sends them", "lines", left.Lines, "spool", left.Spool)
	return nil
}

// close closes what New has opened.
func (a *Agent) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var errs []error
	if a.conn != nil {
		errs = append(errs, a.conn.Close())
	}
	if a.spool != nil {
		errs = append(errs, a.spool.Close())
	}
	return errors.Join(errs...)
}
