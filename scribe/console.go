package scribe

import (
	"bytes"
	"io"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	// consoleQueue is the number of blocks of lines that may wait for the console.
	consoleQueue = 64
	// consoleGrace is how long a clean stop waits for what is queued.
	consoleGrace = 200 * time.Millisecond
)

// console copies lines to a writer that may be slow, or stuck: then lines are left out there, and counted, rather than
// held back everywhere else.
type console struct {
	out     io.Writer
	logger  *slog.Logger
	queue   chan []byte
	stop    chan struct{} // closed by close
	done    chan struct{} // closed by the goroutine that writes
	skipped atomic.Int64  // blocks of lines
}

// newConsole starts the goroutine that writes; close ends it.
func newConsole(out io.Writer, logger *slog.Logger) *console {
	c := &console{
		out: out, logger: logger,
		queue: make(chan []byte, consoleQueue), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go c.write()
	return c
}

func (c *console) write() {
	defer close(c.done)
	for {
		select {
		case lines := <-c.queue:
			c.out.Write(lines) // the console is a courtesy: its errors change nothing
		case <-c.stop:
			if len(c.queue) == 0 {
				return
			}
		}
	}
}

// show queues a copy of the lines, unless the queue is full.
func (c *console) show(lines []byte) {
	if c == nil || len(lines) == 0 {
		return
	}
	select {
	case c.queue <- bytes.Clone(lines):
	default:
		if c.skipped.Add(1) == 1 {
			c.logger.Warn("the console is too slow: it does not get all lines from here on")
		}
	}
}

// close waits a moment for what is queued. A writer that is stuck is left behind.
func (c *console) close() {
	if c == nil {
		return
	}
	close(c.stop)
	select {
	case <-c.done:
	case <-time.After(consoleGrace):
	}
}
