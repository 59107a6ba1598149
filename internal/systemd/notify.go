package systemd

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// The lines of a message that have one value only.
const (
	Ready    = "READY=1"    // the start, or a reload, is complete
	Stopping = "STOPPING=1" // the program has begun to stop
	Alive    = "WATCHDOG=1" // the watchdog's time begins anew
)

// longestStatus bounds a status, in bytes: systemd drops a message of more than 4096, with all that stands in it.
const longestStatus = 1000

// sendPatience bounds a message: the socket's queue may be full, and its reader hang.
const sendPatience = time.Second

// Status is a line of the message: what the program does, for people, as systemctl status shows it. Newlines become spaces,
// and of a long text only the beginning is told.
func Status(text string) string {
	text = strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "?") // other bytes would be refused
	if len(text) > longestStatus {
		text = strings.ToValidUTF8(text[:longestStatus], "") + "…"
	}
	return "STATUS=" + text
}

// Reloading are the lines of the message that a reload begins. Ready ends it, whatever became of it.
func Reloading() string {
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", monotonic()/time.Microsecond)
}

// Notifier sends messages to the service manager. Its methods are safe for concurrent use; nil sends nothing.
type Notifier struct{ addr net.UnixAddr }

// New returns the notifier for the socket that $NOTIFY_SOCKET names: a path, or an abstract name after an @. It is nil if no
// service manager listens.
func New(lookupEnv func(string) (string, bool)) (*Notifier, error) {
	name, _ := lookupEnv("NOTIFY_SOCKET")
	switch {
	case name == "":
		return nil, nil
	case name[0] != '/' && name[0] != '@' || len(name) == 1:
		return nil, fmt.Errorf("NOTIFY_SOCKET: %q is neither a path nor an abstract socket", name)
	}
	return &Notifier{net.UnixAddr{Name: name, Net: "unixgram"}}, nil // package net knows the @
}

// Send sends one message of these lines.
func (n *Notifier) Send(lines ...string) error {
	if n == nil || len(lines) == 0 {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &n.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(sendPatience)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(strings.Join(lines, "\n") + "\n"))
	return err
}

// Watchdog returns within what time the service manager wants to see Alive, again and again; 0 if it does not, or wants it
// of another process.
func Watchdog(lookupEnv func(string) (string, bool)) (time.Duration, error) {
	text, _ := lookupEnv("WATCHDOG_USEC")
	if text == "" {
		return 0, nil
	}
	if pid, _ := lookupEnv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0, nil
	}
	micros, err := strconv.ParseInt(text, 10, 64)
	if limit := int64(1<<63-1) / int64(time.Microsecond); err != nil || micros <= 0 || micros > limit {
		return 0, fmt.Errorf("WATCHDOG_USEC: %q is no time in microseconds", text)
	}
	return time.Duration(micros) * time.Microsecond, nil
}
