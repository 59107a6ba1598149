package systemd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { text, ok := env[name]; return text, ok }
}

func TestMessages(t *testing.T) {
	names := []string{filepath.Join(t.TempDir(), "notify")}
	if runtime.GOOS == "linux" {
		names = append(names, fmt.Sprintf("@logscribe-%d", os.Getpid()))
	}
	for _, name := range names {
		t.Run(name[:1], func(t *testing.T) {
			manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
			if err != nil {
				t.Fatal(err)
			}
			defer manager.Close()
			n, err := New(lookup(map[string]string{"NOTIFY_SOCKET": name}))
			if err != nil {
				t.Fatal(err)
			}
			if err := n.Send(Ready, Status("two\nlines wait\xff"), Alive); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 1000)
			size, err := manager.Read(got)
			if want := "READY=1\nSTATUS=two lines wait?\nWATCHDOG=1\n"; err != nil || string(got[:size]) != want {
				t.Errorf("got %q, %v", got[:size], err)
			}
		})
	}
}

func TestLongStatusIsCut(t *testing.T) {
	for _, text := range []string{strings.Repeat("a", 5000), "a" + strings.Repeat("é", 3000)} {
		got := Status(text)
		if len(got) > 1100 || !utf8.ValidString(got) || !strings.HasPrefix(got, "STATUS=a") || !strings.HasSuffix(got, "…") {
			t.Errorf("%d bytes: %.20q", len(got), got)
		}
	}
}

// TestNoManager: without a service manager nothing is sent, and nothing is wrong.
func TestNoManager(t *testing.T) {
	for _, env := range []map[string]string{nil, {"NOTIFY_SOCKET": ""}} {
		if n, err := New(lookup(env)); n != nil || err != nil || n.Send(Ready) != nil {
			t.Errorf("%v: got %v, %v", env, n, err)
		}
	}
	for _, bad := range []string{"@", "/", "vsock:2:1234", "notify"} {
		if n, err := New(lookup(map[string]string{"NOTIFY_SOCKET": bad})); n != nil || err == nil || !strings.HasPrefix(err.Error(), "NOTIFY_SOCKET: ") {
			t.Errorf("%s: got %v, %v", bad, n, err)
		}
	}
}

// TestManagerThatHangs: nobody reads the socket, whose queue fills.
func TestManagerThatHangs(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	n := &Notifier{net.UnixAddr{Name: name, Net: "unixgram"}}
	for began := time.Now(); time.Since(began) < 20*time.Second; {
		if n.Send(Alive) != nil {
			return
		}
	}
	t.Error("it took messages without end")
}

func TestReloading(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("systemd runs on Linux")
	}
	usec := func() int {
		text, ok := strings.CutPrefix(Reloading(), "RELOADING=1\nMONOTONIC_USEC=")
		n, err := strconv.Atoi(text)
		if !ok || err != nil {
			t.Fatal(Reloading())
		}
		return n
	}
	before := usec()
	time.Sleep(time.Millisecond)
	if took := usec() - before; before == 0 || took < 1000 || took > 10_000_000 {
		t.Errorf("a millisecond took %d µs after %d", took, before)
	}
}

func TestWatchdog(t *testing.T) {
	self := strconv.Itoa(os.Getpid())
	for _, tc := range []struct {
		usec, pid string
		want      time.Duration
		bad       bool
	}{
		{"", "", 0, false},
		{"30000000", "", 30 * time.Second, false},
		{"30000000", self, 30 * time.Second, false},
		{"30000000", self + "0", 0, false},
		{"soon", self, 0, true},
		{"0", "", 0, true},
		{"9223372036854775807", "", 0, true},
	} {
		got, err := Watchdog(lookup(map[string]string{"WATCHDOG_USEC": tc.usec, "WATCHDOG_PID": tc.pid}))
		if got != tc.want || (err != nil) != tc.bad {
			t.Errorf("%q %q: got %v, %v", tc.usec, tc.pid, got, err)
		}
	}
}
