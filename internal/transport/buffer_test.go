package transport

import "testing"

// TestBufferPool: a buffer has the length that was asked for, and comes back for no more than its capacity.
func TestBufferPool(t *testing.T) {
	var p bufferPool
	for _, n := range []int{0, 1, 255, 256, 257, 4095, 4096, 4097, 70_000, 1 << 23, 1<<23 + 1} {
		for range 3 {
			buf := p.Get(n)
			if len(*buf) != n {
				t.Fatalf("%d bytes instead of %d", len(*buf), n)
			}
			if n > 0 && n <= 1<<maxBuffer && cap(*buf) >= 2*max(n, 1<<minBuffer) {
				t.Errorf("%d bytes lie in a buffer of %d", n, cap(*buf))
			}
			*buf = (*buf)[:n/2]
			p.Put(buf)
		}
	}
	odd := make([]byte, 300)
	p.Put(&odd) // is not taken: it has not the size of its class
	if buf := p.Get(512); len(*buf) != 512 {
		t.Error(len(*buf))
	}
}
