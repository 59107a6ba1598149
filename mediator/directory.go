package mediator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"unicode"

	"github.com/logscribe/logscribe/internal/logname"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// Limits of what a Scribe tells of itself, in bytes.
const (
	maxID       = 200
	maxAddress  = 300
	maxSoftware = 100
)

// directory is the Registry service.
type directory struct {
	logscribev1.UnimplementedRegistryServer
	m *Mediator
}

// Register makes a Scribe known.
func (d directory) Register(ctx context.Context, request *logscribev1.RegisterRequest) (*logscribev1.RegisterResponse, error) {
	r, err := readRegistration(ctx, request)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if err := d.m.registry.register(ctx, r); err != nil {
		if c, ok := errors.AsType[*conflict](err); ok {
			return nil, status.Error(codes.AlreadyExists, c.Error())
		}
		d.m.cfg.Logger.Error("can't register a scribe", "scribe", r.id, "error", err)
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	return &logscribev1.RegisterResponse{AgainAfterMs: uint32(d.m.registry.again().Milliseconds())}, nil
}

// Resolve tells a log's owner.
func (d directory) Resolve(ctx context.Context, request *logscribev1.ResolveRequest) (*logscribev1.ResolveResponse, error) {
	if err := logname.Check(request.GetLog()); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	own, err := d.m.owners.resolve(ctx, request.GetLog())
	if err != nil {
		return nil, callError(ctx, err)
	}
	response := &logscribev1.ResolveResponse{Owner: own.owner, Epoch: own.epoch}
	if s := d.m.registry.get(own.owner); s != nil {
		response.Address = s.address
	}
	return response, nil
}

func readRegistration(ctx context.Context, request *logscribev1.RegisterRequest) (registration, error) {
	r := registration{id: request.GetId(), software: request.GetSoftware()}
	switch {
	case r.id == "":
		return r, errors.New("the Scribe's id is missing")
	case len(r.id) > maxID:
		return r, fmt.Errorf("the Scribe's id is longer than %d bytes", maxID)
	case strings.ContainsFunc(r.id, func(c rune) bool { return unicode.IsControl(c) || unicode.IsSpace(c) }):
		return r, fmt.Errorf("bad Scribe id %q: it has a space or a control character", r.id)
	case len(request.GetRoot()) != len(r.root):
		return r, fmt.Errorf("the root of Scribe %q is %d bytes, not the %d of a UUID", r.id, len(request.GetRoot()), len(r.root))
	case len(request.GetAddress()) > maxAddress:
		return r, fmt.Errorf("the address of Scribe %q is longer than %d bytes", r.id, maxAddress)
	case len(r.software) > maxSoftware:
		return r, fmt.Errorf("the software version of Scribe %q is longer than %d bytes", r.id, maxSoftware)
	}
	copy(r.root[:], request.GetRoot())
	var err error
	if r.address, err = reachable(ctx, request.GetAddress()); err != nil {
		return r, fmt.Errorf("bad address %q of Scribe %q: %w", request.GetAddress(), r.id, err)
	}
	return r, nil
}

// reachable returns the address with the caller's host in place of one that is empty or stands for all of a host's.
func reachable(ctx context.Context, address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", errors.New("it must be HOST:PORT")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", errors.New("the port must be a number from 1 to 65535")
	}
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		return address, nil
	}
	p, _ := peer.FromContext(ctx)
	if p == nil {
		return "", errors.New("it has no host, and the caller's is not known")
	}
	host, _, err = net.SplitHostPort(p.Addr.String())
	if err != nil || host == "" {
		return "", fmt.Errorf("it has no host, and the caller's address %s has none", p.Addr)
	}
	return net.JoinHostPort(host, port), nil
}
