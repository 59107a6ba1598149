package cli

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// CheckAddress is a check for addresses, HOST:PORT. An empty host means this one.
func CheckAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("bad address %q: write HOST:PORT", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("bad address %q: the port must be a number from 1 to 65535", address)
	}
	return nil
}

// CheckHost is a check for the host to listen on: a name or an IP address without a port.
func CheckHost(host string) error {
	if net.ParseIP(host) == nil && strings.ContainsAny(host, ":/[] ") {
		return fmt.Errorf("bad host %q: write a name or an IP address, without a port", host)
	}
	return nil
}

// JoinHostPort returns the address to listen on. An empty host means all addresses.
func JoinHostPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
