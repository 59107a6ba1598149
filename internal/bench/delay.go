package main

import (
	"net"
	"sync"
	"time"
)

// delayer is a proxy on loopback that passes on everything later by a fixed time in each direction, as a long way does.
// It neither loses nor limits anything.
type delayer struct {
	listener net.Listener
	target   string
	delay    time.Duration

	mu     sync.Mutex
	conns  []net.Conn
	closed bool
	wg     sync.WaitGroup
}

// parcel is bytes on the way.
type parcel struct {
	bytes []byte
	due   time.Time
}

// parcels is how many of up to 64 KiB may be on the way in one direction.
const parcels = 1024

func newDelayer(target string, delay time.Duration) (*delayer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &delayer{listener: l, target: target, delay: delay}
	d.wg.Go(d.accept)
	return d, nil
}

func (d *delayer) addr() string { return d.listener.Addr().String() }

// close closes all connections, and returns when nothing runs any more.
func (d *delayer) close() {
	d.listener.Close()
	d.mu.Lock()
	d.closed = true
	for _, conn := range d.conns {
		conn.Close()
	}
	d.mu.Unlock()
	d.wg.Wait()
}

func (d *delayer) accept() {
	for {
		near, err := d.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", d.target)
		if err != nil {
			near.Close()
			continue
		}
		if !d.keep(near, far) {
			return
		}
		d.wg.Go(func() { d.pass(near, far) })
		d.wg.Go(func() { d.pass(far, near) })
	}
}

// keep has the connections closed with the proxy. It returns false if that is closed already.
func (d *delayer) keep(conns ...net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		for _, conn := range conns {
			conn.Close()
		}
		return false
	}
	d.conns = append(d.conns, conns...)
	return true
}

// pass passes on what comes from one connection to the other, until one of them ends; then it ends both.
func (d *delayer) pass(from, to net.Conn) {
	way := make(chan parcel, parcels)
	d.wg.Go(func() {
		defer close(way)
		for {
			buf := make([]byte, 64<<10)
			n, err := from.Read(buf)
			if n > 0 {
				way <- parcel{buf[:n], time.Now().Add(d.delay)}
			}
			if err != nil {
				return
			}
		}
	})
	var err error
	for p := range way {
		if err != nil {
			continue // until the reader has seen that it is closed
		}
		time.Sleep(time.Until(p.due))
		if _, err = to.Write(p.bytes); err != nil {
			from.Close()
		}
	}
	to.Close()
	from.Close()
}
