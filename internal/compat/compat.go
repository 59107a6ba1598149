// Package compat serves the protocol of the original go-scribe project for its existing clients.
package compat

import (
	"context"

	"github.com/logscribe/logscribe/internal/logname"
	"github.com/logscribe/logscribe/proto/legacy"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

// Server answers com.romanostrechlis.scribe.api.LogScribe with the unary Log of the server To.
type Server struct {
	legacy.UnimplementedLogScribeServer
	To logscribev1.ScribeServer
}

// Log appends one line and returns "true" once it is synced to disk; any failure is an error of gRPC.
func (s Server) Log(ctx context.Context, request *legacy.LogRequest) (*legacy.LogResponse, error) {
	_, err := s.To.Log(ctx, &logscribev1.LogRequest{
		Log:   logname.Join(request.GetPath(), request.GetFilename()),
		Lines: []byte(request.GetLine()),
	})
	if err != nil {
		return nil, err
	}
	return &legacy.LogResponse{Res: "true"}, nil
}
