// Package logscribe_test holds the rules of the whole repository against its code.
package logscribe_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/logscribe/logscribe/"

// forbidden says which packages must not be imported, directly, by which, and why. Both are prefixes of paths below the
// module.
var forbidden = []struct{ from, to, why string }{
	{"agent", "mediator", "the programs know each other by the protocol alone"},
	{"agent", "scribe", "the programs know each other by the protocol alone; cmd puts agent and embedded Scribe together"},
	{"mediator", "agent", "the programs know each other by the protocol alone"},
	{"mediator", "scribe", "the programs know each other by the protocol alone"},
	{"scribe", "agent", "the programs know each other by the protocol alone"},
	{"scribe", "mediator", "the programs know each other by the protocol alone"},
	{"mediator", "spool", "the mediator keeps no lines"},
	{"scribe", "spool", "the Scribe keeps lines in files"},
	{"spool", "agent", "the spool never looks up"},
	{"spool", "mediator", "the spool never looks up"},
	{"spool", "scribe", "the spool never looks up"},
	{"spool", "proto", "the spool knows nothing of the network"},
	{"spool", "internal/transport", "the spool knows nothing of the network"},
	{"scribe/store", "proto", "the store knows nothing of the network"},
	{"scribe/store", "internal/transport", "the store knows nothing of the network"},
	{"agent/line", "spool", "lines become blocks wherever they go"},
	{"agent/line", "agent/tail", "lines become blocks wherever they come from"},
	{"agent/line", "agent/stdin", "lines become blocks wherever they come from"},
	{"agent/tail", "agent/ship", "sources know the spool alone"},
	{"agent/stdin", "agent/ship", "sources know the spool alone"},
	{"agent/tail", "proto", "sources know nothing of the network"},
	{"agent/ship", "agent/tail", "the shipper knows the spool alone"},
	{"internal", "agent", "what several need looks up to none of them"},
	{"internal", "mediator", "what several need looks up to none of them"},
	{"internal", "scribe", "what several need looks up to none of them"},
	{"internal", "spool", "what several need looks up to none of them"},
	{"proto", "internal", "the protocol stands alone"},
	{"spool", "internal/ops", "the spool counts, and does not know who reads the counts"},
	{"scribe/store", "internal/ops", "the store counts, and does not know who reads the counts"},
	{"agent/tail", "internal/ops", "sources count, and do not know who reads the counts"},
	{"agent/stdin", "internal/ops", "sources count, and do not know who reads the counts"},
	{"agent/ship", "internal/ops", "the shipper counts, and does not know who reads the counts"},
}

func TestImports(t *testing.T) {
	list := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	output, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := 0
	for d := json.NewDecoder(strings.NewReader(string(output))); ; packages++ {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, imported := range p.Imports {
			for _, f := range forbidden {
				if below(p.ImportPath, f.from) && below(imported, f.to) {
					t.Errorf("%s imports %s: %s", p.ImportPath, imported, f.why)
				}
			}
		}
	}
	if packages < 10 {
		t.Errorf("only %d packages were looked at", packages)
	}
}

// below says whether the package lies in the folder, or is it.
func below(path, folder string) bool {
	rest, ok := strings.CutPrefix(path, module+folder)
	return ok && (rest == "" || rest[0] == '/')
}
