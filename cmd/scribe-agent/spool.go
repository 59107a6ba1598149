package main

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/logscribe/logscribe/internal/cli"
	"github.com/logscribe/logscribe/internal/logname"
)

// findSpool names the spool's file unless the user did. It depends on what is read and where it goes to, so that agents
// that do different things don't share one.
func (c *config) findSpool() error {
	if c.spool != "" {
		return nil
	}
	name := "spool.db"
	if len(c.files) == 0 {
		name = "stdin-" + fileName(c.stdins[0].log) + ".db"
	}
	if c.local != "" { // beside the Scribe's ledger, so that all state travels with the files
		c.spool = filepath.Join(c.local, logname.StateDir, "agent-"+name)
		return nil
	}
	dir, err := cli.StateDir(c.host.LookupEnv, "scribe-agent")
	if err != nil {
		return fmt.Errorf("%w; name a spool with -spool", err)
	}
	c.spool = filepath.Join(dir, name)
	return nil
}

// maxFileName leaves room for what stands around it in the 255 bytes that file systems allow.
const maxFileName = 200

// fileName returns a file name for a log, another one for each. PathEscape never leaves a comma.
func fileName(log string) string {
	name := url.PathEscape(log)
	if len(name) > maxFileName {
		sum := sha256.Sum256([]byte(log))
		name = fmt.Sprintf("%s,%x", name[:maxFileName-33], sum[:16])
	}
	return name
}
