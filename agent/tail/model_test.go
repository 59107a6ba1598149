package tail

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/logscribe/logscribe/internal/block"
)

// TestModel does at random what writers, rotators and operators do, and compares every log with all that was written to
// its files, byte for byte.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"write":        m.write,
			"rotate":       m.rotate,
			"settled":      m.settled,
			"restart":      m.restart,
			"stop":         m.stop,
			"start":        m.start,
			"truncate":     m.truncate,
			"recreate":     m.recreate,
			"copytruncate": m.copyTruncate,
			"compress":     m.compress,
			"expire":       m.expire,
			"explain":      m.explain,
			"lose":         m.lose,
			"pause":        func(*rapid.T) { time.Sleep(time.Duration(rapid.IntRange(0, 5).Draw(t, "ms")) * time.Millisecond) },
		})
		m.settled(t)
		m.down()
	})
}

type model struct {
	f       *fixture
	dates   bool
	copies  bool // files are copied, compressed and expired; else the spool is lost
	copied  bool // a file was truncated, and it is not known whether the source has seen it
	counter int
	files   []*modelFile
	scribes remembering
}

type modelFile struct {
	log     string
	name    string // relative to the fixture's folder
	exists  bool
	open    string // unfinished line
	all     strings.Builder
	rotated int
}

