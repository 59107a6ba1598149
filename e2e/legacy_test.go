package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/logscribe/logscribe/proto/legacy"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

// TestDirectCalls: programs without an agent call the API of the original project, or Log, and have the lines in the
// file when they get the answer.
func TestDirectCalls(t *testing.T) {
	t.Parallel()
	c := newCluster(t, &normal)
	mediator := c.addMediator()
	c.addScribe(mediator)
	alone, _ := c.addScribe("")
	for _, target := range []struct{ name, addr, root string }{
		{"ThroughMediator", mediator, c.roots[0]},
		{"ToScribe", alone, c.roots[1]},
	} {
		t.Run(target.name, func(t *testing.T) {
			conn, err := grpc.NewClient(target.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			old, now := legacy.NewLogScribeClient(conn), logscribev1.NewScribeClient(conn)
			var want strings.Builder
			for _, line := range []string{"no newline", "a newline\n", "CR\r\n", ""} {
				response, err := old.Log(ctx, &legacy.LogRequest{Path: "old/api", Filename: "app", Line: line})
				if err != nil || response.Res != "true" {
					t.Fatalf("line %q: %v, %v", line, response, err)
				}
				want.WriteString(strings.TrimSuffix(line, "\n") + "\n")
				expectContent(t, target.root, "old/api/app", want.String())
			}
			if _, err := now.Log(ctx, &logscribev1.LogRequest{Log: "old/api/app", Lines: []byte("\x00\xff\nlast")}); err != nil {
				t.Fatal(err)
			}
			expectContent(t, target.root, "old/api/app", want.String()+"\x00\xff\nlast\n")
			if _, err := old.Log(ctx, &legacy.LogRequest{Filename: "in-root", Line: "x"}); err != nil {
				t.Fatal(err)
			}
			expectContent(t, target.root, "in-root", "x\n")
			for _, bad := range []*legacy.LogRequest{
				{Path: "..", Filename: "out"}, {Path: "/etc", Filename: "abs"}, {Path: "a", Filename: ""},
				{Path: "a//b", Filename: "c"}, {Path: ".scribe", Filename: "ledger"}, {Path: "a", Filename: "b\nc"},
				{Path: "a", Filename: strings.Repeat("n", 300)},
			} {
				if response, err := old.Log(ctx, bad); err == nil && response.Res == "true" {
					t.Errorf("taken: %v", bad)
				}
			}
		})
	}
	c.stopAll(stopLimit)
}

func expectContent(t *testing.T, root, log, want string) {
	t.Helper()
	if got := string(output(t, []string{root}, log)); got != want {
		t.Fatalf("log %s holds %q, want %q", log, got, want)
	}
}
