package meshapi

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// The statuses of the objects of an import.
const (
	statusSuccess = "SUCCESS"
	statusFailed  = "FAILED"
)

// The result codes of failed objects.
const (
	codeInvalid     = "INVALID_MESH_OBJECT"
	codeServer      = "SERVER_ERROR"
	codeNoWorkspace = "WORKSPACE_NOT_FOUND"
	codeNoProject   = "PROJECT_NOT_FOUND"
)

// outcome is what became of one object of an import.
type outcome struct {
	// Object is the kind and the name, as meshUser[anna].
	Object     string   `json:"meshObject"`
	Status     string   `json:"status"`
	ResultCode *string  `json:"resultCode"`
	Message    *string  `json:"message"`
	Warnings   []string `json:"remarks"`
}

// objectName writes "meshUser anna" as the API does.
func objectName(object string) string {
	kind, name, _ := strings.Cut(object, " ")
	return kind + "[" + name + "]"
}

func (o *outcome) fail(err error) {
	code, message := resultOf(err)
	o.Status, o.ResultCode, o.Message = statusFailed, &code, &message
}

// resultOf returns the result code and the message of a failure. The cause of one that is not the
// caller's is in no message.
func resultOf(err error) (code, message string) {
	if isServers(err) {
		return codeServer, "the server failed: repeat the import"
	}
	e := control.AsError(err)
	problems := e.Problems
	if found, ok := errors.AsType[document.Problems](err); ok {
		problems = found
	}
	if len(problems) == 0 {
		return codeInvalid, e.Message
	}
	code = codeInvalid
	texts := make([]string, len(problems))
	for i, p := range problems {
		texts[i] = strings.TrimPrefix(p.Field+": "+p.Text, ": ")
		switch {
		case strings.HasPrefix(p.Text, "there is no "+string(document.KindWorkspace)+" "):
			code = codeNoWorkspace
		case strings.HasPrefix(p.Text, "there is no "+string(document.KindProject)+" ") && code == codeInvalid:
			code = codeNoProject
		}
	}
	return code, strings.Join(texts, "; ")
}

// entry is an object of an import with what becomes of it.
type entry struct {
	*outcome
	documents []document.Document
}

// batch is an import of one caller.
type batch struct {
	service control.Service
	by      access.Actor
}

// importObjects stores each object that is valid, in the order in which they refer to each other.
func importObjects(c *call) error {
	kind, err := accepted(c.Request, true, importJSON)
	if err != nil {
		return err
	}
	if err := checkContent(c.Request, importJSON, importYAML); err != nil {
		return err
	}
	collection, owner := c.query.Get("meshObjectCollection"), c.query.Get("owner")
	if owner != "" && collection == "" {
		return invalid("owner", "owner is that of a collection: add meshObjectCollection")
	}
	text, err := c.body(maxImport)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return invalid("", "the body is empty: an import of no objects is an empty list")
	}
	items, _, err := document.DecodeItems(bytes.NewReader(text), "import")
	if err != nil {
		return err
	}
	before, err := c.collected(collection, owner)
	if err != nil {
		return err
	}
	b := batch{c.service, c.by}
	outcomes, entries := entriesOf(items)
	b.store(c.ctx(), entries)
	if collection != "" {
		removed, err := b.collect(c, collection, owner, before, outcomes, entries)
		if err != nil {
			return err
		}
		outcomes = append(outcomes, removed...)
	}
	return write(c.ResponseWriter, http.StatusOK, kind, outcomes)
}

// collected returns the objects of a collection; none without one.
func (c *call) collected(collection, owner string) ([]document.ID, error) {
	if collection == "" {
		return nil, nil
	}
	of, err := c.collectionsOf()
	if err != nil {
		return nil, err
	}
	return of.Objects(c.ctx(), collection, owner)
}

// entriesOf returns an outcome of each object, in their order, and those that can be stored so that
// no object comes before one that it refers to.
func entriesOf(items []document.Item) (outcomes []*outcome, entries []entry) {
	outcomes = make([]*outcome, len(items))
	for i, item := range items {
		outcomes[i] = &outcome{Object: objectName(item.Name), Status: statusSuccess}
		if len(item.Problems) > 0 {
			outcomes[i].fail(item.Problems)
			continue
		}
		documents := item.Documents
		if slices.ContainsFunc(documents, func(d document.Document) bool {
			return d.ID.Kind == document.KindAccessPolicy || d.ID.Kind == document.KindGuard
		}) {
			outcomes[i].fail(invalid("kind", "the meshObject API has no such kind: store it by rollcall apply"))
			continue
		}
		if len(documents) > 0 {
			entries = append(entries, entry{outcomes[i], documents})
		}
	}
	slices.SortStableFunc(entries, func(a, b entry) int {
		kinds := document.Kinds()
		return slices.Index(kinds, a.documents[0].ID.Kind) - slices.Index(kinds, b.documents[0].ID.Kind)
	})
	return outcomes, entries
}

