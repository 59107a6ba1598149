package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

// slowClient lists as many logs as it has parts, each after a while.
type slowClient struct {
	logscribev1.StatusClient
	parts int
	every time.Duration
}

type slowList struct {
	grpc.ServerStreamingClient[logscribev1.LogsResponse]
	slowClient
	ctx  context.Context
	sent int
}

func (c slowClient) Logs(ctx context.Context, _ *logscribev1.LogsRequest, _ ...grpc.CallOption) (grpc.ServerStreamingClient[logscribev1.LogsResponse], error) {
	return &slowList{slowClient: c, ctx: ctx}, nil
}

func (l *slowList) Recv() (*logscribev1.LogsResponse, error) {
	if l.sent == l.parts {
		return nil, io.EOF
	}
	if err := pause(l.ctx, l.every); err != nil {
		return nil, err
	}
	l.sent++
	return &logscribev1.LogsResponse{Logs: []*logscribev1.LogStatus{{Log: fmt.Sprint("log", l.sent)}}}, nil
}

// TestLongListIsNoSilence: what answers all the time is waited for.
func TestLongListIsNoSilence(t *testing.T) {
	for _, c := range []struct {
		every time.Duration
		logs  int
		want  string
	}{
		{patience - time.Second, 5, ""},
		{patience + time.Second, 0, "no mediator or Scribe answers: m:1: no answer within 5s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := &watch{peers: peers{{address: "m:1", client: slowClient{parts: 5, every: c.every}}}}
			_, err := w.look(t.Context())
			if got := fmt.Sprint(err); len(w.logs) != c.logs || (err != nil) != (c.want != "") || err != nil && !strings.HasPrefix(got, c.want) {
				t.Errorf("a part each %v: %d logs, %s", c.every, len(w.logs), got)
			}
		})
	}
}
