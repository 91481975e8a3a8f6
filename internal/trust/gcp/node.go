package gcp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
)

// maxDepth is how deep JSON may be nested. Providers and policies need 6.
const maxDepth = 100

// errDepth is returned for JSON that is nested deeper than maxDepth.
var errDepth = errors.New("nested too deep, reduce it to 100 levels")

// node is a JSON value with its line. value is nil, a string, a bool, a json.Number, an
// object or a list.
type node struct {
	line  int
	value any
}

// object has the members of a JSON object. The last of two members with one name counts, as
// in encoding/json.
type object map[string]node

// nodeReader reads nodes.
type nodeReader struct {
	decoder *json.Decoder
	// newlines are the offsets of line ends.
	newlines []int
}

// readNodes reads JSON values that follow each other.
func readNodes(text []byte) (nodes []node, badLine int, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	r := &nodeReader{decoder: decoder}
	for i, b := range text {
		if b == '\n' {
			r.newlines = append(r.newlines, i)
		}
	}
	for {
		n, err := r.next(0)
		if errors.Is(err, io.EOF) {
			return nodes, 0, nil
		}
		if err != nil {
			return nil, r.errorLine(err), err
		}
		nodes = append(nodes, n)
	}
}

// lineAt returns the line of an offset.
func (r *nodeReader) lineAt(offset int64) int {
	return sort.SearchInts(r.newlines, int(offset)) + 1
}

// errorLine returns the line of a decoding error.
func (r *nodeReader) errorLine(err error) int {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return r.lineAt(max(syntax.Offset-1, 0))
	}
	return r.lineAt(r.decoder.InputOffset())
}

// next reads one value. It returns io.EOF only before the first byte of a value.
func (r *nodeReader) next(depth int) (node, error) {
	if depth > maxDepth {
		return node{}, errDepth
	}
	token, err := r.decoder.Token()
	if err != nil {
		if depth > 0 && errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return node{}, err
	}
	n := node{line: r.lineAt(max(r.decoder.InputOffset()-1, 0))}
	switch token {
	case json.Delim('{'):
		n.value, err = r.object(depth)
	case json.Delim('['):
		n.value, err = r.list(depth)
	default:
		n.value = token
	}
	return n, err
}

// object reads the members of an object and its end.
func (r *nodeReader) object(depth int) (object, error) {
	members := object{}
	for r.decoder.More() {
		token, err := r.decoder.Token()
		if err != nil {
			return nil, err
		}
		name, ok := token.(string)
		if !ok {
			return nil, fmt.Errorf("a name of an object is %v, make it a text", token)
		}
		n, err := r.next(depth + 1)
		if err != nil {
			return nil, err
		}
		members[name] = n
	}
	return members, r.end()
}

// list reads the items of a list and its end.
func (r *nodeReader) list(depth int) ([]node, error) {
	items := []node{}
	for r.decoder.More() {
		n, err := r.next(depth + 1)
		if err != nil {
			return nil, err
		}
		items = append(items, n)
	}
	return items, r.end()
}

// end reads the end of an object or a list.
func (r *nodeReader) end() error {
	_, err := r.decoder.Token()
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