// store stores entries together, and if that fails each half, so that few calls find the entries
// that fail. What an entry refers to is stored before it.
func (b batch) store(ctx context.Context, entries []entry) {
	if len(entries) == 0 {
		return
	}
	var documents []document.Document
	for _, e := range entries {
		documents = append(documents, e.documents...)
	}
	err := ctx.Err()
	if err == nil {
		var result control.ChangeResult
		result, err = b.service.Apply(ctx, control.ApplyRequest{
			Documents: documents, ChangeOptions: control.ChangeOptions{By: b.by, Replicate: true},
		}, nil)
		if result.Stored {
			err = nil // the runs are stored with the documents: a worker starts those that did not start now
		}
	}
	switch {
	case err == nil:
	case len(entries) == 1 || isServers(err):
		for _, e := range entries {
			e.fail(err)
		}
	default:
		half := len(entries) / 2
		b.store(ctx, entries[:half])
		b.store(ctx, entries[half:])
	}
}

// isServers reports whether a failure is not one of the objects.
func isServers(err error) bool {
	switch control.CodeOf(err) {
	case control.Unavailable, control.Failed, control.NoWorker, control.NoKeyring:
		return true
	default:
		return false
	}
}

// inCollections reports whether an import removes objects of the kind that it omits.
func inCollections(kind document.Kind) bool {
	switch kind {
	case document.KindUserGroup, document.KindWorkspaceUserBinding, document.KindWorkspaceGroupBinding:
		return true
	default:
		return false
	}
}

// collect adds the stored objects to a collection, and removes those that it had before and that
// the import omits. An import with an object that cannot be read removes none: the object may be
// one of them.
func (b batch) collect(
	c *call, collection, owner string, before []document.ID, outcomes []*outcome, entries []entry,
) ([]*outcome, error) {
	of, err := c.collectionsOf()
	if err != nil {
		return nil, err
	}
	if err := of.Add(c.ctx(), collection, owner, storedOf(entries)); err != nil {
		return nil, err
	}
	listed := map[document.ID]bool{}
	for _, e := range entries {
		for _, d := range e.documents {
			listed[d.ID] = true
		}
	}
	omitted := slices.DeleteFunc(before, func(id document.ID) bool { return listed[id] })
	if len(entries) < len(outcomes) {
		warnUnread(outcomes, entries, len(omitted))
		return nil, nil
	}
	slices.SortFunc(omitted, func(a, b document.ID) int { return b.Compare(a) }) // what refers to others goes first
	removed := make([]*outcome, len(omitted))
	for i, id := range omitted {
		removed[i] = b.remove(c.ctx(), id)
	}
	return removed, nil
}

// storedOf returns the objects of entries that were stored and that a collection keeps.
func storedOf(entries []entry) []document.ID {
	var stored []document.ID
	for _, e := range entries {
		for _, d := range e.documents {
			if e.Status == statusSuccess && inCollections(d.ID.Kind) {
				stored = append(stored, d.ID)
			}
		}
	}
	return stored
}

// warnUnread says at each object that is no entry that omitted objects stay.
func warnUnread(outcomes []*outcome, entries []entry, omitted int) {
	read := make(map[*outcome]bool, len(entries))
	for _, e := range entries {
		read[e.outcome] = true
	}
	for _, o := range outcomes {
		if omitted > 0 && !read[o] {
			o.Warnings = append(o.Warnings, "the import removes no objects of the collection, as this one cannot be read")
		}
	}
}

// remove removes an object that an import omits.
func (b batch) remove(ctx context.Context, id document.ID) *outcome {
	o := &outcome{Object: objectName(id.String()), Status: statusSuccess}
	result, err := b.service.Delete(ctx, control.DeleteRequest{
		ID: id, ChangeOptions: control.ChangeOptions{By: b.by, AllowRemovals: true, Replicate: true},
	}, nil)
	if err != nil && !result.Stored && control.CodeOf(err) != control.NotFound {
		o.fail(err)
		return o
	}
	o.Warnings = []string{"removed: the import does not have it any more"}
	return o
}
