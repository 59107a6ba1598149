package main

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// TestDelayer sends bytes there and back.
func TestDelayer(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		conn, err := echo.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(conn, conn) // until the other side ends it
		conn.Close()
	}()
	const delay = 20 * time.Millisecond
	d, err := newDelayer(echo.Addr().String(), delay)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	conn, err := net.Dial("tcp", d.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sent := bytes.Repeat([]byte("0123456789"), 100_000)
	began := time.Now()
	go func() { _, _ = conn.Write(sent) }() // what is missing is seen below
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(conn, got); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 2*delay {
		t.Errorf("there and back took %v, less than twice %v", took, delay)
	}
	if !bytes.Equal(got, sent) {
		t.Error("it came back changed")
	}
}
