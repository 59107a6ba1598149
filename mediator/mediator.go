package mediator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/logscribe/logscribe/internal/compat"
	"github.com/logscribe/logscribe/internal/latency"
	"github.com/logscribe/logscribe/internal/transport"
	"github.com/logscribe/logscribe/proto/legacy"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

// stopGrace is the time that streams in progress have to end when the mediator stops. What is cut off then is sent
// again by the agents.
const stopGrace = 800 * time.Millisecond

// Mediator is the front door. Its methods, except Run, may be called concurrently at any time.
type Mediator struct {
	logscribev1.UnimplementedScribeServer

	cfg            Config
	creds          *transport.Credentials // as a server
	towardsScribes *transport.Credentials
	store          *store
	listener       net.Listener
	server         *transport.Server
	registry       *registry
	owners         *owners
	describer      *describer
	stored         []registration // what the store knew at the start
	began          time.Time

	streams, calls, blocks, bytes atomic.Uint64
	receipts                      latency.Histogram
}

// New opens all that a Mediator needs: its certificates, its store, which it locks, and its port. Run must follow, and
// releases them again.
func New(cfg Config) (*Mediator, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	m := &Mediator{cfg: cfg, began: cfg.now()}
	if m.creds, err = cfg.TLS.Server(); err != nil {
		return nil, fmt.Errorf("mediator: %w", err)
	}
	if m.towardsScribes, err = cfg.TLS.Client(); err != nil {
		return nil, fmt.Errorf("mediator: towards Scribes: %w", err)
	}
	m.creds.LogRefused(cfg.Logger)
	if m.store, err = openStore(cfg.DataDir); err != nil {
		return nil, fmt.Errorf("mediator: %w", err)
	}
	if err := m.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("mediator: %w", err), m.store.close())
	}
	return m, nil
}

// open does what needs the store. The listener comes last, so that there is nothing to undo.
func (m *Mediator) open() error {
	stored, owned, err := m.store.load()
	if err != nil {
		return err
	}
	m.stored = stored
	m.registry = newRegistry(m.cfg, m.store, m.towardsScribes)
	m.owners = newOwners(m.cfg, m.store, m.registry, owned)
	m.server = transport.NewServer(m.creds, m.cfg.options...)
	logscribev1.RegisterScribeServer(m.server, m)
	logscribev1.RegisterRegistryServer(m.server, directory{m: m})
	m.describer = &describer{mediator: m}
	m.describer.reports.Now = m.cfg.now
	logscribev1.RegisterStatusServer(m.server, m.describer)
	legacy.RegisterLogScribeServer(m.server, compat.Server{To: m})
	m.listener, err = net.Listen("tcp", m.cfg.Listen)
	return err
}

// Addr returns the address that the Mediator listens on.
func (m *Mediator) Addr() net.Addr { return m.listener.Addr() }

// Reload reads the certificates again. After an error the old ones stay in use, all of them.
func (m *Mediator) Reload() error { return transport.Reload(m.creds, m.towardsScribes) }

// Run serves until ctx ends, or until serving fails, and then releases all that New has opened. It is called once.
func (m *Mediator) Run(ctx context.Context) error {
	m.registry.start(m.stored)
	go m.owners.run()
	serving, ended := context.WithCancelCause(ctx)
	var serve sync.WaitGroup
	serve.Go(func() { ended(m.server.Serve(m.listener)) })
	<-serving.Done()
	var failed error
	if ctx.Err() == nil {
		failed = fmt.Errorf("mediator: serve: %w", context.Cause(serving))
	}
	failed = errors.Join(failed, m.stop())
	serve.Wait()
	return failed
}

// stop ends in the order in which the data flows: the agents' streams, the Scribes, the decisions, the store.
func (m *Mediator) stop() error {
	unfinished := m.server.Shutdown(stopGrace)
	m.registry.stop()
	m.owners.stop()
	return errors.Join(unfinished, m.store.close())
}
