package failpoint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"
)

// TestAllAreListed reads the points from the source: what is missing in All no test would take.
func TestAllAreListed(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "points.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var named []Point
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			if value, ok := spec.Values[0].(*ast.BasicLit); ok {
				text, _ := strconv.Unquote(value.Value) // the parser has accepted it
				named = append(named, Point(text))
			}
		}
		return true
	})
	if !slices.Equal(named, All) {
		t.Errorf("All is %q, want %q", All, named)
	}
}
