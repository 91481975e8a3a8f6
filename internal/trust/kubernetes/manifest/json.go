package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
)

// reader reads JSON token by token, and counts lines.
type reader struct {
	counter
	text    []byte
	decoder *json.Decoder
	line    int
	counted int64 // bytes whose lines are counted
}

func readJSON(file string, text []byte) ([]*Value, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	r := &reader{counter: counter{file: file}, text: text, decoder: json.NewDecoder(bytes.NewReader(text)), line: 1}
	r.decoder.UseNumber()
	var documents []*Value
	for {
		token, err := r.decoder.Token()
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if len(documents) == maxDocuments {
			return documents, r.tooLarge(r.here(), "it has more than "+strconv.Itoa(maxDocuments)+" values after each other; split it")
		}
		document, err := r.value(token, err, 0)
		if err != nil {
			return documents, err
		}
		documents = append(documents, document)
	}
}

// here returns the line of the last token. No token of JSON spans lines.
func (r *reader) here() int {
	end := min(r.decoder.InputOffset(), int64(len(r.text)))
	r.line += bytes.Count(r.text[r.counted:end], []byte("\n"))
	r.counted = end
	return r.line
}

// value reads the value that begins with a token. err is that of reading the token.
func (r *reader) value(token json.Token, err error, depth int) (*Value, error) {
	if err != nil {
		return nil, r.broken()
	}
	v := &Value{Line: r.here()}
	if err := r.add(v.Line, depth, 0, false); err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		return v, r.compound(v, t, depth)
	case string:
		v.Kind, v.scalar = Text, t
	case json.Number:
		v.Kind, v.scalar = Number, t.String()
	case bool:
		v.Kind, v.scalar = Bool, strconv.FormatBool(t)
	}
	return v, nil
}

// compound reads the rest of a list or a map.
func (r *reader) compound(v *Value, open json.Delim, depth int) error {
	v.Kind = List
	names := map[string]int{}
	if open == '{' {
		v.Kind = Map
	}
	for r.decoder.More() {
		var field Field
		if v.Kind == Map {
			token, err := r.decoder.Token()
			name, ok := token.(string)
			if err != nil || !ok {
				return r.broken()
			}
			field = Field{Name: name, Line: r.here()}
		}
		token, err := r.decoder.Token()
		value, err := r.value(token, err, depth+1)
		if err != nil {
			return err
		}
		if v.Kind == List {
			v.items = append(v.items, value)
			continue
		}
		field.Value = value
		if err := r.put(v, names, field); err != nil {
			return err
		}
	}
	if _, err := r.decoder.Token(); err != nil {
		return r.broken()
	}
	return nil
}

// broken returns the error of a file that is no JSON, with the line of what follows the
// last token.
func (r *reader) broken() error {
	line := r.here()
	rest := r.text[r.counted:]
	blank := rest[:len(rest)-len(bytes.TrimLeft(rest, " \t\r\n:,"))]
	return r.syntax(line+bytes.Count(blank, []byte("\n")), "correct the JSON")
}
