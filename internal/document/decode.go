package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxInput is how many bytes one file may have.
const maxInput = 256 << 20

// Decode reads the documents of one YAML or JSON stream: any number of YAML
// documents or JSON values, each a document or a list of documents. Empty
// documents are skipped, and so is a field whose value is null. file is what
// problems call the stream.
//
// The documents come in their order, or not at all: the error is a Problems
// with everything that is wrong. An input that cannot be read is another error.
func Decode(r io.Reader, file string) ([]Document, Dropped, error) {
	c, err := schemas()
	if err != nil {
		return nil, nil, err
	}
	data, err := readAll(r)
	if err != nil {
		return nil, nil, fmt.Errorf("document: read %s: %w", file, err)
	}
	d := &decoder{catalog: c, file: file, dropped: Dropped{}}
	d.stream(data)
	if err := d.problems.err(); err != nil {
		return nil, d.dropped, err
	}
	return d.docs, d.dropped, nil
}

// readAll reads one byte more than an input may have. It takes the memory for a file of a known
// size once.
func readAll(r io.Reader) ([]byte, error) {
	var data bytes.Buffer
	if f, ok := r.(fs.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			data.Grow(int(min(info.Size(), maxInput)) + bytes.MinRead)
		}
	}
	_, err := data.ReadFrom(io.LimitReader(r, maxInput+1))
	return data.Bytes(), err
}

type decoder struct {
	catalog  *catalog
	file     string
	docs     []Document
	dropped  Dropped
	problems Problems
	// read takes one object of the stream into objects; documents where it is nil.
	read    func(d *decoder, n *yaml.Node)
	objects []Object
	items   []Item
}

func (d *decoder) problem(object string, f flaw) {
	d.problems = append(d.problems, Problem{File: d.file, Line: f.line, Object: object, Field: f.field, Text: f.text})
}

func (d *decoder) stream(data []byte) {
	if len(data) > maxInput {
		d.problem("", flaw{text: fmt.Sprintf("has more than %d MiB: split it", maxInput>>20)})
		return
	}
	if at := invalidUTF8(data); at >= 0 {
		d.problem("", flaw{line: 1 + bytes.Count(data[:at], []byte("\n")), text: "is not UTF-8: save it in that encoding"})
		return
	}
	if notJSON := d.json(data); notJSON != nil {
		d.yaml(data, notJSON)
	}
}

// yaml reads data that is not JSON, for the reason given.
func (d *decoder) yaml(data []byte, notJSON error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var node yaml.Node
		err := dec.Decode(&node)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			d.problem("", syntax(err, notJSON, strings.HasSuffix(d.file, ".json")))
			return
		}
		for _, root := range node.Content {
			d.node(root)
		}
	}
}

// yamlError finds the line in what the YAML parser says.
var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntax says where an input stops being what it is meant to be.
func syntax(notYAML, notJSON error, meantJSON bool) flaw {
	var broken *jsonError
	if meantJSON && errors.As(notJSON, &broken) {
		return flaw{line: broken.line, text: "is not JSON: " + broken.err.Error()}
	}
	text, line := notYAML.Error(), 0
	if parts := yamlError.FindStringSubmatch(text); parts != nil {
		text = parts[2]
		line, _ = strconv.Atoi(parts[1])
	}
	if strings.HasPrefix(text, "did not find expected") {
		line++ // The parser counts lines from 0 in this message, from 1 in others.
	}
	return flaw{line: line, text: "is not YAML: " + text}
}

// node reads one document, or each of a list.
func (d *decoder) node(n *yaml.Node) {
	switch {
	case n.Kind == yaml.SequenceNode:
		for _, item := range n.Content {
			d.document(item)
		}
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null":
	default:
		d.document(n)
	}
}

