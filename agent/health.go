package agent

import (
	"fmt"
	"time"

	"google.golang.org/grpc/connectivity"

	"github.com/logscribe/logscribe/internal/ops"
	"github.com/logscribe/logscribe/internal/size"
)

// isPrepared says whether the agent reads and ships, rather than asking the Scribes where to begin.
func (a *Agent) isPrepared() bool {
	select {
	case <-a.prepared:
		return true
	default:
		return false
	}
}

// state returns the state of the connection.
func (a *Agent) state() connectivity.State {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.conn.GetState()
}

// Summary returns how far delivery lags, in a few words.
func (a *Agent) Summary() string {
	waits := "no lines wait"
	if lines := a.spool.Lines(); lines > 0 {
		waits = fmt.Sprintf("%d lines wait, the oldest for %v", lines, a.backlogAge().Round(time.Second))
	}
	if a.state() != connectivity.Ready {
		return waits + ", no mediator or Scribe is reached"
	}
	return waits
}

// Progress is how far an agent is that reads standard input.
type Progress struct {
	Read      int64 // lines, also those that rules left out
	Delivered int64 // lines with a receipt, of earlier processes too
	Waiting   int64 // lines in the spool
}

// Progress returns how far the agent is.
func (a *Agent) Progress() Progress {
	p := Progress{Waiting: a.spool.Lines(), Delivered: int64(a.spool.Stats().SettledLines)}
	if a.stdin != nil {
		left := a.stdin.Filtered()
		p.Read = a.stdin.Stats().Lines + left.NotIncluded + left.Excluded
	}
	return p
}

// Live returns which of the agent's main loops have stopped doing their work, a reason each.
func (a *Agent) Live() (wrong []string) {
	stuck := func(what string, busy time.Duration) {
		if busy > ops.StuckAfter() {
			wrong = append(wrong, fmt.Sprintf("%s has been at one thing for %v", what, busy.Round(time.Second)))
		}
	}
	stuck("the goroutine that writes the spool", a.spool.Busy())
	if a.isPrepared() {
		stuck("the goroutine that ships", a.shipper.Busy())
		if a.tail != nil {
			a.tail.Stats() // whose lock all its goroutines take: who asks waits as long as they
		}
	}
	return wrong
}

// Ready returns why the agent can't do its job, which is to take lines and to deliver them: as long as the spool has room
// to spare, lines may wait for a mediator.
func (a *Agent) Ready() []string {
	if err := a.spool.Err(); err != nil {
		return []string{err.Error()}
	}
	var wrong []string
	if !a.isPrepared() {
		wrong = append(wrong, "nothing is read yet: the Scribes have not said how far the files were read")
	}
	used, free, failing := a.spool.Room()
	if failing {
		wrong = append(wrong, "the spool's disk takes no lines: it is full, or fails")
	}
	if state := a.state(); state != connectivity.Ready && free != size.Unlimited && used > free {
		wrong = append(wrong, fmt.Sprintf("no mediator or Scribe is reached, and more than half of the spool is used: %s, %s are free",
			size.Format(used), size.Format(max(0, free))))
	}
	return wrong
}
