package spool

import (
	"slices"

	"github.com/google/uuid"
	bolt "go.etcd.io/bbolt"

	"github.com/logscribe/logscribe/internal/block"
)

// Within the spool a line has a position in its log, which it keeps for good. On the wire it has a producer and a
// sequence. What leads from one to the other is an identity, and a log's spans say which lines have which.

// current is the producer of the lines that are stored now.
type current struct {
	producer block.Producer
	fresh    bool   // it was made since Open, so that nobody else can have it
	forks    uint64 // how often it took the place of another one since Open
}

// renew takes a new producer, because others may have the one before.
func (c *current) renew(meta *bolt.Bucket) error {
	c.producer, c.fresh = uuid.New(), true
	c.forks++
	return meta.Put(keyProducer, c.producer[:])
}

// settleIdentity decides, when the spool is opened, which producer its new lines get, and under which of them a receipt
// must come before they are sent.
func (s *Spool) settleIdentity(meta, records *bolt.Bucket) error {
	if err := s.moveUnmet(meta, records); err != nil {
		return err
	}
	if err := s.checkOrigin(meta); err != nil {
		return err
	}
	spare := uuid.New()
	if err := meta.Put(keySpare, spare[:]); err != nil {
		return err
	}
	if !s.current.fresh {
		for log, q := range s.queues {
			q.unmet = q.next
			s.queues[log] = q
		}
	}
	return nil
}

// moveUnmet gives the spare producer to the lines that the last process stored and had no leave to send. More could not be
// learnt of them now: if the Scribe has as many lines, they may be these, from a copy of this file, or others. A copy
// finds the same spare in its file, so that these lines have one name in all copies.
func (s *Spool) moveUnmet(meta, records *bolt.Bucket) error {
	spare, err := uuid.FromBytes(meta.Get(keySpare))
	if err != nil {
		return nil // a new spool, or one of a release that sent all it had
	}
	for log, q := range s.queues {
		if q.unmet == 0 {
			continue
		}
		if at := max(q.unmet, q.oldest); at < q.next {
			s.current.producer = spare
			q.reidentify(identity{producer: spare, base: at})
		}
		q.unmet = 0
		s.queues[log] = q
		if err := records.Put([]byte(log), encodeQueue(log, q)); err != nil {
			return err
		}
	}
	return meta.Put(keyProducer, s.current.producer[:])
}

// identity gives lines their sequences: the line at position base is the producer's first one in the log.
type identity struct {
	producer block.Producer
	base     uint64
}

func (i identity) sequence(position uint64) uint64 { return position - i.base + 1 }

// span is a run of a log's positions, up to where the next span begins.
type span struct {
	from uint64
	// stored is the identity that the checksums of the block records cover.
	stored identity
	// sent is the one that the lines have for others. It differs from stored where the lines were stored before it was
	// found out that somebody else writes on under that identity.
	sent identity
}

// spanAt returns the span that holds the position, which the queue has.
func (q *queue) spanAt(position uint64) span {
	i := len(q.spans) - 1
	for i > 0 && q.spans[i].from > position {
		i--
	}
	return q.spans[i]
}

// identityAt returns the identity of the line at the position; of the next line to come it is that which it gets while
// the spool's producer is the given one.
func (q *queue) identityAt(position uint64, producer block.Producer) identity {
	if position < q.next {
		return q.spanAt(position).sent
	}
	if last := q.spans[len(q.spans)-1].sent; last.producer == producer {
		return last
	}
	return identity{producer: producer, base: q.next}
}

// run returns the identity that the producer has in this log, and the first position behind its lines. A producer's
// lines lie together: what follows them has a newer one.
func (q *queue) run(producer block.Producer) (id identity, end uint64, ok bool) {
	end = q.next
	for _, s := range slices.Backward(q.spans) {
		if s.sent.producer == producer {
			return s.sent, end, true
		}
		end = s.from
	}
	return identity{}, 0, false
}

// extend makes sure that the last span is one for a line that is stored now, and returns its identity.
func (q *queue) extend(producer block.Producer) identity {
	id := q.identityAt(q.next, producer)
	if q.spans[len(q.spans)-1].stored != id {
		q.spans = append(slices.Clip(q.spans), span{from: q.next, stored: id, sent: id}) // others may hold the old slice
	}
	return id
}

// reidentify gives another identity, which has none before them in this log, to the lines from its base on, if there are
// any.
func (q *queue) reidentify(id identity) {
	at := id.base
	var spans []span
	for i, s := range q.spans {
		end := q.next
		if i+1 < len(q.spans) {
			end = q.spans[i+1].from
		}
		if s.from < at {
			spans = append(spans, s)
		}
		if end > at {
			spans = append(spans, span{from: max(s.from, at), stored: s.stored, sent: id})
		}
	}
	q.spans = spans
}

// trim forgets the spans whose lines are all gone, except the last one, which the next line may continue.
func (q *queue) trim() {
	for len(q.spans) > 1 && q.spans[1].from <= q.oldest {
		q.spans = q.spans[1:]
	}
}

// fork gives the log's lines from the position on a new producer, and the spool too if it has the same as they.
func (t *transaction) fork(log string, at uint64) error {
	q := t.queue(log)
	at = max(at, q.oldest)
	if q.identityAt(at, t.current.producer).producer == t.current.producer {
		if err := t.current.renew(t.meta); err != nil {
			return err
		}
	}
	q.reidentify(identity{producer: t.current.producer, base: at})
	q.unmet = 0
	t.changed[log] = q
	t.committed = append(t.committed, func() {
		t.writer.logger.Warn("the Scribe has more lines of this spool than it ever held: an earlier state of it was put back, or a copy "+
			"is in use elsewhere. Lines since then get a new producer, and none is taken for an old one; what is read from files "+
			"again since that state stands twice", "log", log, "lines", q.next-at, "producer", t.current.producer)
	})
	return nil
}
