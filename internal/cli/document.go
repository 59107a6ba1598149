package cli

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// maxDocument bounds what a mistaken -config reads into memory.
const maxDocument = 1 << 20

// document is a TOML file. The TOML library tells the line of a key only in errors, and of an array of tables only
// the last element's; so the text is parted where tables begin, and each part read on its own.
type document struct {
	name  string
	parts []part
}

// part is the text from one table's header, or from the start of the file, to the next one's.
type part struct {
	line int // of the header
	text string
	meta toml.MetaData
	tree map[string]toml.Primitive
}

// node is one key of a part.
type node struct {
	path  []string
	line  int
	value any
	prim  toml.Primitive
	part  *part
}

// readText returns the text of a file, without a byte order mark.
func readText(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxDocument {
		return "", fmt.Errorf("%s is larger than %d bytes", name, maxDocument)
	}
	return string(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))), nil
}

func parseDocument(name, text string) (*document, error) {
	var whole map[string]any
	if _, err := toml.Decode(text, &whole); err != nil {
		return nil, syntaxError(name, err)
	}
	d := &document{name: name}
	begin, line := 0, 1 // of the part that is being gathered
	for at, n := 0, 1; at < len(text); n++ {
		length := strings.IndexByte(text[at:], '\n') + 1
		if length == 0 {
			length = len(text) - at
		}
		if at > begin && strings.HasPrefix(strings.TrimLeft(text[at:at+length], " \t"), "[") {
			// Within an array or a text of several lines, what stands before is no whole document.
			if p, err := readPart(text[begin:at], line); err == nil {
				d.parts = append(d.parts, p)
				begin, line = at, n
			}
		}
		at += length
	}
	p, err := readPart(text[begin:], line)
	if err != nil {
		return nil, syntaxError(name, err)
	}
	d.parts = append(d.parts, p)
	return d, nil
}

func readPart(text string, line int) (part, error) {
	p := part{line: line, text: text}
	var err error
	p.meta, err = toml.Decode(text, &p.tree)
	return p, err
}

func syntaxError(name string, err error) error {
	pe, ok := errors.AsType[toml.ParseError](err)
	if !ok {
		return fmt.Errorf("%s: %w", name, err)
	}
	hint := ""
	if strings.HasPrefix(pe.Message, "expected value but found") {
		hint = " (a text must stand in quotes)"
	}
	message := strings.ToLower(pe.Message[:1]) + strings.TrimSuffix(pe.Message[1:], ".")
	if strings.HasPrefix(pe.Message, "TOML") {
		message = pe.Message
	}
	return fmt.Errorf("%s:%d: %s%s", name, pe.Position.Line, message, hint)
}

// nodes returns the keys of a table of the part, in the order of their lines. A key whose line isn't known is given
// that of the table.
func (p *part) nodes(table map[string]toml.Primitive, path []string, line int) []node {
	var nodes []node
	for name, prim := range table {
		n := node{path: append(slices.Clone(path), name), line: line, prim: prim, part: p}
		if at := p.position(prim); at >= 0 {
			n.line = p.line + strings.Count(p.text[:at], "\n")
		}
		if err := p.meta.PrimitiveDecode(prim, &n.value); err != nil {
			panic(err) // anything can be decoded to any
		}
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b node) int {
		return cmp.Or(cmp.Compare(a.line, b.line), slices.Compare(a.path, b.path))
	})
	return nodes
}

// probe makes the library tell where a key's value stands: the error it returns is given the position.
type probe struct{}

var errProbe = errors.New("probe")

func (*probe) UnmarshalTOML(any) error { return errProbe }

// position returns the byte of the part at which the value begins, or -1 if it isn't known.
func (p *part) position(prim toml.Primitive) int {
	pe, ok := errors.AsType[toml.ParseError](p.meta.PrimitiveDecode(prim, &probe{}))
	if !ok || pe.Position.Len == 0 || pe.Position.Start > len(p.text) {
		return -1
	}
	return pe.Position.Start
}

// children returns the keys of the tables that the node's value is.
func (n node) children() [][]node {
	var tables []map[string]toml.Primitive
	if _, ok := n.value.(map[string]any); ok {
		tables = make([]map[string]toml.Primitive, 1)
		_ = n.part.meta.PrimitiveDecode(n.prim, &tables[0])
	} else {
		_ = n.part.meta.PrimitiveDecode(n.prim, &tables)
	}
	var all [][]node
	for _, t := range tables {
		nodes := n.part.nodes(t, n.path, n.line)
		if len(tables) > 1 { // of [{…}, {…}] the library knows only the last one's lines
			for i := range nodes {
				nodes[i].line = n.line
			}
		}
		all = append(all, nodes)
	}
	return all
}

// isTables says whether the value is an array of tables.
func isTables(v any) bool {
	switch v := v.(type) {
	case []map[string]any:
		return true
	case []any:
		for _, e := range v {
			if _, ok := e.(map[string]any); !ok {
				return false
			}
		}
		return len(v) > 0
	}
	return false
}
