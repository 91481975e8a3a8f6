package control

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// Precondition is the state that a change is for. The nil Precondition holds always.
type Precondition struct {
	// Any holds if there is any state: the documents of the change are stored.
	Any bool
	// Tags are those of states, of which one has to be the current one: RevisionTag,
	// DocumentTag or RevocationTag.
	Tags []string
}

// RevisionTag names the state of all documents.
func RevisionTag(revision int64) string { return "revision-" + strconv.FormatInt(revision, 10) }

// DocumentTag names the state of a document. Fields that the caller may not read are not part
// of it: it matches for callers who read the whole document.
func DocumentTag(d document.Document) (string, error) {
	text, err := d.JSON()
	return "document-" + digestOf(text), err
}

// RevocationTag names the state of a revocation: who requested it and why, and its end. How far
// the platforms are is not part of it.
func RevocationTag(r Revocation) (string, error) {
	r.Platforms = nil
	text, err := json.Marshal(r)
	return "revocation-" + digestOf(text), err
}

func digestOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// has reports whether one of the tags is the current state.
func (p *Precondition) has(tags ...string) bool {
	return slices.ContainsFunc(tags, func(tag string) bool { return slices.Contains(p.Tags, tag) })
}

// test decides about a change of documents.
func (p *Precondition) test(state store.CurrentState) error {
	matches := p.Any && state.Stored == state.Requested || p.has(RevisionTag(state.Revision))
	if state.Document != nil {
		tag, err := DocumentTag(*state.Document)
		if err != nil {
			return err
		}
		matches = matches || p.has(tag)
	}
	if !matches {
		return preconditionFailed("the documents are in another state than the one of If-Match: nothing was stored, read them again")
	}
	return nil
}

func preconditionFailed(format string, args ...any) error {
	return &Error{Code: PreconditionFailed, Message: fmt.Sprintf(format, args...)}
}
