package scribe

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/logscribe/logscribe/internal/bolttree"
	logscribev1 "github.com/logscribe/logscribe/proto/logscribe/v1"
)

// TestNewLogsShareTransactions: to open many new logs takes few transactions of the ledger.
func TestNewLogsShareTransactions(t *testing.T) {
	root := t.TempDir()
	_, conn := start(t, Config{Path: root})
	messages := []*logscribev1.AppendRequest{hello()}
	const logs = 200
	for i := range logs {
		messages = append(messages, open(fmt.Sprint("new/", i), 1, 3))
	}
	for i := range logs {
		messages = append(messages, blockOf(fmt.Sprint("new/", i), 1, "x\n"))
	}
	before := transactions(t, root)
	response, err := send(t, conn, messages...)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range response.Receipts {
		if r.Committed != 1 || r.Epoch != 3 || r.Code != 0 {
			t.Errorf("%v", r)
		}
	}
	if took := transactions(t, root) - before; len(response.Receipts) != logs || took > logs/2 {
		t.Errorf("%d logs got receipts, and took %d transactions", len(response.Receipts), took)
	}
}

// transactions returns how many transactions the ledger has seen.
func transactions(t *testing.T, root string) int {
	t.Helper()
	file, err := os.Open(filepath.Join(root, ".scribe", "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	tree, err := bolttree.Open(file, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return int(tree.Meta().Transaction)
}
