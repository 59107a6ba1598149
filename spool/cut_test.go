package spool_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/internal/bolttree"
	"github.com/logscribe/logscribe/internal/bolttree/damagetest"
	"github.com/logscribe/logscribe/spool"
)

// used is a spool that was used for a while, copied now and then, and killed, and what its Scribe has by then.
type used struct {
	content []byte
	ledger  *ledger
	blocks  []usedBlock // that wait in it
	end     int64       // of the pages that were ever used
}

// usedBlock is a block that waits: its lines, and where the file has its key and its record.
type usedBlock struct {
	log      string
	lines    []string
	from, to int64
}

// newUsed makes a spool of blocks of some bytes to some hundred KiB. Half the copies number their lines anew with a
// producer of their own, as after a restart of the host; the others are told by their first receipts.
func newUsed(t *testing.T, random *rand.Rand) *used {
	t.Helper()
	dir, serial, batches := damagetest.Dir(t), 0, 5<<random.IntN(6)
	u, a := &used{ledger: newLedger()}, newAgent(t, filepath.Join(dir, "0.db"))
	lazy := random.IntN(4) > 0 // leaves a backlog
	for i := range batches {
		var batch spool.Batch
		for range 1 + random.IntN(3) {
			batch.Drafts = append(batch.Drafts, a.draft(random, &serial))
		}
		batch.Checkpoints = []spool.Checkpoint{{Key: "file", Value: fmt.Appendf(nil, "%08d", i)}}
		if err := a.spool.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if !lazy || random.IntN(4) == 0 {
			a.ship(t, u.ledger, logs[random.IntN(len(logs))], 1+random.IntN(5), random.IntN(4) > 0)
		}
		if random.IntN(20) == 0 {
			content := a.file(t)
			a.spool.Close()
			a.path = filepath.Join(dir, fmt.Sprintf("%d.db", i+1))
			a.put(t, content)
		}
	}
	u.content = a.file(t)
	a.spool.Close()
	u.find(t, a.lines)
	return u
}

func (a *agent) draft(random *rand.Rand, serial *int) block.Draft {
	log := logs[random.IntN(len(logs))]
	width := 1 << random.IntN(17)
	var raw []byte
	for range 1 + random.IntN(4) {
		*serial++
		noise := make([]byte, random.IntN(width)+1)
		for i := range noise {
			noise[i] = byte('a' + random.IntN(26))
		}
		line := fmt.Sprintf("%d %s", *serial, noise)
		raw = append(append(raw, line...), '\n')
		a.lines[log] = append(slices.Clip(a.lines[log]), line)
	}
	d := block.NewDraft(nil, log, raw, block.Codec(random.IntN(3)))
	if random.IntN(2) == 0 {
		d.Reached = block.Checkpoint{Source: "file", Value: []byte("there")}
	}
	return d
}

// find notes which blocks wait, and where they stand.
func (u *used) find(t *testing.T, lines map[string][]string) {
	t.Helper()
	tree, err := bolttree.Open(bytes.NewReader(u.content), int64(len(u.content)))
	if err != nil {
		t.Fatal(err)
	}
	u.end = int64(tree.Meta().Pages) * int64(tree.Meta().PageSize)
	names := map[uint32]string{}
	tree.Walk(func(_ string, e bolttree.Element) {
		value, _ := e.Value()
		names[binary.BigEndian.Uint32(value[1:])] = string(e.Key)
	}, func(_ string, err error) { t.Error(err) }, "queues")
	tree.Walk(func(_ string, e bolttree.Element) {
		log, first := names[binary.BigEndian.Uint32(e.Key)], binary.BigEndian.Uint64(e.Key[4:])
		record, _ := e.Value()
		count := uint64(binary.BigEndian.Uint32(record[2:]))
		u.blocks = append(u.blocks, usedBlock{log, lines[log][first-1 : first-1+count], e.At - int64(len(e.Key)), e.At + e.Size})
	}, func(_ string, err error) { t.Error(err) }, "blocks")
}

