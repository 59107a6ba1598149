package ops

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Off is the address of a server that serves nothing, as "" is.
const Off = "off"

// CheckAddress is a check for the address to serve on: HOST:PORT, where port 0 takes one that is free and without a host it
// is all addresses; or off.
func CheckAddress(address string) error {
	if address == Off {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("bad address %q: write HOST:PORT, or off", address)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("bad address %q: the port must be a number from 0 to 65535", address)
	}
	return nil
}

// Config is what a Server is made from.
type Config struct {
	Address string // HOST:PORT, or Off
	Must    bool   // it is an error if the address can't be had; else it is said, and the program goes on without
	Program string // the program's name in metrics
	Version string
	Logger  *slog.Logger
	Reloads func() Reloads // nil for a program that does not read its configuration again
}

// Limits of what clients may ask for.
const (
	scrapeTimeout = 10 * time.Second
	maxScrapes    = 4 // at once
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
)

// Server serves one program. All methods are safe for concurrent use.
type Server struct {
	registry *prometheus.Registry
	listener net.Listener // nil if nothing is served
	logger   *slog.Logger
	http     *http.Server
	checks   atomic.Pointer[checks] // nil until Show
	served   sync.WaitGroup         // the goroutine that serves
}

// Serve begins to serve. Until Show the program counts as alive and not ready, and from the end of ctx on as not ready any
// more. Close must follow.
func Serve(ctx context.Context, cfg Config) (*Server, error) {
	s := &Server{registry: prometheus.NewRegistry(), logger: cfg.Logger}
	if cfg.Address == "" || cfg.Address == Off {
		return s, nil
	}
	listener, err := net.Listen("tcp", cfg.Address)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("can't listen on %s: another process already does; choose another address with -ops, or off", cfg.Address)
	}
	switch {
	case err != nil && cfg.Must:
		return nil, fmt.Errorf("-ops: %w", err)
	case err != nil:
		cfg.Logger.Warn("metrics and health are not served", "error", err)
		return s, nil
	}
	s.listener = listener
	info, build := BuildInfo(cfg.Program)
	s.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		info.Collector(func(to Sink) { Put(to, build, 1, cfg.Version, runtime.Version()) }),
	)
	if cfg.Reloads != nil {
		families, put := ReloadMetrics(cfg.Program)
		s.registry.MustRegister(families.Collector(func(to Sink) { put(to, cfg.Reloads()) }))
	}
	s.http = &http.Server{
		Handler: s.handler(ctx), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
	}
	s.served.Go(func() {
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			cfg.Logger.Error("metrics and health are not served any more", "error", err)
		}
	})
	return s, nil
}

func (s *Server) handler(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: maxScrapes, Timeout: scrapeTimeout,
	}))
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { s.readyz(ctx, w) })
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "/metrics  for Prometheus\n/healthz  does it live\n/readyz   can it do its job\n")
	})
	return mux
}

// Show begins to show the program, and says where. It may be called once.
func (s *Server) Show(t Target) {
	if s.listener != nil {
		s.registry.MustRegister(t.Collectors...)
	}
	s.checks.Store(newChecks(t))
	if s.listener == nil {
		return
	}
	s.logger.Info("serving metrics and health", "url", fmt.Sprintf("http://%s/metrics", s.listener.Addr()))
}

// Addr returns the address that is served on, nil if none is.
func (s *Server) Addr() net.Addr {
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Close ends all connections at once, and waits for the goroutine that serves.
func (s *Server) Close() {
	if s.http == nil {
		return
	}
	_ = s.http.Close() // there is nothing to lose
	s.served.Wait()
}
