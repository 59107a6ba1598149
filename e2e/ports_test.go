package e2e

import (
	"fmt"
	"net"
	"sync"
	"testing"
)

// Ports are given out once each, so that a program finds its own free whenever it starts again, and nobody else answers
// there meanwhile. They lie below those that systems give to clients. Other processes of these tests take other ports:
// each block of them belongs to the process that listens on its first one.
const (
	firstPort = 11000
	portBlock = 250
	lastBlock = 80
)

var ports = struct {
	sync.Mutex
	locks []net.Listener // of the blocks taken, for as long as the process lives
	block int            // to be tried next
	next  int
	end   int
}{}

// freeAddr returns an address on loopback that nobody listens on.
func freeAddr(t testing.TB) string {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	for ports.block < lastBlock {
		for ; ports.next < ports.end; ports.next++ {
			if l, err := listen(ports.next); err == nil {
				l.Close()
				ports.next++
				return l.Addr().String()
			}
		}
		first := firstPort + ports.block*portBlock
		ports.block++
		if l, err := listen(first); err == nil {
			ports.locks = append(ports.locks, l)
			ports.next, ports.end = first+1, first+portBlock
		}
	}
	t.Fatal("no free port found")
	return ""
}

func listen(port int) (net.Listener, error) {
	return net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
}

// portOf returns the port of an address.
func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr) // of freeAddr
	return port
}
