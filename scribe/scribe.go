package scribe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/logscribe/logscribe/internal/compat"
	"github.com/logscribe/logscribe/internal/ops"
	"github.com/logscribe/logscribe/internal/transport"
	"github.com/logscribe/logscribe/proto/legacy"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"github.com/logscribe/logscribe/scribe/store"
)

// stopGrace is the time that streams have to end at a clean stop.
const stopGrace = time.Second

// Config is what a Scribe is made from.
type Config struct {
	// Listen is the address to serve on, HOST:PORT; port 0 takes a free one.
	Listen string
	// Path is the root folder of the logs; it is made if it does not exist.
	Path string
	// Policy, Rules, MinFree and Access say how the logs' files are kept; see store.Options.
	Policy  store.Policy
	Rules   []store.Rule
	MinFree int64
	Access  store.Access
	// MaxOpenFiles bounds the logs whose file is open; see store.Options.
	MaxOpenFiles int
	// ProducerTTL is how long a producer is remembered that sends nothing to a log; see store.Options.
	ProducerTTL time.Duration
	// Notes is a folder, outside Path, in which the Scribe notes which root it finds at Path, to notice one day that a file
	// system is not mounted there; "" for none.
	Notes string
	// Durability says what acknowledged lines survive; "" is store.PowerLoss.
	Durability store.Durability
	// Mediators are the addresses to register with, HOST:PORT; none for a Scribe on its own.
	Mediators []string
	// ID is the Scribe's identity among those of its mediators. If empty it is made of the host's name and the
	// identity of the root folder, so that it moves with the files.
	ID string
	// Advertise is where mediators reach this Scribe, HOST:PORT. If empty it is the port that it serves on, at the
	// address its registration comes from.
	Advertise string
	// Console gets a copy of every line that is written, unless it is too slow; nil for none.
	Console io.Writer
	TLS     transport.TLS
	Logger  *slog.Logger // nil discards
	// Software is the program's version, told to mediators.
	Software string
	// ReloadError returns why the last reload of the settings failed, "" if it did not; nil if there are no reloads.
	ReloadError func() string
}

// Scribe is a running worker.
type Scribe struct {
	logscribev1.UnimplementedScribeServer
	cfg        Config
	logger     *slog.Logger
	id         string
	store      *store.Store
	identities *identities
	listener   net.Listener
	server     *transport.Server
	serverTL   *transport.Credentials
	clientTL   *transport.Credentials
	registry   *registration // nil without mediators
	console    *console      // nil without one
	received   received
	disk       *ops.Probe               // whether the root can be written
	diskSeen   atomic.Pointer[diskSeen] // nil before the first look
	root       string                   // the absolute path of the root
	describer  *describer
}

// New opens the store, which brings its files to their committed state, and listens. The Scribe serves once Run is
// called.
func New(cfg Config) (*Scribe, error) {
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, err // it names the address
	}
	s, err := newScribe(cfg, listener)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return s, nil
}

func newScribe(cfg Config, listener net.Listener) (*Scribe, error) {
	s := &Scribe{cfg: cfg, logger: cfg.Logger, listener: listener}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	var err error
	if s.serverTL, err = cfg.TLS.Server(); err != nil {
		return nil, err
	}
	s.serverTL.LogRefused(s.logger)
	if len(cfg.Mediators) > 0 {
		if s.clientTL, err = cfg.TLS.Client(); err != nil {
			return nil, err
		}
	}
	options := store.Options{
		Policy: cfg.Policy, Rules: cfg.Rules, MinFree: cfg.MinFree, Access: cfg.Access,
		Durability: cfg.Durability, Notes: cfg.Notes, MaxOpenFiles: cfg.MaxOpenFiles, ProducerTTL: cfg.ProducerTTL, Logger: s.logger,
	}
	if s.store, err = store.Open(cfg.Path, options); err != nil {
		return nil, err
	}
	if s.root, err = filepath.Abs(cfg.Path); err != nil {
		s.root = cfg.Path // for people
	}
	s.identities = newIdentities(s.store)
	s.disk = ops.NewProbe("the disk of "+cfg.Path, tryEvery, tryPatience, s.tryDisk)
	if s.id, err = nameOf(cfg.ID, s.store); err != nil {
		return nil, errors.Join(err, s.store.Close())
	}
	if len(cfg.Mediators) > 0 {
		if s.registry, err = s.newRegistration(); err != nil {
			return nil, errors.Join(err, s.store.Close())
		}
	}
	s.describer = &describer{scribe: s, began: time.Now()}
	s.server = transport.NewServer(s.serverTL)
	logscribev1.RegisterScribeServer(s.server, s)
	logscribev1.RegisterStatusServer(s.server, s.describer)
	legacy.RegisterLogScribeServer(s.server, compat.Server{To: s})
	return s, nil
}

// nameOf returns the Scribe's own identity.
func nameOf(configured string, st *store.Store) (string, error) {
	if configured != "" {
		return configured, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("find a name for this Scribe: %w; set -id", err)
	}
	return host + "-" + st.Root().String()[:8], nil
}

// ID returns the Scribe's identity.
func (s *Scribe) ID() string { return s.id }

// Addr returns the address that the Scribe listens on.
func (s *Scribe) Addr() net.Addr { return s.listener.Addr() }

// Reload reads the certificates again. After an error the old ones stay in use.
func (s *Scribe) Reload() error { return transport.Reload(s.serverTL, s.clientTL) }

// Run serves until ctx ends, then stops: it takes no more streams, gives those in progress a moment to end, commits
// what they brought and closes the store.
func (s *Scribe) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group errgroup.Group
	if s.cfg.Console != nil {
		s.console = newConsole(s.cfg.Console, s.logger)
	}
	group.Go(func() error {
		defer cancel()
		return s.server.Serve(s.listener)
	})
	if s.registry != nil {
		group.Go(func() error { return s.registry.run(ctx) })
	}
	<-ctx.Done()
	err := errors.Join(s.server.Shutdown(stopGrace), group.Wait())
	s.console.close()
	return errors.Join(err, s.store.Close())
}
