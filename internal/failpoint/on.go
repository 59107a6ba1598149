//go:build sabotage

package failpoint

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// arm is what is to happen, and where.
type arm struct {
	point  Point
	action string
	from   int // the first time that counts
	times  int

	mu      sync.Mutex
	reached int // guarded by mu
}

var armed = parse(os.Getenv("LOGSCRIBE_FAILPOINT"))

// failures are the actions that let the program go on.
var failures = map[string]error{"ENOSPC": syscall.ENOSPC, "EIO": syscall.EIO, "EROFS": syscall.EROFS}

func parse(text string) *arm {
	if text == "" {
		return nil
	}
	point, rest, _ := strings.Cut(text, "=")
	action, when, _ := strings.Cut(rest, "@")
	from, times, _ := strings.Cut(when, "x")
	a := &arm{point: Point(point), action: action, from: number(from), times: number(times)}
	if !slices.Contains(All, a.point) || failures[action] == nil && action != "kill" && action != "panic" {
		panic(fmt.Sprintf("LOGSCRIBE_FAILPOINT=%q: no such point or action", text))
	}
	return a
}

// number returns the number in text, 1 if there is none.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 1
	}
	return n
}

// Reach says that the process has reached the point. The error is the one that the point is armed with, nil for none.
func Reach(p Point) error {
	if armed == nil || armed.point != p || !armed.due() {
		return nil
	}
	switch armed.action {
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // it can't fail
		select {}
	case "panic":
		panic(Announcement + string(p))
	}
	return fmt.Errorf("failpoint %s: %w", p, failures[armed.action])
}

// due counts, and says whether it is time. The first time it says so on stderr.
func (a *arm) due() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reached++
	if a.reached == a.from {
		fmt.Fprintf(os.Stderr, "%s%s=%s\n", Announcement, a.point, a.action)
	}
	return a.reached >= a.from && a.reached < a.from+a.times
}
