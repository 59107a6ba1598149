package e2e

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
)

// proxy is a wire between two programs that can be cut. Its address stays the same.
type proxy struct {
	listener net.Listener
	group    sync.WaitGroup

	mu        sync.Mutex // guards what follows
	target    string
	conns     map[net.Conn]struct{}
	deaf      bool   // answers are thrown away
	swallowed []byte // the answers that were
	over      bool
}

// newProxy listens on a free port and passes each connection on to the target.
func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", freeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target, conns: map[net.Conn]struct{}{}}
	p.group.Go(p.serve)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// setTarget has new connections passed on to another address.
func (p *proxy) setTarget(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

func (p *proxy) dial() (net.Conn, error) {
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	return net.Dial("tcp", target)
}

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.group.Go(func() { p.pass(client) })
	}
}

func (p *proxy) pass(client net.Conn) {
	server, err := p.dial()
	if err != nil {
		client.Close()
		return
	}
	if !p.keep(client, server) {
		return
	}
	defer p.drop(client, server)
	done := make(chan struct{})
	go func() {
		defer close(done)
		copyBytes(server, client, func([]byte) bool { return false })
		server.Close()
	}()
	copyBytes(client, server, p.swallow)
	client.Close()
	<-done
}

// copyBytes copies until an end fails. It leaves out what is swallowed.
func copyBytes(to io.Writer, from io.Reader, swallow func([]byte) bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if !swallow(buf[:n]) {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) swallow(answer []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deaf {
		p.swallowed = append(p.swallowed, answer...)
	}
	return p.deaf
}

// keep notes the connections, or closes them if the proxy is closed.
func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.over {
			c.Close()
			continue
		}
		p.conns[c] = struct{}{}
	}
	return !p.over
}

func (p *proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		c.Close()
		delete(p.conns, c)
	}
}

// cut resets all connections. New ones are passed on, in both directions.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	p.deaf = false
}

// setDeaf has answers thrown away until the next cut.
func (p *proxy) setDeaf() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf, p.swallowed = true, nil
}

// hasSwallowed says whether the text stood in an answer since setDeaf.
func (p *proxy) hasSwallowed(text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Contains(p.swallowed, []byte(text))
}

func (p *proxy) close() {
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	p.listener.Close()
	p.cut()
	p.group.Wait()
}
