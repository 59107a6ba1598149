// Scribectl shows people how the programs of Log Scribe do.
package main

import (
	"context"
	"os"

	"github.com/logscribe/logscribe/internal/cli"
)

func main() { os.Exit(run(cli.OS())) }

func run(host cli.Host) int {
	c := &config{}
	p := c.program()
	return p.Main(host, func(ctx context.Context, proc *cli.Process) error {
		return commands[p.Command()](ctx, c, proc)
	})
}

// commands are what scribectl can do.
var commands = map[string]func(context.Context, *config, *cli.Process) error{
	"demo":    showDemo,
	"version": showVersion,
}
