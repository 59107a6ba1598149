package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/logscribe/logscribe/internal/cli"
)

// showVersion prints the version of this program.
func showVersion(_ context.Context, c *config, proc *cli.Process) error {
	if c.output == "json" {
		return json.NewEncoder(proc.Stdout).Encode(map[string]string{"scribectl": cli.Version()})
	}
	_, err := fmt.Fprintf(proc.Stdout, "scribectl  %s\n", cli.Version())
	return err
}
