package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
)

// profile is a CPU profile of a program of ours, from when it is ready until it is asked to end.
type profile struct {
	file string
	port int
	conn *net.TCPConn // on which it comes; set by begin
	err  error        // why there is none
}

// newProfile returns the profile of a program, which is kept in the folder, named after form and program.
func newProfile(p *program, folder string) (*profile, error) {
	name := filepath.Base(filepath.Dir(p.dir)) + "-" + filepath.Base(p.dir) + ".pprof"
	port, err := freePort()
	return &profile{file: filepath.Join(folder, name), port: port}, err
}

// flags have the program serve it.
func (p *profile) flags() []string { return []string{"-pprof", "-pport", strconv.Itoa(p.port)} }

func (p *profile) addr() string { return net.JoinHostPort("localhost", strconv.Itoa(p.port)) }

// begin asks for a profile that lasts until the request is called off: nobody knows yet how long the run will take.
func (p *profile) begin() error {
	conn, err := net.Dial("tcp", p.addr())
	if err != nil {
		return err
	}
	p.conn = conn.(*net.TCPConn)
	_, err = io.WriteString(conn, "GET /debug/pprof/profile?seconds=1000000 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	return err
}

// end calls the request off by closing one half of its connection, whereupon the profile comes on the other half.
func (p *profile) end() (err error) {
	defer func() { err = errors.Join(err, p.conn.Close()) }()
	if err := p.conn.CloseWrite(); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(p.conn), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("no profile: %s", response.Status)
	}
	file, err := os.Create(p.file)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, response.Body)
	return errors.Join(err, file.Close())
}
