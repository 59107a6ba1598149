package main

import (
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/mediator"
)

// validate prints what the mediator would do. The settings and certificates have been checked by then; the error is about
// its folder. It changes nothing, and may be asked while the mediator runs.
func (c *config) validate(out io.Writer) error {
	state, err := cli.CheckFolder(c.data)
	if err == nil && state == "there" {
		_, err = cli.CheckFile(filepath.Join(c.data, mediator.StoreFile))
	}
	if err != nil {
		state = "can't be used"
	}
	fmt.Fprintf(out, "data      %s, %s\n", cli.Absolute(c.data), state)
	fmt.Fprintf(out, "listen    %s\n", cli.DescribeListener(c.host, c.port, c.tls))
	if text := cli.DescribeCertificate(c.tls, time.Now()); text != "" {
		fmt.Fprintf(out, "          %s\n", text)
	}
	fmt.Fprintf(out, "scribes   checked every %s\n", c.healthInterval)
	if c.failoverAfter == cli.Never {
		fmt.Fprintln(out, "failover  never")
	} else {
		fmt.Fprintf(out, "failover  after a Scribe was down for %s\n", c.failoverAfter)
	}
	if err != nil {
		return fmt.Errorf("the settings are right, but the mediator could not work: %w", err)
	}
	fmt.Fprintln(out, "\nall right")
	return nil
}
