package mediator

import (
	"fmt"
	"maps"
	"testing"
	"time"

	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"go.etcd.io/bbolt"
	"google.golang.org/grpc/codes"
)

func TestChooseSpreadsAndMovesLittle(t *testing.T) {
	const logs = 10_000
	ids := []string{"scribe-0", "scribe-1", "scribe-2", "scribe-3"}
	count, moved := make(map[string]int), 0
	for i := range logs {
		log := fmt.Sprintf("web-%d/access", i)
		with, without := choose(ids, log), choose(ids[:3], log)
		count[with]++
		if with != "scribe-3" && with != without {
			t.Fatalf("%s moves from %s to %s because scribe-3 is missing", log, with, without)
		}
		if with != without {
			moved++
		}
		if again := choose([]string{"scribe-2", "scribe-3", "scribe-0", "scribe-1"}, log); again != with {
			t.Fatalf("%s falls to %s or %s, by the order of the Scribes", log, with, again)
		}
	}
	for id, n := range count {
		if n < logs/4*9/10 || n > logs/4*11/10 {
			t.Errorf("%s gets %d of %d", id, n, logs)
		}
	}
	if moved != count["scribe-3"] {
		t.Errorf("%d moved", moved)
	}
}

func TestOwnersAreRemembered(t *testing.T) {
	h, a, b := startMediator(t, Config{}), startScribe(t, "a"), startScribe(t, "b")
	h.register(a, b)
	before := make(map[string]string)
	for i := range 50 {
		log := fmt.Sprint("logs/", i)
		before[log] = h.resolve(log).Owner
	}
	if len(maps.Collect(func(yield func(string, bool) bool) {
		for _, o := range before {
			yield(o, true)
		}
	})) != 2 {
		t.Fatal("all logs fell to one Scribe")
	}
	c := startScribe(t, "c") // does not take what others have
	h.register(c)
	h = h.restart() // and routes at once, without a registration
	s := h.begin(t.Context())
	for log := range before {
		s.line(log, "x")
	}
	for log, r := range s.receipts() {
		if code(r) != codes.OK || r.Owner != before[log] {
			t.Errorf("%s was %s's: %v", log, before[log], r)
		}
	}
	if r := h.resolve("logs/1"); r.Epoch != 1 || r.Owner != before["logs/1"] {
		t.Error(r)
	}
}

// Logs that are opened together are decided together.
func TestDecisionsAreBatched(t *testing.T) {
	const logs = 2000
	h, a := startMediator(t, Config{}), startScribe(t, "a")
	h.register(a)
	h.waitUp("a", true)
	before := h.transactions()
	s := h.begin(t.Context())
	for i := range logs {
		s.send(open(fmt.Sprint("logs/", i)))
	}
	for i := range logs {
		s.send(blockOf(fmt.Sprint("logs/", i), 1, "x"))
	}
	for log, r := range s.receipts() {
		if code(r) != codes.OK {
			t.Errorf("%s: %v", log, r)
		}
	}
	if n := h.transactions() - before; n > logs/4 {
		t.Errorf("%d transactions for %d logs", n, logs)
	} else {
		t.Logf("%d transactions for %d logs", n, logs)
	}
}

func (h *harness) transactions() int {
	var id int
	if err := h.store.db.View(func(tx *bbolt.Tx) error { id = tx.ID(); return nil }); err != nil {
		h.t.Fatal(err)
	}
	return id
}

func TestFailover(t *testing.T) {
	now := new(clock)
	h := startMediator(t, Config{now: now.now, FailoverAfter: 5 * time.Minute})
	a, b := startScribe(t, "a"), startScribe(t, "b")
	h.register(a, b)
	log, other := h.logOf("a"), h.logOf("b")
	try := func(log string) *logscribev1.Receipt {
		t.Helper()
		s := h.begin(t.Context())
		s.line(log, "x")
		return s.receipts()[log]
	}
	if r := try(log); code(r) != codes.OK {
		t.Fatal(r)
	}
	a.kill()
	h.waitUp("a", false)
	now.advance(5*time.Minute - time.Second)
	if r := try(log); code(r) != codes.Unavailable || r.Owner != "a" {
		t.Errorf("before its time: %v", r)
	}
	if r := try(other); code(r) != codes.OK {
		t.Errorf("b's own log: %v", r)
	}

	// The time begins anew with the mediator: it can't know what was while it was away.
	h = h.restart()
	h.waitUp("b", true)
	now.advance(2 * time.Second)
	if r := try(log); code(r) != codes.Unavailable || r.Owner != "a" {
		t.Errorf("after a restart: %v", r)
	}
	now.advance(5 * time.Minute)
	if r := try(log); code(r) != codes.OK || r.Owner != "b" {
		t.Fatalf("after its time: %v", r)
	}
	if n := len(b.streams); n == 0 || b.stream(n-1).epoch(log) != 2 {
		t.Errorf("the new owner got another epoch than 2")
	}
	if st := h.Stats(); st.Failovers != 1 {
		t.Errorf("%d failovers", st.Failovers)
	}

	// The old owner comes back, and stays what it is.
	back := startScribeAt(t, "a", a.addr, h.cfg.TLS)
	back.root = a.root
	h.register(back)
	h.waitUp("a", true)
	if r := h.resolve(log); r.Owner != "b" || r.Epoch != 2 {
		t.Error(r)
	}
	h = h.restart()
	if r := h.resolve(log); r.Owner != "b" || r.Epoch != 2 {
		t.Error(r)
	}
}

func TestNoFailover(t *testing.T) {
	for name, after := range map[string]time.Duration{"never": -1, "nobody else is up": time.Minute} {
		t.Run(name, func(t *testing.T) {
			now := new(clock)
			h, a, b := startMediator(t, Config{now: now.now, FailoverAfter: after}), startScribe(t, "a"), startScribe(t, "b")
			h.register(a, b)
			log := h.logOf("a")
			a.kill()
			h.waitUp("a", false)
			if after > 0 {
				b.kill()
				h.waitUp("b", false)
			}
			now.advance(1000 * time.Hour)
			s := h.begin(t.Context())
			s.line(log, "x")
			if r := s.receipts()[log]; code(r) != codes.Unavailable || r.Owner != "a" {
				t.Error(r)
			}
		})
	}
}

// A mediator that has lost its memory must not be refused for good.
func TestLostMemory(t *testing.T) {
	h, a := startMediator(t, Config{}), startScribe(t, "a")
	h.register(a)
	a.set(func() { a.seen["web/access"], a.seen["web/log"] = 7, 8 })
	for i, want := range []codes.Code{codes.FailedPrecondition, codes.OK} {
		s := h.begin(t.Context())
		s.line("web/access", "x")
		if r := s.receipts()["web/access"]; code(r) != want {
			t.Errorf("stream %d: %v", i, r)
		}
	}
	if e := a.stream(1).epoch("web/access"); e != 7 {
		t.Errorf("epoch %d", e)
	}
	if _, err := h.client.Log(t.Context(), &logscribev1.LogRequest{Log: "web/log", Lines: []byte("x\n")}); err != nil {
		t.Error(err)
	}
	if r := h.resolve("web/log"); r.Epoch != 8 {
		t.Error(r)
	}
	if st := h.Stats(); st.EpochRaises != 2 {
		t.Errorf("%d raises", st.EpochRaises)
	}
	h = h.restart()
	if r := h.resolve("web/access"); r.Epoch != 7 || r.Owner != "a" {
		t.Error(r)
	}
}
