package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxDepth is how deep a document may nest.
const maxDepth = 100

// errNotJSON reports data that does not even begin like a document in JSON.
var errNotJSON = errors.New("not JSON")

// jsonError reports where data stops being JSON.
type jsonError struct {
	line int
	err  error
}

func (e *jsonError) Error() string { return fmt.Sprintf("document: line %d: %v", e.line, e.err) }
func (e *jsonError) Unwrap() error { return e.err }

// json reads data as JSON values one after the other, and each as the YAML node that
// it is. Not all of JSON is YAML to a YAML parser: it stumbles over surrogate pairs,
// escaped slashes and tabs. What is no JSON, an error here, may still be YAML: d is
// as it was then.
//
// An export is one list of all documents: each item is read before the next is parsed.
func (d *decoder) json(data []byte) error {
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	if len(trimmed) == 0 || (trimmed[0] != '{' && trimmed[0] != '[') {
		return errNotJSON
	}
	r := &jsonReader{data: data, line: 1, dec: json.NewDecoder(bytes.NewReader(data))}
	r.dec.UseNumber()
	read := *d
	read.dropped = maps.Clone(d.dropped)
	for {
		err := r.next(&read)
		if errors.Is(err, io.EOF) {
			*d = read
			return nil
		}
		if err != nil {
			return &jsonError{line: r.line, err: err}
		}
	}
}

type jsonReader struct {
	data []byte
	dec  *json.Decoder
	// seen bytes of data lie before line.
	seen int
	line int
}

// token returns the next token and the line it ends on.
func (r *jsonReader) token() (json.Token, int, error) {
	token, err := r.dec.Token()
	offset := int(r.dec.InputOffset())
	r.line += bytes.Count(r.data[r.seen:offset], []byte("\n"))
	r.seen = offset
	return token, r.line, err
}

// next reads one value: a document, or each of a list.
func (r *jsonReader) next(d *decoder) error {
	token, line, err := r.token()
	if err != nil {
		return err
	}
	if token != json.Delim('[') {
		node, err := r.valueOf(token, line, 0)
		if err == nil {
			d.node(node)
		}
		return err
	}
	for r.dec.More() {
		item, err := r.value(1)
		if err != nil {
			return noEOF(err)
		}
		d.document(item)
	}
	_, _, err = r.token()
	return noEOF(err)
}

func (r *jsonReader) value(depth int) (*yaml.Node, error) {
	token, line, err := r.token()
	if err != nil {
		return nil, err
	}
	return r.valueOf(token, line, depth)
}

// valueOf returns the value that begins with a token.
func (r *jsonReader) valueOf(token json.Token, line, depth int) (*yaml.Node, error) {
	delim, nested := token.(json.Delim)
	if !nested {
		return scalar(token, line), nil
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	node := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: line}
	if delim == '[' {
		node.Kind, node.Tag = yaml.SequenceNode, "!!seq"
	}
	for r.dec.More() {
		child, err := r.value(depth + 1)
		if err != nil {
			return nil, noEOF(err)
		}
		node.Content = append(node.Content, child)
	}
	_, _, err := r.token()
	return node, noEOF(err)
}

// noEOF tells an input that ends inside a value from one that ends after it.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func scalar(token json.Token, line int) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode, Line: line}
	switch value := token.(type) {
	case string:
		node.Tag, node.Value = "!!str", value
	case bool:
		node.Tag, node.Value = "!!bool", strconv.FormatBool(value)
	case json.Number:
		node.Tag, node.Value = "!!int", value.String()
		if strings.ContainsAny(node.Value, ".eE") {
			node.Tag = "!!float"
		}
	default:
		node.Tag, node.Value = "!!null", "null"
	}
	return node
}