func newModel(t *rapid.T) *model {
	dir, err := os.MkdirTemp("", "tail-model-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	glob := rapid.SampledFrom([]string{"*.log", "*.log*", "**/*.log"}).Draw(t, "glob")
	f := newFixtureIn(t, dir, glob).real()
	if rapid.Bool().Draw(t, "blind") {
		f.blind()
	}
	f.spool.lottery = true
	f.cfg.Sections[0].Codec = rapid.SampledFrom([]block.Codec{block.None, block.S2, block.Zstd}).Draw(t, "codec")
	f.cfg.chunk = rapid.SampledFrom([]int{300, 5000, 0}).Draw(t, "chunk")
	if f.cfg.chunk != 0 {
		f.cfg.MaxLine = 250
	}
	f.cfg.MaxOpen = rapid.SampledFrom([]int{1, 500}).Draw(t, "max open")
	f.cfg.Grace = rapid.SampledFrom([]time.Duration{10 * time.Millisecond, time.Minute}).Draw(t, "grace")
	f.cfg.CarryCheckpoints = true
	m := &model{f: f, scribes: remembering{}, dates: rapid.Bool().Draw(t, "dates")}
	for _, n := range []string{"app", "worker", "worker-1"} {
		m.files = append(m.files, &modelFile{log: n, name: n + ".log"})
	}
	f.patience = 4 * time.Second // shrinking a failure takes many of them
	f.up()
	for _, file := range m.files { // a file that was rotated before its path was known is not read
		m.put(file, "first\n")
	}
	m.settled(t)
	return m
}

func (m *model) file(t *rapid.T) *modelFile { return rapid.SampledFrom(m.files).Draw(t, "file") }

func (m *model) put(file *modelFile, text string) {
	m.f.write(file.name, text)
	file.all.WriteString(text)
	file.exists = true
	file.open = (file.open + text)[strings.LastIndexByte(file.open+text, '\n')+1:]
}

func (m *model) write(t *rapid.T) {
	file := m.file(t)
	for range rapid.IntRange(1, 20).Draw(t, "lines") {
		m.counter++
		line := fmt.Sprintf("%s %d %s\n", file.log, m.counter, strings.Repeat("\x00\xff x", rapid.IntRange(0, 40).Draw(t, "length")))
		if cut := rapid.IntRange(0, 3*len(line)).Draw(t, "cut"); cut < len(line) {
			m.put(file, line[:cut])
			line = line[cut:]
		}
		m.put(file, line)
	}
	if rapid.Bool().Draw(t, "unfinished") {
		m.counter++
		m.put(file, fmt.Sprintf("part %d", m.counter))
	}
}

// finish ends the line, since a generation's unfinished last line comes when its grace period is over.
func (m *model) finish(file *modelFile) {
	if file.open != "" {
		m.put(file, "\n")
	}
}

func (m *model) rotate(t *rapid.T) {
	file := m.file(t)
	if !file.exists {
		t.Skip("no file")
	}
	m.finish(file)
	m.f.rename(file.name, m.rotatedName(file))
	file.exists = false
	if rapid.Bool().Draw(t, "create at once") {
		m.put(file, "")
	}
}

// rotatedName makes room for the next rotated file, and returns its name.
func (m *model) rotatedName(file *modelFile) string {
	file.rotated++
	switch {
	case m.dates && file.rotated%2 == 0:
		return fmt.Sprintf("%s-%08d.log", file.log, 20260100+file.rotated)
	case m.dates:
		return fmt.Sprintf("%s.%08d", file.name, 20260100+file.rotated)
	}
	for i := file.rotated - 1; i > 0; i-- {
		for _, ext := range []string{"", ".gz"} {
			from := fmt.Sprintf("%s.%d%s", file.name, i, ext)
			if _, err := os.Stat(m.f.path(from)); err == nil {
				m.f.rename(from, fmt.Sprintf("%s.%d%s", file.name, i+1, ext))
			}
		}
	}
	return file.name + ".1"
}

// copyTruncate rotates a file by copying it. Nothing is written between the copy's end and the truncation.
func (m *model) copyTruncate(t *rapid.T) {
	if !m.copies {
		t.Skip("the spool is lost instead")
	}
	file := m.file(t)
	if !file.exists {
		t.Skip("no file")
	}
	m.finish(file)
	m.f.copyTruncate(file.name, m.rotatedName(file))
	m.copied = true
}

// down stops the source, which must not have counted anything as lost.
func (m *model) down() {
	if m.f.source != nil {
		m.f.down()
		if losses, _ := m.f.spool.lost(); len(losses) > 0 {
			m.f.t.Fatalf("counted as lost: %+v", losses)
		}
	}
}

// noticed waits until the spool knows of every truncation: a file that is removed before, and of which little was read,
// can't be told from an independent one that begins alike, so that its copy is read.
func (m *model) noticed(t *rapid.T) {
	m.settled(t)
	names, err := filepath.Glob(m.f.path("*"))
	m.f.check(err)
	unnoticed := func() bool {
		for _, name := range names {
			st, err := statPath(name)
			m.f.check(err)
			if !packed(name) && slices.ContainsFunc(m.f.checkpoints(), func(c checkpoint) bool { return c.id.same(st.identity) && c.position > st.size }) {
				return true
			}
		}
		return false
	}
	if !m.f.eventually(func() bool { return !unnoticed() }) {
		t.Fatal("a truncation is not noticed")
	}
	m.copied = false
}

// rotatedFile picks one that is not compressed.
func (m *model) rotatedFile(t *rapid.T) string {
	file := m.file(t)
	var names []string
	for _, pattern := range []string{file.name + ".*", file.log + "-2*.log"} {
		found, err := filepath.Glob(m.f.path(pattern))
		m.f.check(err)
		names = append(names, found...)
	}
	names = slices.DeleteFunc(names, packed)
	if len(names) == 0 {
		t.Skip("no rotated file")
	}
	return filepath.Base(rapid.SampledFrom(names).Draw(t, "rotated"))
}

// compress packs a rotated file. One that nobody has seen in its time is lost by that if the source is up; so all is
// read before.
func (m *model) compress(t *rapid.T) {
	if !m.copies {
		t.Skip("the spool is lost instead")
	}
	name := m.rotatedFile(t)
	if m.f.source != nil {
		m.noticed(t)
		time.Sleep(clockTick / 5) // a file of the same tick as the start counts as made before
	} else if m.copied {
		m.noticed(t)
		m.down()
	}
	m.f.pack(name, name+".gz")
}

// expire deletes a rotated file that was read.
func (m *model) expire(t *rapid.T) {
	if !m.copies {
		t.Skip("the spool is lost instead")
	}
	name := m.rotatedFile(t)
	m.noticed(t)
	m.deliver()
	m.f.remove(name)
}

// settled waits until all that was written is in the spool.
func (m *model) settled(t *rapid.T) {
	if m.f.source == nil {
		m.f.up()
	}
	for _, file := range m.files {
		known := func(c checkpoint) bool { return c.path == m.f.path(file.name) }
		if !file.exists && !slices.ContainsFunc(m.f.checkpoints(), known) {
			m.put(file, "") // what was rotated away before its path was known is found when the path is there again
		}
		whole := file.all.String()
		m.f.wants(file.log, whole[:len(whole)-len(file.open)])
	}
}

func (m *model) restart(t *rapid.T) {
	if m.f.source == nil {
		t.Skip("down")
	}
	m.down()
	m.f.up()
}

func (m *model) stop(t *rapid.T) {
	if m.f.source == nil {
		t.Skip("down")
	}
	m.down()
}

func (m *model) start(t *rapid.T) {
	if m.f.source != nil {
		t.Skip("up")
	}
	m.f.up()
}

// explain asks what the source would read if it started now, and compares that with what it reads then.
func (m *model) explain(t *rapid.T) {
	m.down()
	var paths []string
	names, err := filepath.Glob(m.f.path("*"))
	m.f.check(err)
	for _, name := range names {
		if st, err := statPath(name); err == nil && st.regular {
			paths = append(paths, name)
		}
	}
	explained, err := Explain(m.f.cfg.Sections, m.f.cfg.Host, m.f.stored(), paths)
	m.f.check(err)
	unread := map[string]int{}
	for _, e := range explained {
		if e.Read() {
			unread[e.Log] += len(m.f.content(e.Path)) - int(e.Offset)
		}
	}
	before := map[string]int{}
	for _, file := range m.files {
		before[file.log] = len(m.f.spool.log(file.log))
	}
	m.settled(t)
	for _, file := range m.files {
		got := len(m.f.spool.log(file.log)) - before[file.log] + len(file.open)
		if got != unread[file.log] {
			for _, e := range explained {
				t.Logf("%s: log %q, offset %d of %d; %s; %s", e.Path, e.Log, e.Offset, e.Size, strings.Join(e.Reasons, "; "), strings.Join(e.Notes, "; "))
			}
			t.Fatalf("%d bytes were said to be unread for the log %s, and %d came", unread[file.log], file.log, got)
		}
	}
}

// lose takes the spool away, after some of its blocks have been delivered.
func (m *model) lose(t *rapid.T) {
	if m.copies {
		t.Skip("without the spool nothing says that a copy was read")
	}
	m.f.down()
	for _, file := range m.files {
		delivered := len(m.scribes[file.log])
		m.scribes.take(m.f.spool, file.log, rapid.IntRange(max(1, delivered), len(m.f.spool.blocksOf(file.log))).Draw(t, "delivered"))
	}
	m.f.loseSpool(m.scribes, 0)
	m.f.up()
}

// deliver has all that is in the spool delivered.
func (m *model) deliver() {
	for _, file := range m.files {
		m.scribes.take(m.f.spool, file.log, len(m.f.spool.blocksOf(file.log)))
	}
}

// truncate cuts a file that was read to its end, and whose lines are delivered.
func (m *model) truncate(t *rapid.T) {
	file := m.file(t)
	if !file.exists {
		t.Skip("no file")
	}
	m.finish(file)
	m.settled(t)
	m.deliver()
	if rapid.Bool().Draw(t, "while down") {
		m.down()
	}
	m.f.check(os.Truncate(m.f.path(file.name), 0))
	m.copied = true
	m.counter++
	m.put(file, fmt.Sprintf("%d first after truncation\n", m.counter))
}

// recreate deletes such a file, and makes a new one.
func (m *model) recreate(t *rapid.T) {
	file := m.file(t)
	if !file.exists {
		t.Skip("no file")
	}
	m.finish(file)
	m.noticed(t)
	m.deliver()
	if rapid.Bool().Draw(t, "while down") {
		m.down()
	}
	m.f.remove(file.name)
	m.counter++
	m.put(file, fmt.Sprintf("%d first of a new file\n", m.counter))
}