func (d *decoder) document(n *yaml.Node) {
	if d.read != nil {
		d.read(d, n)
		return
	}
	b := &builder{}
	value := b.value(n, nil, 0, false)
	tree, ok := value.(map[string]any)
	if !ok && len(b.flaws) == 0 {
		d.problem("", flaw{line: n.Line, text: "a document is a mapping with apiVersion, kind and metadata"})
		return
	}
	flaws := slices.Concat(b.flaws, deleted(tree, n))
	d.dropped.drop(tree)
	if len(flaws) == 0 {
		flaws = d.envelope(tree, n)
	}
	if kind, ok := tree["kind"].(string); ok && len(flaws) == 0 {
		flaws = d.catalog.check(Kind(kind), tree, n)
		if len(flaws) == 0 && isBinding(Kind(kind)) {
			flaws = endErrors(tree, n)
		}
	}
	if len(flaws) > 0 {
		doc, _ := assemble(tree)
		for _, f := range flaws {
			d.problem(doc.ID.String(), f)
		}
		return
	}
	for _, single := range singleBindings(tree) {
		doc, err := assemble(single)
		if err != nil {
			d.problem(doc.ID.String(), flaw{line: n.Line, text: err.Error()})
			continue
		}
		doc.File, doc.Line = d.file, n.Line
		doc.ID.Kind, doc.APIVersion = d.catalog.share(doc.ID.Kind, doc.APIVersion)
		d.docs = append(d.docs, doc)
	}
}

// share returns equal texts that all documents have in common.
func (c *catalog) share(kind Kind, version string) (Kind, string) {
	if i := slices.Index(Kinds(), kind); i >= 0 {
		kind = Kinds()[i]
	}
	if i := slices.Index(c.versions[kind], version); i >= 0 {
		version = c.versions[kind][i]
	}
	return kind, version
}

// deleted refuses what an export says is gone, or about to go: stored as if it were
// there it would give people access again.
func deleted(tree map[string]any, n *yaml.Node) []flaw {
	metadata, _ := tree["metadata"].(map[string]any)
	for _, field := range []string{"deletedOn", "deletedAt", "markedForDeletionOn"} {
		if at := metadata[field]; at != nil && at != "" {
			_, line := locate(n, []string{"metadata", field})
			return []flaw{{line: line, field: "metadata." + field, text: fmt.Sprintf(
				"the export says that it was deleted on %v: leave the document out", at)}}
		}
	}
	return nil
}

// envelope checks what decides about the schema.
func (d *decoder) envelope(tree map[string]any, n *yaml.Node) []flaw {
	known := kindNames()
	kind, ok := tree["kind"].(string)
	switch {
	case tree["kind"] == nil:
		return []flaw{{line: n.Line, field: "kind", text: "is missing: write one of " + list(known, "or")}}
	case !ok || !slices.Contains(known, kind):
		_, line := locate(n, []string{"kind"})
		return []flaw{{line: line, field: "kind", text: fmt.Sprintf("unknown kind %s%s; known are %s",
			quoted(fmt.Sprint(tree["kind"])), didYouMean(kind, known), list(known, "and"))}}
	}
	versions := d.catalog.versions[Kind(kind)]
	version, ok := tree["apiVersion"].(string)
	switch {
	case tree["apiVersion"] == nil:
		return []flaw{{line: n.Line, field: "apiVersion", text: "is missing: write " + list(versions, "or")}}
	case !ok || !slices.Contains(versions, version):
		_, line := locate(n, []string{"apiVersion"})
		return []flaw{{line: line, field: "apiVersion", text: fmt.Sprintf("unknown version %s of %s: write %s",
			quoted(fmt.Sprint(tree["apiVersion"])), kind, list(versions, "or"))}}
	}
	return nil
}

// assemble makes a document of a tree. Its ID is as complete as the tree
// allows, also with an error.
func assemble(tree map[string]any) (Document, error) {
	kind, _ := tree["kind"].(string)
	version, _ := tree["apiVersion"].(string)
	doc := Document{ID: ID{Kind: Kind(kind)}, APIVersion: version}
	w := newWire(doc.ID.Kind)
	if w == nil {
		return doc, fmt.Errorf("document: %w: %q", ErrUnknownKind, kind)
	}
	body, err := canonical(tree)
	if err != nil {
		return doc, err
	}
	err = json.Unmarshal(body, w)
	doc.ID.Name = w.name()
	if err != nil {
		return doc, fmt.Errorf("document: %w", err)
	}
	if tenant, ok := w.(*wireTenant); ok {
		doc.Drawn = tenant.drawn()
	}
	if section := w.rollcall(); section != nil {
		section.addTo(&doc)
		delete(tree, "rollcall")
		body, err = canonical(tree)
	}
	doc.Body = body
	return doc, err
}

// canonical returns the one JSON form of a tree: keys sorted, no blanks.
func canonical(tree map[string]any) (json.RawMessage, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(tree); err != nil {
		return nil, fmt.Errorf("document: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// invalidUTF8 returns where data stops being UTF-8, or -1.
func invalidUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	at := 0
	for {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
}
