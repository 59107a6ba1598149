package cli

import (
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/logscribe/logscribe/internal/ops"
	"github.com/logscribe/logscribe/internal/systemd"
)

const (
	// readyPatience is how long a program that has started is waited for to be ready. What keeps it then, as a mediator that is
	// away or a disk that is full, no restart mends, and neither a boot nor who started it should wait for it: it counts as
	// ready, and its status says what is wrong.
	readyPatience = 30 * time.Second
	// readyEvery is how often a program that has started is asked whether it is ready, statusEvery how often afterwards.
	readyEvery  = 100 * time.Millisecond
	statusEvery = 10 * time.Second
	// feedings is how often, at least, the watchdog is fed within its time.
	feedings = 3
	// leavePatience is how long the end of the program waits for a look at it.
	leavePatience = 100 * time.Millisecond
)

// manager is the service manager that has started the program, if there is one. It is told what /healthz and /readyz say,
// and so the watchdog is fed only while the main loops live. Its methods are safe for concurrent use.
type manager struct {
	to       *systemd.Notifier // nil: there is none, and nothing happens
	watchdog time.Duration     // 0: nobody waits for it
	logger   *slog.Logger
	left     chan struct{} // closed by leave
	server   *ops.Server   // set by watch, before anything looks

	mu      sync.Mutex    // guards what follows, and keeps messages in order
	gone    chan struct{} // closed when the goroutine that looks has ended; nil without one
	since   time.Time     // when it had started, or began to wait; zero before
	waiting string        // for what it waits, before it has started
	ready   bool          // was said
	owed    bool          // the end of a reload is still to be said
	stops   bool          // was said
	failed  string        // why the last reload did
	said    string        // the last status
	starved bool          // the watchdog was not fed at the last look
}

// newManager returns the service manager that the environment names.
func newManager(lookupEnv func(string) (string, bool), logger *slog.Logger) *manager {
	m := &manager{logger: logger, left: make(chan struct{})}
	var err error
	if m.to, err = systemd.New(lookupEnv); err != nil {
		logger.Warn("the service manager is not told how the program does", "error", err)
	}
	if m.watchdog, err = systemd.Watchdog(lookupEnv); err != nil {
		logger.Warn("the service manager's watchdog is not fed", "error", err)
	}
	return m
}

// watch begins to tell of the program that the server shows. It is called once.
func (m *manager) watch(server *ops.Server) {
	if m.to == nil {
		return
	}
	gone := make(chan struct{})
	m.server = server
	m.mu.Lock()
	m.gone = gone
	m.mu.Unlock()
	go func() {
		defer close(gone)
		for {
			select {
			case <-time.After(m.look()):
			case <-m.left:
				return
			}
		}
	}()
}

// leave ends what watch began. A look at a program that hangs is not waited for.
func (m *manager) leave() {
	close(m.left)
	m.mu.Lock()
	gone := m.gone
	m.mu.Unlock()
	if gone != nil {
		select {
		case <-gone:
		case <-time.After(leavePatience):
		}
	}
}

// look feeds the watchdog, says what else there is to say now, and returns when to look again. The program is asked
// without the mutex: its answers may take some time, during which a reload or a stop may be to be said.
func (m *manager) look() time.Duration {
	m.feed(m.server.Live())
	m.mu.Lock()
	stops := m.stops
	m.mu.Unlock()
	if !stops {
		m.tell(m.server.Shown(), m.server.Ready(), m.server.Summary())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case !m.ready && !m.lateLocked(): // else the manager could not be told
		return readyEvery
	case m.watchdog > 0:
		return min(statusEvery, m.watchdog/feedings)
	}
	return statusEvery
}

// feed feeds the watchdog, unless something is wrong with the main loops.
func (m *manager) feed(wrong []string) {
	if m.watchdog == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case len(wrong) == 0:
		m.sendLocked(systemd.Alive)
	case !m.starved:
		m.logger.Error("a main loop does not live: the service manager's watchdog is not fed", "reason", strings.Join(wrong, "; "))
	}
	m.starved = len(wrong) > 0
}

// tell says that the program is ready, once, and what it does, when that has changed. What the manager could not be told is
// said again at the next look: it would wait for READY for ever.
func (m *manager) tell(shown bool, wrong []string, does string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stops {
		return
	}
	if m.since.IsZero() && (shown || m.waiting != "") {
		m.since = time.Now()
	}
	var lines []string
	ready := m.ready || len(wrong) == 0 || m.lateLocked()
	if ready && !m.ready || m.owed {
		lines = append(lines, systemd.Ready)
	}
	status := m.statusLocked(shown, wrong, does)
	if status != m.said {
		lines = append(lines, systemd.Status(status))
	}
	if m.sendLocked(lines...) {
		m.ready, m.owed, m.said = ready, false, status
	}
}

// lateLocked says whether nobody should wait any longer for the program to be ready.
func (m *manager) lateLocked() bool { return !m.since.IsZero() && time.Since(m.since) >= readyPatience }

// statusLocked returns what the service manager shows.
func (m *manager) statusLocked(shown bool, wrong []string, does string) string {
	var parts []string
	switch {
	case shown && len(wrong) > 0:
		parts = append(parts, "not ready: "+strings.Join(wrong, ", "))
	case !shown && m.waiting != "":
		parts = append(parts, "waiting: "+m.waiting)
	case !shown:
		parts = append(parts, "starting")
	}
	if m.failed != "" {
		parts = append(parts, "the last reload failed: "+m.failed)
	}
	if does != "" {
		parts = append(parts, does)
	}
	return strings.Join(parts, "; ")
}

// sendLocked says whether the manager has been told.
func (m *manager) sendLocked(lines ...string) bool {
	err := m.to.Send(lines...)
	if err != nil {
		m.logger.Debug("the service manager can't be told", "error", err)
	}
	return err == nil
}

// waits notes for what the program waits, before it has started.
func (m *manager) waits(reason error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting = flat(reason.Error())
}

// reloading says that a reload begins. One before the program was ready is part of the start.
func (m *manager) reloading() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ready && !m.stops {
		m.sendLocked(systemd.Reloading())
		m.owed = false // until this one has ended
	}
}

// reloaded says that it has ended, and how.
func (m *manager) reloaded(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failed = ""
	if err != nil {
		m.failed = flat(err.Error())
	}
	if m.ready && !m.stops {
		m.owed = !m.sendLocked(systemd.Ready)
	}
}

// stopping says that the program has begun to stop. That takes less time than service managers allow, and to be killed
// meanwhile does no harm; so no more is asked for.
func (m *manager) stopping() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stops = true
	m.sendLocked(systemd.Stopping, systemd.Status("stopping"))
}
