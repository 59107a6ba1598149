package powerdisk

import (
	"math/rand/v2"
	"sync"
	"syscall"
)

// sector is the number of bytes that a disk writes whole, or not at all.
const sector = 4096

// write is one that no flush has made durable yet.
type write struct {
	at   int64
	data []byte
}

// Disk is a disk. All methods are safe for concurrent use.
type Disk struct {
	mu      sync.Mutex // guards what follows
	now     []byte     // as reads see it
	durable []byte     // as of the last flush
	cache   []write    // what came since, oldest first
	flushes int
	failing bool
}

// newDisk returns a disk that holds the image, durably.
func newDisk(image []byte) *Disk {
	return &Disk{now: append([]byte(nil), image...), durable: image}
}

func (d *Disk) read(to []byte, at int64) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at >= int64(len(d.now)) {
		return 0
	}
	return copy(to, d.now[at:])
}

func (d *Disk) write(data []byte, at int64) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failing || at+int64(len(data)) > int64(len(d.now)) {
		return syscall.EIO
	}
	copy(d.now[at:], data)
	d.cache = append(d.cache, write{at: at, data: append([]byte(nil), data...)})
	return 0
}

func (d *Disk) flush() syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failing {
		return syscall.EIO
	}
	for _, w := range d.cache {
		copy(d.durable[w.at:], w.data)
	}
	d.cache = nil
	d.flushes++
	return 0
}

// Fail has every write and flush fail from now on; reads go on.
func (d *Disk) Fail() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failing = true
}

// Flushes returns how often the disk was asked to make all durable.
func (d *Disk) Flushes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.flushes
}

// Loss is what a loss of power does to the writes that no flush has made durable.
type Loss int

// The losses.
const (
	LoseAll  Loss = iota // the cache is gone
	LoseSome             // any sectors of it are
	LoseNone             // it was written in time, or the disk has none
)

func (l Loss) String() string { return [...]string{"lose all", "lose some", "lose none"}[l] }

// Image returns the disk as it may be found after a loss of power at this instant. rng chooses what is lost of the cache
// where some is.
func (d *Disk) Image(loss Loss, rng *rand.Rand) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	image := append([]byte(nil), d.durable...)
	if loss == LoseAll {
		return image
	}
	for _, w := range d.cache {
		for from := 0; from < len(w.data); from += sector {
			if loss == LoseNone || rng.IntN(2) == 0 {
				copy(image[w.at+int64(from):], w.data[from:min(from+sector, len(w.data))])
			}
		}
	}
	return image
}