// deliver sends all that the spool at path has to the ledger.
func (u *used) deliver(t *testing.T, path string) *ledger {
	t.Helper()
	l := &ledger{last: maps.Clone(u.ledger.last), lines: maps.Clone(u.ledger.lines)}
	s := open(t, path, spool.Options{})
	defer s.Close()
	a := &agent{path: path, spool: s}
	for _, log := range logs {
		for q := s.Queue(log); q.Lines() > 0; q = s.Queue(log) {
			blocks, _, err := s.Read(nil, nil, log, q.Oldest, 1)
			if bad, ok := errors.AsType[*spool.BlockError](err); ok {
				s.SetAside(log, q.Oldest, bad)
				for s.Queue(log).Held {
					<-s.Appended()
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if q.Oldest < q.Until {
				l.take(t, &blocks[0], q.Sequence)
			}
			s.Acknowledge(log, q.Producer, l.last[identity{log, q.Producer}], true)
			for s.Queue(log).Held {
				<-s.Appended()
			}
		}
		if err := s.Append(context.Background(), spool.Batch{Drafts: []block.Draft{draft(log, "new line of "+log)}}); err != nil {
			t.Fatal(err)
		}
	}
	a.drain(t, l)
	return l
}

// TestCutSpool cuts spools of many sizes anywhere. Of the blocks that waited, all whose bytes are left must arrive after a
// repair, also where nothing is left of the logs' records; no line may stand twice, and none be taken for another.
func TestCutSpool(t *testing.T) {
	t.Parallel()
	repaired, whole, rebuilt := 0, 0, 0
	dir := damagetest.Dir(t)
	for seed := range uint64(*damages / 10) {
		random := rand.New(rand.NewPCG(seed, 1))
		u := newUsed(t, random)
		for range 10 {
			n := random.Int64N(u.end)
			if random.IntN(2) == 0 { // where the newest pages often are
				n = max(0, u.end-1-random.Int64N(200_000))
			}
			path := filepath.Join(dir, "spool.db")
			if err := os.WriteFile(path, u.content[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			left := slices.DeleteFunc(slices.Clone(u.blocks), func(b usedBlock) bool { return b.to > n })
			report, err := spool.Repair(path)
			if err != nil && (len(left) > 0 || !errors.Is(err, spool.ErrDamaged)) {
				t.Fatalf("seed %d, cut to %d of %d bytes, %d blocks left: %v", seed, n, u.end, len(left), err)
			}
			if err != nil {
				continue // nothing is left
			}
			if report.SetAside == "" {
				t.Fatalf("seed %d, cut to %d of %d bytes: taken for sound", seed, n, u.end)
			}
			l := u.deliver(t, path)
			l.check(t)
			for _, b := range left {
				for _, line := range b.lines {
					if !slices.Contains(l.lines[b.log], line) {
						t.Fatalf("seed %d, cut to %d of %d bytes: a block of %d lines of log %s is whole and did not arrive",
							seed, n, u.end, len(b.lines), b.log)
					}
				}
			}
			for _, log := range logs {
				if !slices.Contains(l.lines[log], "new line of "+log) {
					t.Fatalf("seed %d, cut to %d of %d bytes: a new line of log %s was taken for an old one", seed, n, u.end, log)
				}
			}
			if repaired, whole = repaired+1, whole+len(left); !bytes.Contains(u.content[:n], []byte("queues")) {
				rebuilt += len(left)
			}
			os.RemoveAll(path + ".quarantine")
			os.Remove(path)
		}
	}
	t.Logf("%d spools were repaired; %d whole blocks arrived, %d of them from spools that had lost all records", repaired, whole, rebuilt)
	if rebuilt == 0 && *damages >= 500 {
		t.Error("no spool had lost all its records: the test tests nothing")
	}
}
