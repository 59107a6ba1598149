package tail

import (
	"sync"

	"github.com/klauspost/compress/s2"

	"github.com/logscribe/logscribe/agent/line"
	"github.com/logscribe/logscribe/internal/block"
	"github.com/logscribe/logscribe/spool"
)

// batch is what one read of a generation hands to the spool. The generation's holder makes it, and its committer ends it.
type batch struct {
	spool.Batch
	end    int64 // the position that it reaches
	raw    int64 // bytes of lines
	lines  int64
	weight int64  // its share of the budget
	source string // the key of the checkpoints in its drafts; "" until one has it
	arena  *[]byte
	arenas *arenas // that the arena goes back to
}

// Payloads of one batch lie in one arena. There are three sizes, so that the many small batches of quiet files don't
// hold the memory of big ones.
const (
	tinyRead  = 2 << 10
	smallRead = 32 << 10
)

var (
	tinyArenas  = newArenas(tinyRead, 128)
	smallArenas = newArenas(smallRead, 16)
	largeArenas = newArenas(defaultChunk, 4) // one file has three at a time
)

// arenas keeps some arenas that are not used. A sync.Pool loses what it has at each garbage collection, and new ones have
// to be cleared, for which the time is missed where much is read. What a crowd of files needs beyond that goes there.
type arenas struct {
	size int // of the lines for whose payloads they have room, in bytes
	kept chan *[]byte
	more sync.Pool
}

func newArenas(size, most int) *arenas { return &arenas{size: size, kept: make(chan *[]byte, most)} }

func (a *arenas) get() *[]byte {
	select {
	case arena := <-a.kept:
		return arena
	default:
	}
	if arena, ok := a.more.Get().(*[]byte); ok {
		return arena
	}
	return newArena(a.size)
}

func (a *arenas) put(arena *[]byte) {
	select {
	case a.kept <- arena:
	default:
		a.more.Put(arena)
	}
}

// arenasFor returns the arenas for the payloads of n bytes of lines.
func arenasFor(n int64) *arenas {
	switch {
	case n <= tinyRead:
		return tinyArenas
	case n <= smallRead:
		return smallArenas
	}
	return largeArenas
}

// newArena has room for the payloads of n bytes of lines, whatever the codec makes of them.
func newArena(n int) *[]byte {
	blocks := n/block.TargetRawSize + 1
	a := make([]byte, 0, n+n/8+blocks*64+s2.MaxEncodedLen(min(n, block.TargetRawSize)))
	return &a
}

func newBatch(size int64) *batch {
	b := &batch{weight: max(size, minWeight), arenas: arenasFor(size)}
	b.arena = b.arenas.get()
	return b
}

// free returns the arena's free part, for the payload of the next block.
func (b *batch) free() []byte {
	used := len(*b.arena)
	return (*b.arena)[used:used]
}

// add appends a block. The payload of one that found no room in the arena has its own memory.
func (b *batch) add(d block.Draft) {
	used := len(*b.arena)
	if n := len(d.Payload); n > 0 && n <= cap(*b.arena)-used && &d.Payload[0] == &(*b.arena)[used : used+1][0] {
		*b.arena = (*b.arena)[:used+n]
	}
	b.Drafts = append(b.Drafts, d)
	b.raw += int64(d.RawSize)
	b.lines += int64(d.Count)
}

// note has the batch say what was done to its lines.
func (b *batch) note(log, file string, done line.Counts) {
	b.Losses = append(b.Losses, changed(log, file, done)...)
}

// reach gives the block that was added last the checkpoint at its end.
func (b *batch) reach(c checkpoint, position int64, head, tail probe) {
	c.position, c.head, c.tail = position, head, tail
	if b.source == "" {
		b.source = checkpointKey(c.id.inode)
	}
	b.Drafts[len(b.Drafts)-1].Reached = block.Checkpoint{Source: b.source, Value: c.encode()}
}

// recycle gives the arena back. The drafts must not be used any more.
func (b *batch) recycle() {
	if b.arena == nil {
		return
	}
	*b.arena = (*b.arena)[:0]
	b.arenas.put(b.arena)
	b.arena, b.Drafts = nil, nil
}
