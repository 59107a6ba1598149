package main

import (
	"context"
	"encoding/json"
	"os"

	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/internal/demo"
)

// showDemo runs the demo. As JSON there is its result alone, and what happens is told on stderr.
func showDemo(ctx context.Context, c *config, proc *cli.Process) error {
	out := proc.Stdout
	if c.output == "json" {
		out = proc.Stderr
	}
	file, isFile := out.(*os.File)
	result, err := demo.Run(ctx, demo.Config{Lines: c.lines, Dir: c.dir, Out: out, Terminal: isFile && cli.IsTerminal(file)})
	if c.output == "json" && result != nil {
		if err := json.NewEncoder(proc.Stdout).Encode(result); err != nil {
			return err
		}
	}
	return err
}
