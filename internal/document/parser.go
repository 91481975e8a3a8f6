package document

import (
	"sync"
)

// Parser parses documents and keeps the results, so that it parses equal documents once. It
// keeps them by their text: what it returns for a document is never that of an earlier
// version. It is safe for concurrent use. The results are shared: callers must not change
// what they refer to.
type Parser struct {
	maxDocuments, maxBytes int

	mu     sync.Mutex
	parsed map[source]any
	bytes  int
}

// source is what the result of Parse depends on.
type source struct {
	kind Kind
	body string
}

// parsedOverhead is about how many bytes a parsed document takes beyond twice its text: once
// as the key, once in the fields of the result.
const parsedOverhead = 256

func (s source) bytes() int { return 2*len(s.body) + parsedOverhead }

// NewParser returns a Parser that keeps at most so many documents, which take at most about
// so many bytes.
func NewParser(maxDocuments, maxBytes int) *Parser {
	return &Parser{maxDocuments: maxDocuments, maxBytes: maxBytes, parsed: map[source]any{}}
}

// Parse returns what the function Parse returns.
func (p *Parser) Parse(d Document) (any, error) {
	if typed, ok := p.find(d); ok {
		return typed, nil
	}
	typed, err := Parse(d)
	if err == nil {
		p.keep(source{d.ID.Kind, string(d.Body)}, typed)
	}
	return typed, err
}

func (p *Parser) find(d Document) (any, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	typed, ok := p.parsed[source{d.ID.Kind, string(d.Body)}]
	return typed, ok
}

// keep adds a result, and removes any others while there are too many. A sweep reads all
// documents in turn: of those, the least recently used is the one that it needs next.
func (p *Parser) keep(s source, typed any) {
	if s.bytes() > p.maxBytes || p.maxDocuments < 1 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.parsed[s]; ok {
		return
	}
	for other := range p.parsed {
		if len(p.parsed) < p.maxDocuments && p.bytes+s.bytes() <= p.maxBytes {
			break
		}
		delete(p.parsed, other)
		p.bytes -= other.bytes()
	}
	p.parsed[s] = typed
	p.bytes += s.bytes()
}

// Size returns how many documents the Parser keeps, and about how many bytes they take.
func (p *Parser) Size() (documents, bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.parsed), p.bytes
}

// NewSet is the function NewSet with the Parser's results.
func (p *Parser) NewSet(docs []Document) (*Set, error) {
	return newSet(entriesOf(docs), p.Parse, keepAll)
}
