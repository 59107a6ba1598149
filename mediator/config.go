package mediator

import (
	"errors"
	"log/slog"
	"time"

	"github.com/logscribe/logscribe/internal/transport"
	"google.golang.org/grpc"
)

// Config configures a Mediator.
type Config struct {
	Listen  string // HOST:PORT to serve on; default ":8000"
	DataDir string // the folder of mediator.db, made if it is missing; required

	HealthInterval time.Duration // between two checks of a Scribe, and the time one may take; default 5s
	FailoverAfter  time.Duration // how long an owner must be down before its logs get another; default 5m, negative never

	TLS    transport.TLS // for agents and for Scribes
	Logger *slog.Logger  // default none

	Software    string        // the program's version, told to those who look
	ReloadError func() string // why the last reload of the settings failed, "" if it did not; nil if there are no reloads

	// For tests.
	now     func() time.Time
	options []grpc.ServerOption
}

func (c Config) withDefaults() (Config, error) {
	if c.DataDir == "" {
		return c, errors.New("mediator: no data folder is configured")
	}
	if c.Listen == "" {
		c.Listen = ":8000"
	}
	if c.HealthInterval <= 0 {
		c.HealthInterval = 5 * time.Second
	}
	if c.FailoverAfter == 0 {
		c.FailoverAfter = 5 * time.Minute
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.now == nil {
		c.now = time.Now
	}
	return c, nil
}
