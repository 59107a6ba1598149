package ship

import (
	"log/slog"

	"github.com/logscribe/logscribe/spool"
)

// maxStreams is the number of streams that a lane may have in flight, so that a backlog of some logs does not hold up
// the fresh lines of others.
const maxStreams = 4

// maxLogs is the number of logs that one stream carries; mediators refuse streams of many more.
const maxLogs = 1024

// lane is what goes to one owner. Logs whose owner is not known yet share the lane of the empty name.
type lane struct {
	owner   string
	ready   []*logState // waiting for a stream
	streams int         // in flight
	paused  bool        // a back-off runs
	backoff backoff
	trouble trouble
	full    trouble // its disk is full: logs pause one by one, but it is said once
}

// recovered says that the lane's owner has taken lines.
func (l *lane) recovered(logger *slog.Logger) {
	l.backoff.reset()
	l.trouble.over(logger, l.scribe()...)
	l.full.over(logger, l.scribe()...)
}

// scribe names the owner in the agent's own log, if it is known.
func (l *lane) scribe() []any {
	if l.owner == "" {
		return nil
	}
	return []any{"scribe", l.owner}
}

// logState is a log that the shipper has heard of.
type logState struct {
	name    string
	lane    *lane
	phase   phase
	backoff backoff
	trouble trouble
	alone   bool // its streams carry no other log
	doubt   doubt
}

// recovered says that the log's lines were taken.
func (l *logState) recovered(logger *slog.Logger) {
	l.backoff.reset()
	l.alone = false
	l.trouble.over(logger, "log", l.name)
}

type phase int

const (
	idle     phase = iota // has no blocks
	ready                 // in its lane's ready list
	shipping              // in a stream
	paused                // waiting for its own back-off
)

// mayStart says whether the lane has work and is free to begin a stream.
func (l *lane) mayStart() bool {
	return len(l.ready) > 0 && !l.paused && l.streams < maxStreams
}

// take takes logs from the ready list for a stream, those that have waited longest: logs whose oldest lines have one
// producer, or a single one that is to go alone.
func (l *lane) take(queue func(log string) spool.Queue) []*cursor {
	var taken []*cursor
	var left []*logState
	for i, s := range l.ready {
		if len(taken) == maxLogs || len(taken) > 0 && taken[0].log.alone {
			left = append(left, l.ready[i:]...)
			break
		}
		q := queue(s.name)
		if len(taken) > 0 && (s.alone || q.Producer != taken[0].queue.Producer) {
			left = append(left, s)
			continue
		}
		s.phase = shipping
		taken = append(taken, &cursor{log: s, queue: q, most: s.doubt.most()})
	}
	l.ready = left
	return taken
}
