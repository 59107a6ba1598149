package main

import (
	"context"
	"os"

	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/internal/demo"
)

// showDemo runs the demo.
func showDemo(ctx context.Context, c *config, proc *cli.Process) error {
	out, isFile := proc.Stdout.(*os.File)
	return demo.Run(ctx, demo.Config{Lines: c.lines, Dir: c.dir, Out: proc.Stdout, Terminal: isFile && cli.IsTerminal(out)})
}
