package agent

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"google.golang.org/grpc"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/transport"
	"github.com/logscribe/logscribe/spool"
)

// reloadPatience is how long Reload waits for an agent that is starting.
const reloadPatience = 5 * time.Second

// Reload makes a running agent go by another configuration, all or nothing: an error names what is wrong, or what would
// need a restart, and then all stays as it was. Certificates are read again even if nothing else has changed. What the
// agent has in hand is finished as it was begun; streams to mediators that are no longer named are cancelled, and what
// they carried is shipped to the new ones. It may not be called by two at once.
func (a *Agent) Reload(cfg Config) error {
	// What can fail comes first, and changes nothing.
	if err := cfg.Validate(); err != nil {
		return err
	}
	if err := a.awaitPrepared(); err != nil {
		return err
	}
	if err := a.needsRestart(&cfg); err != nil {
		return err
	}
	codec, err := block.ParseCodec(cfg.Spool.Compression)
	if err != nil {
		return err
	}
	policy, err := spool.ParsePolicy(cfg.Spool.WhenFull)
	if err != nil {
		return err
	}
	creds, conn, err := a.reconnect(&cfg)
	if err != nil {
		return err
	}
	if err := a.reconfigureTail(&cfg); err != nil {
		if conn != nil {
			err = errors.Join(err, conn.Close())
		}
		return err
	}

	// From here on nothing can fail.
	a.spool.SetLimits(cfg.Spool.MaxSize, policy)
	if a.stdin != nil {
		a.stdin.SetCodec(codec)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if conn == nil {
		a.creds.Adopt(creds)
	} else {
		old := a.conn
		a.conn, a.creds = conn, creds
		a.shipper.Redirect(conn)
		_ = old.Close() // cancels its streams
	}
	a.cfg.Mediators, a.cfg.TLS, a.cfg.DrainTimeout = cfg.Mediators, cfg.TLS, cfg.DrainTimeout
	return nil
}

func (a *Agent) awaitPrepared() error {
	select {
	case <-a.prepared:
		return nil
	case <-a.ended:
		return errors.New("the agent has ended")
	case <-time.After(reloadPatience):
		return errors.New("the agent still asks the Scribes how far its files were read; only a restart can change what it goes by now")
	}
}

// needsRestart returns an error that names what can't change while the agent runs, if any of it would.
func (a *Agent) needsRestart(cfg *Config) error {
	name, err := cfg.name()
	if err != nil {
		return err
	}
	differs := func(what string, old, fresh any) error {
		if old == fresh {
			return nil
		}
		return fmt.Errorf("%s needs a restart to change from %#v to %#v", what, old, fresh)
	}
	stdin := func(s *StdinConfig) StdinConfig {
		if s == nil {
			return StdinConfig{}
		}
		return StdinConfig{Log: s.Log, Lines: s.Lines}
	}
	err = errors.Join(
		differs("name", a.cfg.Name, name),
		differs("spool.path", a.cfg.Spool.Path, cfg.Spool.Path),
		differs("identity", a.cfg.Identity, cfg.Identity),
		differs("max_line", a.cfg.MaxLine, cfg.MaxLine),
		differs("cut_mark", a.cfg.CutMark, cfg.CutMark),
	)
	switch {
	case !reflect.DeepEqual(stdin(a.cfg.Stdin), stdin(cfg.Stdin)):
		err = errors.Join(err, errors.New("what is read from standard input needs a restart to change"))
	case a.tail == nil && len(cfg.Files) > 0:
		err = errors.Join(err, errors.New("an agent that tails no files needs a restart to tail some"))
	case len(cfg.Mediators) == 0 && len(a.cfg.Mediators) > 0:
		err = errors.Join(err, errors.New("nowhere to send to: no mediators"))
	}
	return err
}

// reconnect reads the certificates, and makes a connection if another one is needed; otherwise conn is nil.
func (a *Agent) reconnect(cfg *Config) (creds *transport.Credentials, conn *grpc.ClientConn, err error) {
	if creds, err = cfg.TLS.Client(); err != nil {
		return nil, nil, err
	}
	if cfg.TLS == a.cfg.TLS && slices.Equal(cfg.Mediators, a.cfg.Mediators) {
		return creds, nil, nil
	}
	conn, err = transport.Dial(cfg.Mediators, creds)
	return creds, conn, err
}

func (a *Agent) reconfigureTail(cfg *Config) error {
	if a.tail == nil {
		return nil
	}
	sections, err := cfg.sections()
	if err != nil {
		return err
	}
	return a.tail.Reconfigure(sections)
}
