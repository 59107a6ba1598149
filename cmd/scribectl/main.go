// Scribectl shows people how the programs of Log Scribe do.
package main

import (
	"context"
	"os"
	"strings"

	"github.com/logscribe/logscribe/internal/cli"
)

func main() { os.Exit(run(cli.OS())) }

func run(host cli.Host) int {
	c := &config{}
	p := c.program()
	return p.Main(host, func(ctx context.Context, proc *cli.Process) error {
		for _, command := range commands {
			if command.name == p.Command() {
				return command.run(ctx, c, proc)
			}
		}
		return nil
	})
}

type command struct {
	name string
	run  func(context.Context, *config, *cli.Process) error
}

// commands are what scribectl can do.
var commands = []command{
	{"status", showStatus},
	{"top", showTop},
	{"logs", showLogs},
	{"version", showVersion},
	{"demo", showDemo},
}

// commandNames returns "status, top or …".
func commandNames() string {
	var names []string
	for _, command := range commands {
		names = append(names, command.name)
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
